"""Activities that other programs write to the log themselves are known to ingest as if they had been posted."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.ingest.consume import Learning, Stages
from shared.consume import Received
from shared.db import transaction
from shared.eventlog.port import Record
from shared.events import Event, decode_data, to_message
from tests.ingest.door import NOW, Door, call

CALL = {"rep": "tanaka", "direction": "outbound", "outcome": "conversation", "duration_s": 60}
"""The data of `call()`."""


def written(
    id_: str = "c1", *, lead: str = "lead-1", day: int = 20, name: str = "call", source: str = "dialer", **data: Any
) -> Event:
    """An event as another program writes it: by default what `call()` posts."""
    return Event(
        id=id_,
        source=source,
        name=name,
        time=datetime(2026, 11, day, 1, tzinfo=UTC),
        subject=lead,
        key=lead or "acme",
        recorded_at=NOW,
        data=decode_data(name, json.dumps(data or CALL).encode()),
    )


async def take(door: Door, *events: Event) -> None:
    """One batch, as the consumer hands it over."""
    runtime = door.runtime
    stages = Stages([stage.id for stage in runtime.config.stages])
    learning = Learning(stages, runtime.clock, runtime.config.fields.personal)
    async with transaction(runtime.engine, of_driver=True) as conn:
        fresh = await learning.fresh(conn, _received(events))
        assert not fresh.duplicates
        assert not fresh.conflicts
        await learning.handle(conn, fresh.new)


def _received(events: Sequence[Event]) -> list[Received]:
    messages = [to_message(event) for event in events]
    return [
        Received(Record(m.topic, 0, n, m.key, m.headers, m.value, NOW), event)
        for n, (m, event) in enumerate(zip(messages, events, strict=True))
    ]


async def test_a_lead_is_known_from_its_earliest_activity_and_told_once(door: Door) -> None:
    await take(door, written("c2", day=15), written("c1"))
    await take(door, written("c2", day=15), written("c1"), written("c3", day=10))
    lead = (await door.get("/v1/leads/lead-1")).json()
    assert lead["created_at"] == "2026-11-10T01:00:00Z"
    (told,) = await door.outbox()
    assert (told.name, told.subject, told.time.day) == ("lead-created", "lead-1", 15)
    assert len((await door.get("/v1/leads", rep="tanaka")).json()["items"]) == 1


async def test_what_one_of_our_services_has_recorded_is_passed_over(door: Door) -> None:
    await take(door, replace(written(), recorded_at=NOW - timedelta(seconds=1)))
    assert await door.rows("select * from ingest.events") == []
    assert (await door.get("/v1/leads/lead-1")).status_code == 404


async def test_what_is_posted_afterwards_is_a_duplicate_or_contradicts(door: Door) -> None:
    await take(door, written())
    again = await door.post("/v1/activities", call())
    assert (again.status_code, again.json()["duplicates"]) == (202, 1)
    other = await door.post("/v1/activities", call(outcome="busy"))
    assert other.status_code == 409
    assert [event.name for event in await door.outbox()] == ["lead-created"]


async def test_what_ingest_has_told_itself_changes_nothing(door: Door) -> None:
    await door.post("/v1/activities", [call(), call(2, lead={"email": "a@acme.co.jp"}, lead_id=None)])
    told = await door.outbox()
    before = await door.rows("select * from ingest.events order by id")
    await take(door, *(event for event in told if event.name == "call"))
    assert await door.outbox() == told
    assert await door.rows("select * from ingest.events order by id") == before


@pytest.mark.parametrize("correction_first", [True, False])
async def test_a_correction_that_is_posted_finds_it(door: Door, correction_first: bool) -> None:
    void = {"id": "x1", "source": "dialer", "type": "correction", "occurred_at": "2026-11-21T00:00:00Z"}
    void |= {"corrects": {"source": "dialer", "id": "c1"}, "action": "void"}  # type: ignore[dict-item]
    if correction_first:
        assert (await door.post("/v1/activities", void)).status_code == 202
        assert await door.outbox() == []
    await take(door, written())
    if not correction_first:
        assert (await door.post("/v1/activities", void)).status_code == 202
    told = {event.name: event.subject for event in await door.outbox()}
    assert told == {"lead-created": "lead-1", "correction": "lead-1"}
    assert await door.rows("select * from ingest.waiting_corrections") == []


async def test_a_correction_of_theirs_makes_no_lead_known_and_waits_for_nothing(door: Door) -> None:
    content: dict[str, Any] = {"corrects": {"source": "dialer", "id": "c1"}, "action": "void"}
    await take(door, written("x1", name="correction", **content))
    assert (await door.get("/v1/leads/lead-1")).status_code == 404
    assert await door.rows("select * from ingest.waiting_corrections") == []
    assert await door.outbox() == []


async def test_contracts_are_of_no_lead_and_odd_leads_are_none(door: Door) -> None:
    term: dict[str, Any] = {"contract_id": "K", "company": "acme", "status": "started", "effective_on": "2026-11-01"}
    await take(door, written("k1", lead="", name="contract", **term), written("c1", lead="no lead of ours"))
    assert (await door.get("/v1/leads")).json()["items"] == []
    assert len(await door.rows("select * from ingest.events")) == 2


async def test_of_an_erased_lead_nothing_is_told(door: Door) -> None:
    lead = await door.lead({"email": "a@acme.co.jp"})
    await door.post(f"/v1/leads/{lead['lead_id']}/erase", {"reason": "asked for"})
    before = await door.outbox()
    await take(door, written(lead=lead["lead_id"]))
    assert (await door.get(f"/v1/leads/{lead['lead_id']}")).status_code == 410
    assert await door.outbox() == before


async def test_stages_and_activities_may_come_together(door: Door) -> None:
    await take(door, written())
    moved: dict[str, Any] = {"to": "MQL", "cycle": 1, "rule": "test"}
    entered = written("s1", name="stage-changed", source="tasuki.handoff", **moved)
    await take(door, written("c2", lead="lead-2"), entered)
    assert (await door.get("/v1/leads/lead-1")).json()["stage"] == "MQL"
    assert (await door.get("/v1/leads/lead-2")).status_code == 200
