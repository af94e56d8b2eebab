"""What ingest keeps for a time only is gone when that is over, and not before."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.retention import retentions
from shared.prune import Retention, prune
from shared.settings import Settings
from tests.ingest.door import Door

DAYS = 90
_ROW = {
    "ingest.quarantine": (
        "insert into ingest.quarantine (source, received_at, content_type, body, errors)"
        " select 'website', now() - make_interval(days => $1::int), 'application/json', '\\x00', '[]'"
    ),
    "ingest.fetches": (
        "insert into ingest.fetches (source, id, reference, raw, received_at, next_at, state)"
        " select 'meta', $1::int::text, '{}', '{}', now() - make_interval(days => $1::int), now(), 'done'"
    ),
    "ingest.webhook_tokens": (
        "insert into ingest.webhook_tokens (source, token, digest, seen_at)"
        " select 'mailgun', $1::int::text, '\\x00', now() - make_interval(days => $1::int)"
    ),
}


@pytest.mark.parametrize("table", _ROW)
async def test_rows_go_when_their_time_is_over(door: Door, table: str) -> None:
    (retention,) = [r for r in retentions(Settings(retention_quarantine_days=DAYS)) if r.table == table]
    for days in (retention.kept.days - 1, retention.kept.days + 1, 1000):
        await door.rows(_ROW[table], days)
    assert await prune(door.runtime.engine, retention) == 2
    (left,) = await door.rows(f"select {retention.since} as since from {table}")  # noqa: S608 (tables of ours)
    assert datetime.now(UTC) - left["since"] < retention.kept
    assert await prune(door.runtime.engine, retention) == 0


async def test_a_notice_that_waits_is_kept(door: Door) -> None:
    await door.rows(_ROW["ingest.fetches"].replace("'done'", "'waiting'"), 1000)
    (fetches,) = [r for r in retentions(Settings()) if r.table == "ingest.fetches"]
    assert await prune(door.runtime.engine, fetches) == 0


async def test_many_rows_go_in_steps(door: Door) -> None:
    await door.rows(
        "insert into access.audit (who, operation, lead_ids, at)"
        " select 'crm', 'GET /v1/leads', '{}', now() - make_interval(days => case when n % 2 = 0 then 10 else 1 end)"
        " from generate_series(1, 22000) n"
    )
    assert await prune(door.runtime.engine, Retention("access.audit", "at", timedelta(days=5))) == 11_000
    (left,) = await door.rows("select count(*) as n from access.audit")
    assert left["n"] == 11_000
