"""The SQL of the tag scans: one row a lead, the last look at its website. Meaning is in `worker.py`.

A scan that is taken counts as broken off when its lease has run out; `attempts` grows with each taking and tells whose
turn it is, so a worker that wakes too late changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import asyncpg
import msgspec

from services.ingest.tables import Connection

ATTEMPTS_MAX = 4
LEASE_S = 30
"""More than a scan may take; a scan whose process was killed is taken up again after it."""

CHANNEL = "tasuki_tag_scans"
BROKEN_OFF = "the scan was broken off each time, since the service ended while it ran"


class Scan(NamedTuple):
    """A row of the table; `tags` as JSON."""

    lead_id: str
    scan_id: str
    state: Literal["queued", "running", "done", "failed"]
    requested_at: datetime
    attempts: int
    next_at: datetime | None
    website: str | None
    observed_at: datetime | None
    tags: list[str] | None
    finished_at: datetime | None
    reason: str | None


_COLUMNS = """
    lead_id, scan_id::text, state, requested_at, attempts, next_at, website, observed_at, tags::text, finished_at,
    reason
"""


async def first_scans(db: Connection, lead_ids: Sequence[str], requested_at: datetime) -> None:
    """Have the websites of these leads looked at, but for leads of which there was a scan before."""
    made = await db.fetch(
        """
        insert into ingest.tag_scans (lead_id, requested_at)
        select id, $2 from unnest($1::text[]) as new(id) order by id
        on conflict do nothing returning lead_id
        """,
        list(dict.fromkeys(lead_ids)),
        requested_at,
    )
    if made:
        await _wake(db)


async def ask_for(db: Connection, lead_id: str, requested_at: datetime) -> Scan:
    """Have a lead's website looked at now; while that is being done, nothing changes. The row as it is then."""
    await db.execute(
        """
        insert into ingest.tag_scans as t (lead_id, requested_at) values ($1, $2)
        on conflict (lead_id) do update set
            scan_id = gen_random_uuid(), state = 'queued', requested_at = $2, attempts = 0, next_at = now(),
            website = null, observed_at = null, tags = null, finished_at = null, reason = null
        where t.state <> 'running'
        """,
        lead_id,
        requested_at,
    )
    await _wake(db)
    scan = await read(db, lead_id)
    assert scan is not None, "it was written just now"  # noqa: S101
    return scan


async def read(db: Connection, lead_id: str) -> Scan | None:
    """The last scan of a lead, None when there was none."""
    row = await db.fetchrow(f"select {_COLUMNS} from ingest.tag_scans where lead_id = $1", lead_id)  # noqa: S608 - our own columns
    return _scan(row) if row else None


async def take(db: Connection) -> Scan | None:
    """The scan that is due for longest, now running, on lease; None when none is due."""
    await db.execute(
        """
        update ingest.tag_scans set state = 'failed', next_at = null, finished_at = now(), reason = $2
        where lead_id in (
            select lead_id from ingest.tag_scans where next_at <= now() and attempts >= $1 for update skip locked
        )
        """,
        ATTEMPTS_MAX,
        BROKEN_OFF,
    )
    row = await db.fetchrow(
        f"""
        update ingest.tag_scans
        set state = 'running', attempts = attempts + 1, next_at = now() + make_interval(secs => $1)
        where lead_id = (
            select lead_id from ingest.tag_scans where next_at <= now() order by next_at limit 1
            for update skip locked
        )
        returning {_COLUMNS}
        """,  # noqa: S608 - our own columns
        LEASE_S,
    )
    return _scan(row) if row else None


async def seconds_to_next(db: Connection) -> float | None:
    """Until the next scan is due; None when nothing waits."""
    seconds: float | None = await db.fetchval(
        "select extract(epoch from min(next_at) - now())::float8 from ingest.tag_scans where next_at is not null"
    )
    return seconds


async def keep_found(db: Connection, scan: Scan, website: str, tags: list[str], observed_at: datetime) -> bool:
    """Keep what was found, before it is told. False when the scan is no longer ours."""
    done = await db.fetchval(
        """
        update ingest.tag_scans set website = $3, tags = $4::jsonb, observed_at = $5
        where scan_id = $1::uuid and attempts = $2 and state = 'running' returning true
        """,
        scan.scan_id,
        scan.attempts,
        website,
        msgspec.json.encode(tags).decode(),
        observed_at,
    )
    return done is True


async def finish(db: Connection, scan: Scan, website: str | None = None, reason: str | None = None) -> None:
    """The scan is over: failed with a reason, done without."""
    await db.execute(
        """
        update ingest.tag_scans set state = $3, reason = $4, website = coalesce($5, website), next_at = null,
            finished_at = now()
        where scan_id = $1::uuid and attempts = $2 and state = 'running'
        """,
        scan.scan_id,
        scan.attempts,
        "done" if reason is None else "failed",
        reason,
        website,
    )


async def postpone(db: Connection, scan: Scan, website: str, reason: str, wait_s: float) -> None:
    """The scan is to be tried again after a while."""
    await db.execute(
        """
        update ingest.tag_scans set state = 'queued', reason = $3, website = $4,
            next_at = now() + make_interval(secs => $5)
        where scan_id = $1::uuid and attempts = $2 and state = 'running'
        """,
        scan.scan_id,
        scan.attempts,
        reason,
        website,
        wait_s,
    )


async def give_back(db: Connection, scan: Scan) -> None:
    """The scan was not begun as far as anybody can tell: it is due again at once."""
    await db.execute(
        """
        update ingest.tag_scans set state = 'queued', attempts = attempts - 1, next_at = now()
        where scan_id = $1::uuid and attempts = $2 and state = 'running'
        """,
        scan.scan_id,
        scan.attempts,
    )


async def _wake(db: Connection) -> None:
    await db.execute("select pg_notify($1, '')", CHANNEL)


def _scan(row: asyncpg.Record) -> Scan:
    scan = Scan(*row)
    return scan._replace(tags=None if row["tags"] is None else msgspec.json.decode(row["tags"], type=list[str]))
