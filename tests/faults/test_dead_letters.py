"""reliability 17 and 18: records that nobody can take, in the log of running services, and dead letters that cannot
be written."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import Message
from shared.events import ACTIVITIES
from shared.outbox import unpack_headers
from shared.settings import ServiceName, Settings
from tests.faults.client import Client
from tests.faults.inside import rows, settle
from tests.faults.proxy import TcpProxy, proxied, through
from tests.faults.release import NEWER
from tests.faults.services import Services, running
from tests.system import until

HEADERS = {"ce_specversion": b"1.0", "ce_source": b"foreign", "ce_time": b"2026-02-02T00:00:00Z", "ce_subject": b"l"}
CALL = {"rep": "ito", "direction": "outbound", "outcome": "conversation", "duration_s": 60}
OVERSIZED = 20 * 1024 * 1024
CONSUMERS: tuple[ServiceName, ...] = ("handoff", "metrics")


@pytest.fixture(scope="module")
def proxy(module_database_url: str) -> Iterator[TcpProxy]:
    with proxied(module_database_url) as passing:
        yield passing


@pytest.fixture(scope="module")
def services(
    proxy: TcpProxy, module_database_url: str, free_port: Callable[[], int], tmp_path_factory: Any
) -> Iterator[Services]:
    folder, seen_as = tmp_path_factory.mktemp("dead"), through(proxy, module_database_url)
    with running(folder, free_port, module_database_url, seen_as=seen_as) as started:
        yield started


def message(id_: str, value: bytes | None, **headers: bytes) -> Message:
    """What a foreign producer writes among the activities; a value of None is a tombstone, which no writer of ours
    makes and any log can hold."""
    given = {**HEADERS, "ce_id": id_.encode(), "ce_type": b"tasuki.call.v1", **headers}
    return Message(ACTIVITIES, "foreign", tuple(given.items()), value)  # type: ignore[arg-type]


def append(url: str, *messages: Message) -> None:
    async def write() -> None:
        log = await EmbeddedLog.open(Settings(database_url=url))
        try:
            await log.append(messages)
        finally:
            await log.close()

    asyncio.run(write())


UNDERSTOOD_BY_NOBODY: Mapping[str, tuple[Message, str]] = {
    "undecodable": (message("garbage", b"\xff\xfe{"), "invalid_data"),
    "null": (message("null", None), "null_value"),
    "oversized": (message("large", b'{"rep": "' + b"x" * OVERSIZED + b'"}'), "oversized"),
    "wrong version": (message("next", json.dumps(CALL).encode(), ce_type=b"tasuki.call.v9"), "unknown_version"),
    "foreign type": (message("other", b"{}", ce_type=b"com.example.made"), "unknown_type"),
    "headers that are no text": (message("bytes", b"{}", ce_comment=b"\xff\xfe"), "invalid_headers"),
    "no headers": (Message(ACTIVITIES, "foreign", (), b"hello"), "missing_attribute"),
}


@pytest.mark.parametrize("name", UNDERSTOOD_BY_NOBODY)
def test_reliability_17_a_record_that_nobody_understands(services: Services, name: str) -> None:
    sent, reason = UNDERSTOOD_BY_NOBODY[name]
    good = message(f"behind {name}", json.dumps(CALL).encode())
    with closing(Client(services.system)) as client:
        before = client.get("metrics", "/v1/status")
        append(services.url, sent, good)
        settle(services.url)
        after = client.get("metrics", "/v1/status")
    assert after["lag"] == 0
    assert after["dead_lettered"] == before["dead_lettered"] + 1
    assert after["processed"] == before["processed"] + 1, "what came behind it was taken"
    (at,) = rows(
        services.url,
        'select p.topic, p.partition, r."offset" from log.records r join log.partitions p on p.id = r.partition_id '
        'where p.topic = $1 order by r.appended_at desc, r."offset" desc offset 1 limit 1',
        ACTIVITIES,
    )
    for consumer in CONSUMERS:
        letters = f'select * from {consumer}.dead_letters where topic = $1 and partition = $2 and "offset" = $3'  # noqa: S608
        (letter,) = rows(services.url, letters, *at)
        assert (letter["value"], unpack_headers(letter["headers"])) == (sent.value, sent.headers)
        assert letter["reason"] == reason
        assert letter["error"]
        with closing(Client(services.system)) as client:
            newest = client.get(consumer, "/v1/dead-letters?limit=1")["items"][0]
        assert (newest["id"], newest["reason"]) == (str(letter["id"]), reason)
    _copies_in_the_log(services, at, sent)


def _copies_in_the_log(services: Services, at: Any, sent: Message) -> None:
    """For whoever watches the topic of dead letters."""
    found = rows(
        services.url,
        "select r.headers, r.value from log.records r join log.partitions p on p.id = r.partition_id where topic = $1",
        "tasuki.dead-letters.v1",
    )
    place = {f"dead_letter_{name}": str(at[name]).encode() for name in ("topic", "partition", "offset")}
    copies = [
        (headers["dead_letter_consumer"].decode(), row["value"])
        for row in found
        if (headers := dict(unpack_headers(row["headers"]))).items() >= place.items()
    ]
    assert sorted(copies) == [(consumer, sent.value or b"") for consumer in CONSUMERS]


def test_reliability_17_a_newer_release_takes_what_this_one_could_not(services: Services) -> None:
    data = {**CALL, "duration_ms": 90_000}
    del data["duration_s"]
    with closing(Client(services.system)) as client:
        append(services.url, message("of the future", json.dumps(data).encode(), ce_type=NEWER))
        settle(services.url)
        spent = _value(client, "time_spent")
        listed = client.get("metrics", "/v1/dead-letters?limit=1")["items"][0]
        assert (listed["reason"], json.loads(listed["value"])) == ("unknown_version", data)
        retry = f"/v1/dead-letters/{listed['id']}/retry"
        assert client.send("metrics", "POST", retry).status == 409, "the release that runs still cannot take it"
        assert _value(client, "time_spent") == spent

        services.replace("metrics", "tests.faults.release")
        client.close()
        before = client.get("metrics", "/v1/status")
        assert client.send("metrics", "POST", retry).status == 200
        assert client.send("metrics", "POST", retry).status == 404, "it is taken once"
        after = client.get("metrics", "/v1/status")
        assert (after["processed"], after["dead_lettered"]) == (before["processed"] + 1, before["dead_lettered"])
        assert _value(client, "time_spent") == spent + 90
        services.replace("metrics")


def _value(client: Client, kpi: str) -> int:
    found = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all&where=source:foreign")["rows"]
    return sum(row["value"] for row in found)


@contextmanager
def _aside(url: str, table: str) -> Iterator[None]:
    rows(url, f"alter table {table} rename to put_aside")
    try:
        yield
    finally:
        schema, _, name = table.partition(".")
        rows(url, f"alter table {schema}.put_aside rename to {name}")


@pytest.mark.parametrize("table", ["metrics.dead_letters", "metrics.outbox", "handoff.dead_letters"])
def test_reliability_18_a_dead_letter_that_cannot_be_written(services: Services, table: str) -> None:
    schema = table.partition(".")[0]
    reached, condemned = _position(services, schema), _condemned(services, schema)
    with _aside(services.url, table):
        append(services.url, message(f"unwritten {table}", b"{"))
        _tries_again(services, schema)
        assert _position(services, schema) == reached
    settle(services.url)
    assert _position(services, schema) == reached + 1
    assert _condemned(services, schema) == condemned + 1


def _tries_again(services: Services, schema: str) -> None:
    """Wait until the consumer has rolled back several batches."""
    rolled_back = "select xact_rollback from pg_stat_database where datname = current_database()"
    (before,) = rows(services.url, rolled_back)[0]
    until(lambda: rows(services.url, rolled_back)[0][0] >= before + 5)


def _position(services: Services, schema: str) -> int:
    statement = f"select coalesce(sum(next_offset), 0) from {schema}.positions where topic = $1"  # noqa: S608
    return int(rows(services.url, statement, ACTIVITIES)[0][0])


def _condemned(services: Services, schema: str) -> int:
    return len(rows(services.url, f"select from {schema}.dead_letters"))


@pytest.mark.parametrize("schema", CONSUMERS)
def test_reliability_18_the_database_goes_in_the_middle_of_a_batch(
    services: Services, proxy: TcpProxy, schema: str
) -> None:
    """A record that nobody understands and two calls; the connection is lost at each of the batch's first commands
    behind the move of the positions, as often as the consumer tries."""
    reached, condemned = _position(services, schema), _condemned(services, schema)
    ids = [f"{schema} {n}" for n in range(2)]
    calls = [message(id_, json.dumps(CALL).encode()) for id_ in ids]
    needle = ids[0].encode()
    trap = proxy.cut_at(needle, f"tasuki-{schema}".encode(), forwarded=False)
    append(services.url, message(f"bad {schema}", b"{"), *calls)
    for forwarded in (True, False, True):
        trap.wait()
        assert _position(services, schema) == reached
        assert _condemned(services, schema) == condemned
        trap = proxy.cut_at(needle, f"tasuki-{schema}".encode(), forwarded=forwarded)
    trap.wait()
    settle(services.url)
    assert _position(services, schema) == reached + 3
    assert _condemned(services, schema) == condemned + 1
    taken = {
        "handoff": "select id from handoff.activities where id = any($1) order by 1",
        "metrics": "select id from metrics.events where id = any($1) order by 1",
    }
    assert [row["id"] for row in rows(services.url, taken[schema], ids)] == ids
