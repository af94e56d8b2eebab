"""One system on Kafka, and what others do to its log: producers that are not ours, good and bad events, lost records.

The tests share the system and run in the order of the file: after the last one, metrics has halted.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition as KafkaPartition
from confluent_kafka import Producer

from shared.events import ACTIVITIES, DEAD_LETTERS
from shared.kafka import Cluster
from shared.partition import partition_of
from tests.conftest import private_folder
from tests.faults.client import Client
from tests.faults.inside import database, errors_logged, holding, rows, settle, the_log
from tests.faults.on_kafka import in_order, on_kafka
from tests.system import System, tasuki, until

CALL = {"rep": "ito", "direction": "outbound", "outcome": "busy"}
CANARY = "canary-mei"
TIME = "2026-02-02T00:00:00Z"
LEADS_OF_THEIRS = [f"0198f2c0-0000-7000-8000-{n:012}" for n in range(40)]


@pytest.fixture(scope="module")
def running(free_port: Callable[[], int]) -> Iterator[tuple[System, Cluster]]:
    with private_folder() as folder, on_kafka(folder / "data", free_port) as both:
        yield both


@pytest.fixture
def system(running: tuple[System, Cluster]) -> System:
    return running[0]


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with closing(Client(system)) as client:
        yield client


def binary(number: int, lead: str, **other: str) -> dict[str, Any]:
    attributes = {"specversion": "1.0", "id": str(number), "source": "binary", "type": "tasuki.call.v1", "time": TIME}
    headers = {f"ce_{name}": text for name, text in (attributes | {"subject": lead} | other).items()}
    return {"key": lead, "value": json.dumps(CALL), "headers": headers | {"content-type": "application/json"}}


def structured(number: int, lead: str, **other: Any) -> dict[str, Any]:
    attributes = {"specversion": "1.0", "id": str(number), "source": "structured", "type": "tasuki.call.v1"}
    event = attributes | {"time": TIME, "subject": lead, "partitionkey": lead, "data": CALL} | other
    return {
        "key": lead,
        "value": json.dumps(event),
        "headers": {"content-type": "application/cloudevents+json; charset=utf-8"},
    }


BAD: dict[str, dict[str, Any]] = {
    "invalid_data": binary(1000, "bad") | {"value": b"\xff\xfe{"},
    "null_value": binary(1001, "bad") | {"value": None},
    "unknown_version": binary(1002, "bad", type="tasuki.call.v2"),
    "unknown_type": binary(1003, "bad", type="tasuki.wish.v1"),
    "missing_attribute": binary(1004, "bad") | {"headers": {"content-type": "application/json"}},
    "invalid_headers": binary(1005, "bad") | {"headers": {"ce_id": b"\xff"}},
    "invalid_time": binary(1006, "bad", time="yesterday"),
    "invalid_envelope": structured(1007, "bad") | {"value": b'{"id": "1", "data": '},
    "identity_conflict": binary(0, LEADS_OF_THEIRS[0]) | {"value": json.dumps(CALL | {"outcome": "voicemail"})},
    "oversized": binary(1008, "bad") | {"value": json.dumps(CALL | {"note": "x" * (3 * 1024 * 1024)})},
}
"""Reason of the dead letter -> the record."""


def test_reliability_17_calls_of_other_producers_count_and_the_malformed_are_dead_letters(
    system: System, client: Client
) -> None:
    good = [make(n, lead) for n, lead in enumerate(LEADS_OF_THEIRS) for make in (binary, structured)]
    places: dict[str, set[int]] = {}
    producer = Producer({"bootstrap.servers": system.kafka, "message.max.bytes": 4_000_000, "log_level": 0})
    for record in [*good, *BAD.values()]:
        place = lambda _, record: places.setdefault(record.key().decode(), set()).add(record.partition())  # noqa: E731
        producer.produce(ACTIVITIES, **record, on_delivery=place)
    assert producer.flush(30) == 0
    assert any({partition_of(lead, 12)} != places[lead] for lead in LEADS_OF_THEIRS), "it divides keys as we do"
    settle(database(system), kafka=system.kafka)

    by_source = {row["source"]: row["value"] for row in _values(client, "calls", "source")}
    assert by_source == {"binary": 40, "structured": 40}
    status = client.get("metrics", "/v1/status")
    told = 2 * len(LEADS_OF_THEIRS)  # ingest tells that each lead is known, handoff its first stage
    assert (status["processed"], status["dead_lettered"], status["lag"]) == (80 + told, len(BAD), 0)
    letters = client.get("metrics", "/v1/dead-letters?limit=100")["items"]
    assert {letter["reason"] for letter in letters} == BAD.keys()
    kept = {row["reason"]: row for row in rows(database(system), "select * from metrics.dead_letters")}
    for reason, record in BAD.items():
        value = record["value"].encode() if isinstance(record["value"], str) else record["value"]
        assert kept[reason]["value"] == value, reason
        assert (kept[reason]["topic"], kept[reason]["key"]) == (ACTIVITIES, record["key"])
    assert asyncio.run(_copies(system)) >= {(reason, "metrics") for reason in BAD}
    for lead in LEADS_OF_THEIRS[:3]:
        assert client.get("ingest", f"/v1/leads/{lead}")["created_at"] == TIME, "known as if the calls had been posted"
        assert client.get("handoff", f"/v1/leads/{lead}/readiness")["lead_id"] == lead
    before = _values(client, "calls", "source")
    assert client.send("metrics", "POST", "/v1/rebuild").status == 200
    assert _values(client, "calls", "source") == before


async def _copies(system: System) -> set[tuple[str, str]]:
    """Reason and consumer of what stands in the topic of dead letters."""
    found: set[tuple[str, str]] = set()
    async with the_log(database(system), system.kafka) as log:
        for at, end in (await log.ends([DEAD_LETTERS])).items():
            for record in await log.read(at, 0, 1000) if end else ():
                headers = dict(record.headers)
                found.add((headers["dead_letter_reason"].decode(), headers["dead_letter_consumer"].decode()))
    return found


def _values(client: Client, kpi: str, by: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all&by={by}")["rows"]
    return found


def test_what_is_taken_again_from_the_beginning_changes_nothing(system: System, client: Client) -> None:
    before, known = _values(client, "calls", "source"), client.get("metrics", "/v1/status")
    seek = tasuki(system, "log", "seek", "metrics", "0")
    assert seek.returncode == 0, seek.stderr
    assert f"metrics goes on at 0 of {ACTIVITIES}/" in seek.stdout
    settle(database(system), kafka=system.kafka)
    status = client.get("metrics", "/v1/status")
    assert status["processed"] == known["processed"]
    assert status["duplicates"] == known["duplicates"] + known["processed"]
    assert status["dead_lettered"] == known["dead_lettered"] + len(BAD)
    assert len(client.get("metrics", "/v1/dead-letters?limit=100")["items"]) == len(BAD), "one of each place"
    assert _values(client, "calls", "source") == before
    assert ACTIVITIES in tasuki(system, "log", "positions").stdout
    assert "there is no service mertics" in tasuki(system, "log", "seek", "mertics", "0").stderr
    beyond = tasuki(system, "log", "seek", "metrics", "1000000")
    assert beyond.returncode == 1
    assert "1000000 is beyond it" in beyond.stderr
    assert client.get("metrics", "/v1/status")["lag"] == 0, "nothing was changed"


def test_reliability_22_what_others_wrote_of_a_person_is_gone_with_the_lead(system: System, client: Client) -> None:
    lead, url = LEADS_OF_THEIRS[1], database(system)
    appointment = {"appointment_id": "theirs", "status": "set", "rep": "ito", "note": CANARY}
    told = binary(2000, lead, type="tasuki.appointment.v1") | {"value": json.dumps(appointment)}
    other = told | {"value": json.dumps(appointment | {"note": f"not {CANARY}"})}
    unreadable = binary(2001, lead) | {"value": json.dumps(CALL | {"outcome": CANARY})}
    producer = Producer({"bootstrap.servers": system.kafka, "log_level": 0})
    for record in (told, told, other, unreadable):
        producer.produce(ACTIVITIES, partition=0, **record)
    assert producer.flush(30) == 0
    settle(url, kafka=system.kafka)
    held = holding(url, CANARY)
    assert {"handoff.dead_letters", "ingest.dead_letters", "metrics.dead_letters"} == set(held), "the rest is sealed"
    numbers, known = _values(client, "appointments", "source"), client.get("metrics", "/v1/status")
    assert {row["source"]: row["value"] for row in numbers} == {"binary": 1}

    assert client.send("ingest", "POST", f"/v1/leads/{lead}/erase", {"reason": "本人の請求"}).status == 200
    settle(url, kafka=system.kafka)
    assert holding(url, CANARY) == []
    assert tasuki(system, "log", "seek", "metrics", "0").returncode == 0
    settle(url, kafka=system.kafka)
    assert holding(url, CANARY) == [], "also when all is taken again"
    status = client.get("metrics", "/v1/status")
    assert status["processed"] == known["processed"] + 1, "that it was erased"
    assert _values(client, "appointments", "source") == numbers


def test_reliability_11_what_waited_is_published_in_the_order_of_each_key(
    running: tuple[System, Cluster], client: Client
) -> None:
    system, cluster = running
    for n in range(60):
        if n == 20:
            cluster.kill(1)
        if n == 40:
            cluster.start(1)
        moment = {"occurred_at": f"2026-02-02T00:00:{n:02}Z", "lead": {"email": f"mei@row{n % 3}.co.jp"}}
        call = CALL | {"type": "call", "source": "ordered", "id": str(n)}
        assert client.send("ingest", "POST", "/v1/activities", call | moment).status == 202
    settle(database(system), kafka=system.kafka)
    ordered = in_order(system, ACTIVITIES, "ordered")
    assert len(ordered) == 3
    for events in ordered.values():
        assert len(events) == 20
        assert [int(event.id) for event in events] == sorted(int(event.id) for event in events)
    assert errors_logged(system) == []


def test_reliability_13_a_position_that_the_log_no_longer_has_halts_the_consumer(
    system: System, client: Client
) -> None:
    """Nothing is skipped, liveness fails and says why, and the others go on; last, since metrics has halted then."""
    held = "select topic, partition, next_offset from metrics.positions where topic = $1 order by next_offset desc"
    topic, partition, reached = rows(database(system), held, ACTIVITIES)[0]
    assert reached > 2
    before = _values(client, "calls", "source")
    asyncio.run(_delete(system, KafkaPartition(topic, partition), reached - 1))
    back = "update metrics.positions set next_offset = $3 where topic = $1 and partition = $2 returning next_offset"
    rows(database(system), back, topic, partition, reached - 2)
    for pid in system.processes("services.metrics"):
        os.kill(pid, signal.SIGKILL)

    client.get("metrics", "/v1/status")  # it is back
    until(lambda: client.once("metrics", "GET", "/livez").status == 503)
    told = client.once("metrics", "GET", "/livez").body
    assert f"{topic}/{partition}: offset {reached - 2} is gone, the first is {reached - 1}" in told
    assert any('"consumer_halted"' in line for line in errors_logged(system))
    assert client.figure("metrics", "tasuki_consumer_halted") == 1
    post = CALL | {
        "type": "call",
        "source": "after",
        "id": "1",
        "occurred_at": TIME,
        "lead": {"email": "mei@row0.co.jp"},
    }
    assert client.send("ingest", "POST", "/v1/activities", post).status == 202
    assert rows(database(system), held, ACTIVITIES)[0] is not None
    at = "select next_offset from metrics.positions where topic = $1 and partition = $2"
    assert [tuple(row) for row in rows(database(system), at, topic, partition)] == [(reached - 2,)]
    assert [row for row in _values(client, "calls", "source") if row["source"] != "after"] == before


async def _delete(system: System, partition: KafkaPartition, before: int) -> None:
    """What retention does: the records before an offset are gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=system.kafka)
    await admin.start()
    try:
        await admin.delete_records({partition: RecordsToDelete(before)})
    finally:
        await admin.close()
