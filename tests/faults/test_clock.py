"""reliability 21: replicas whose clocks are an hour apart share leases, keys and the relay, which go by the clock of
the database; and reliability 3: an event comes again when 32 days have gone by."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.db import dsn
from shared.eventlog.embedded import EmbeddedLog
from shared.events import to_message
from shared.settings import Settings
from tests.faults.client import Client, InFlight, Reply
from tests.faults.inside import logged, rows, settle
from tests.faults.services import Services, in_background, running
from tests.system import SERVICES, System, until

HOUR = 3600
LEASE = {"TASUKI_CONSUMER_LEASE_S": "1"}
PATIENCE = "select pg_sleep(3)"  # three leases
GROUPS = "select consumer_group, member, session from log.members order by 1, 2"
HOLDERS = "select consumer_group, member from log.leases"
CALL = {"type": "call", "rep": "ito", "direction": "outbound", "outcome": "conversation", "duration_s": 60}


def call(source: str, n: int = 0, **more: Any) -> dict[str, Any]:
    about = {"source": source, "id": f"c{n}", "lead": {"email": f"mei@firm{n % 40}.co.jp"}}
    return CALL | about | {"occurred_at": "2026-02-02T00:00:00Z"} | more


@pytest.fixture(scope="module")
def services(module_database_url: str, free_port: Callable[[], int], tmp_path_factory: Any) -> Iterator[Services]:
    with running(tmp_path_factory.mktemp("clock"), free_port, module_database_url, **LEASE) as started:
        yield started


@pytest.fixture(scope="module", params=[-HOUR, pytest.param(HOUR, marks=pytest.mark.long)], ids=["late", "early"])
def replica(
    services: Services, free_port: Callable[[], int], tmp_path_factory: Any, request: Any
) -> Iterator[Services]:
    """A second process of each service, with a wrong clock."""
    folder: Path = tmp_path_factory.mktemp("replica")
    environment = {"TASUKI_DATABASE_URL": services.url, "TASUKI_CONSUMER_MEMBER": "other", **LEASE}
    others = Services(System(folder / "data", free_port, environment), services.url)
    others.system.key = services.system.key
    try:
        for service in SERVICES:
            others.start(service, "tests.faults.clock", str(request.param))
        yield others
        for service in SERVICES:
            others.stop(service)
    finally:
        others.kill()


def test_reliability_21_leases_and_relays_of_clocks_an_hour_apart(services: Services, replica: Services) -> None:
    until(lambda: _all_hold_shards(services.url), 60, lambda: str(rows(services.url, HOLDERS)))
    members = rows(services.url, GROUPS)
    source = f"apart-{replica.system.port['ingest']}"
    with closing(Client(services.system)) as here, closing(Client(replica.system)) as there:
        before = here.get("metrics", "/v1/status")
        for n in range(0, 200, 20):
            for client in (here, there):
                calls = [call(source, n + i) for i in range(20)]
                assert client.send("ingest", "POST", "/v1/activities", calls).status == 202
        rows(services.url, PATIENCE)
        settle(services.url)
        assert rows(services.url, GROUPS) == members, "nobody was taken for dead"
        assert sum(event.source == source for event in logged(services.url)) == 200
        for client in (here, there):
            status = client.get("metrics", "/v1/status")
            assert (status["duplicates"], status["dead_lettered"]) == (before["duplicates"], 0)
            (row,) = client.get("metrics", f"/v1/kpis/calls/values?grain=all&where=source:{source}")["rows"]
            assert row["value"] == 200


def _all_hold_shards(url: str) -> bool:
    held = Counter((row["consumer_group"], row["member"]) for row in rows(url, HOLDERS))
    return len(held) == len(rows(url, GROUPS)) == 2 * (1 + 1 + 2)  # metrics has two consumers in each process


def test_reliability_21_a_key_in_flight_is_not_taken_over_by_a_wrong_clock(
    services: Services, replica: Services
) -> None:
    source = f"key {replica.system.port['ingest']}"

    def post(client: Client) -> Reply:
        return client.send("ingest", "POST", "/v1/activities", call(source), source)

    claimed = "select from access.idempotency where key = $1 and status is null"
    with closing(Client(replica.system)) as there:
        with _held(services.url, "ingest.events"):
            answer = in_background(post, services.system)
            until(lambda: len(rows(services.url, claimed, source)) == 1)
            for _ in range(2):
                with pytest.raises(InFlight):
                    post(there)
        first, again = answer(), post(there)
    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"


@contextmanager
def _held(url: str, table: str) -> Iterator[None]:
    """Nobody may write to the table meanwhile."""
    with asyncio.Runner() as runner:
        conn = runner.run(asyncpg.connect(dsn(url)))
        try:
            runner.run(conn.execute(f"begin; lock table {table} in exclusive mode"))
            yield
        finally:
            runner.run(conn.close())


def test_reliability_21_what_a_late_clock_refuses_is_good_once_it_is_right(services: Services) -> None:
    now = datetime.now(UTC)
    with closing(Client(services.system)) as client:
        services.replace("ingest", "tests.faults.clock", str(-HOUR))
        for seconds, status in ((-HOUR + 290, 202), (-HOUR + 600, 422), (0, 422)):
            client.close()
            at = (now + timedelta(seconds=seconds)).isoformat()
            reply = client.send("ingest", "POST", "/v1/activities", call(f"door {seconds}", occurred_at=at))
            assert reply.status == status, reply
        services.replace("ingest")
        client.close()
        assert (
            client.send("ingest", "POST", "/v1/activities", call("door 0", occurred_at=now.isoformat())).status == 202
        )
    settle(services.url)
    taken = {
        row["source"] for row in rows(services.url, "select source from metrics.events where source like 'door %'")
    }
    assert taken == {"door -3310", "door 0"}


def test_reliability_3_the_same_event_at_two_offsets_and_32_days_later(services: Services) -> None:
    with closing(Client(services.system)) as client:
        posted = call("again")
        assert client.send("ingest", "POST", "/v1/activities", posted).status == 202
        settle(services.url)
        (event,) = [event for event in logged(services.url) if event.source == "again"]
        before = client.figure("metrics", "tasuki_events_duplicate_total")
        _append(services.url, to_message(event))
        settle(services.url)
        assert client.figure("metrics", "tasuki_events_duplicate_total") == before + 1

        for service in SERVICES:
            services.stop(service)
        _let_pass(services.url, days=32)
        for service in SERVICES:
            services.start(service, "tests.faults.clock", str(32 * 24 * HOUR))
        client.close()
        _append(services.url, to_message(event))
        settle(services.url)
        assert client.figure("metrics", "tasuki_events_duplicate_total") == before + 2
        reply = client.send("ingest", "POST", "/v1/activities", posted)
        assert reply.body["results"][0]["status"] == "duplicate"
        for kpi, expected in (("calls", 1), ("time_spent", 60)):
            (row,) = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all&where=source:again")["rows"]
            assert row["value"] == expected
        assert client.get("metrics", "/v1/status")["dead_lettered"] == 0
        assert len(rows(services.url, "select from handoff.activities where source = 'again'")) == 1


def _append(url: str, message: Any) -> None:
    async def write() -> None:
        log = await EmbeddedLog.open(Settings(database_url=url))
        try:
            await log.append([message])
        finally:
            await log.close()

    asyncio.run(write())


def _let_pass(url: str, days: int) -> None:
    """Everything that the database noted down by its own clock or a service's becomes so much older."""
    statements = rows(
        url,
        """
        select format('update %I.%I set %I = %I - make_interval(days => $1)', table_schema, table_name,
                      column_name, column_name) as older
        from information_schema.columns join information_schema.tables using (table_schema, table_name)
        where data_type = 'timestamp with time zone' and table_type = 'BASE TABLE'
          and table_schema in ('ingest', 'handoff', 'metrics', 'log', 'access')
          and column_name in ('recorded_at', 'taken_at', 'appended_at', 'received_at', 'created_at', 'started_at', 'at')
        """,
    )
    for row in statements:
        rows(url, row["older"], days)
