"""A handoff that nobody answers in time is told of, once, as what it is: something that happened when it was due."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.handoff.app import open_handoffs
from services.handoff.overdue import Overdue, tell
from shared.db import driver, transaction
from shared.events import HandoffOverdue, LeadErased, LeadMerged, StageChanged
from tests.handoff.desk import NOW, Desk, made, running
from tests.handoff.shipped import config_with

DUE = NOW + timedelta(hours=4)  # of what is handed over at NOW, by the shipped policy
SECOND = timedelta(seconds=1)


async def look(desk: Desk) -> int:
    async with transaction(desk.engine) as conn:
        return await tell(conn, desk.rules, desk.clock.now())


async def overdue(desk: Desk) -> list[str]:
    return [event.data.handoff_id for event in await desk.told() if isinstance(event.data, HandoffOverdue)]


async def test_it_is_told_once_when_its_time_is_over(desk: Desk) -> None:
    handoff = await desk.hand_over(await desk.ready_lead("L1"))
    desk.clock.at = NOW + timedelta(hours=4) - timedelta(seconds=1)
    assert await look(desk) == 0
    desk.clock.at = NOW + timedelta(hours=5)
    assert [await look(desk), await look(desk)] == [1, 0]
    assert await overdue(desk) == [handoff["handoff_id"]]
    event = next(event for event in await desk.told() if event.name == "handoff-overdue")
    assert event.subject == "L1"
    assert event.time == NOW + timedelta(hours=4), "it happened when it was due"
    assert event.recorded_at == desk.clock.now()
    await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)
    assert await look(desk) == 0


async def test_what_was_decided_in_time_is_not_overdue_nor_is_what_nobody_can_decide(desk: Desk) -> None:
    decided = await desk.hand_over(await desk.ready_lead("L1"))
    await desk.post(f"/v1/handoffs/{decided['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)
    await desk.hand_over(await desk.ready_lead("L2"))
    await desk.deliver(made("lead-erased", "L2", LeadErased(reason="x"), NOW, "gone"))
    late = await desk.hand_over(await desk.ready_lead("L3"))
    desk.clock.at += timedelta(days=30)
    await look(desk)
    assert await overdue(desk) == [late["handoff_id"]]


async def test_a_look_that_is_rolled_back_has_told_nobody(desk: Desk) -> None:
    await desk.hand_over(await desk.ready_lead("L1"))
    desk.clock.at += timedelta(days=30)

    async def look_and_fail() -> None:
        async with transaction(desk.engine) as conn:
            assert await tell(conn, desk.rules, desk.clock.now()) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await look_and_fail()
    assert await overdue(desk) == []
    assert await look(desk) == 1


async def test_replicas_share_them(desk: Desk) -> None:
    made_ids = {(await desk.hand_over(await desk.ready_lead(f"L{n}")))["handoff_id"] for n in range(6)}
    desk.clock.at += timedelta(days=30)
    async with transaction(desk.engine) as conn:
        assert await tell(conn, desk.rules, desk.clock.now()) == 6
        async with asyncio.timeout(5):
            assert await look(desk) == 0, "another replica waits for nobody"
    assert await look(desk) == 0
    told = await overdue(desk)
    assert (set(told), len(told)) == (made_ids, 6)


async def test_the_task_tells_of_what_becomes_due_and_stops(desk: Desk) -> None:
    await desk.hand_over(await desk.ready_lead("L1"))
    desk.clock.at = NOW + timedelta(hours=4) - timedelta(seconds=0.2)
    stop = asyncio.Event()
    task = asyncio.create_task(Overdue(desk.engine, desk.rules, desk.clock).run(stop))
    await asyncio.sleep(0.1)
    assert await overdue(desk) == []
    desk.clock.at += timedelta(seconds=0.2)
    for _ in range(100):
        if await overdue(desk):
            break
        await asyncio.sleep(0.05)
    assert len(await overdue(desk)) == 1
    stop.set()
    async with asyncio.timeout(2):
        await task


async def names(desk: Desk) -> list[str]:
    return [event.name for event in await desk.told() if event.name.startswith("handoff-")]


async def accept(desk: Desk, handoff: Any) -> Any:
    return await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)


async def test_who_decides_late_tells_of_it_first_while_nobody_looks(desk: Desk) -> None:
    """The service was down when the time was over, and the decision is the first that it hears."""
    handoff = await desk.hand_over(await desk.ready_lead("L1"))
    desk.clock.at = DUE + timedelta(days=10)
    accepted = await accept(desk, handoff)
    assert (accepted["overdue"], accepted["due_in_s"]) == (True, None)
    assert await names(desk) == ["handoff-created", "handoff-overdue", "handoff-accepted"]
    (event,) = [event for event in await desk.told() if event.name == "handoff-overdue"]
    assert (event.time, event.recorded_at) == (DUE, desk.clock.now())
    assert await look(desk) == 0


async def test_who_decides_a_moment_before_was_never_late(desk: Desk) -> None:
    handoff = await desk.hand_over(await desk.ready_lead("L1"))
    desk.clock.at = DUE - SECOND
    assert (await accept(desk, handoff))["overdue"] is False
    desk.clock.at = DUE + timedelta(days=10)
    assert await look(desk) == 0
    assert (await desk.get(f"/v1/handoffs/{handoff['handoff_id']}"))["overdue"] is False
    assert await names(desk) == ["handoff-created", "handoff-accepted"]


@asynccontextmanager
async def holding(desk: Desk, lead_id: str) -> AsyncIterator[Any]:
    """A transaction that holds a lead's row, as whoever decides about the lead does."""
    async with transaction(desk.engine) as conn:
        await (await driver(conn)).fetch("select from handoff.leads where lead_id = $1 for update", lead_id)
        yield conn


async def waiting(desk: Desk) -> None:
    """Until somebody waits for a row."""
    async with asyncio.timeout(10):
        while True:
            if await desk.rows(
                "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            ):
                return
            await asyncio.sleep(0.02)


async def test_a_decision_that_had_to_wait_until_it_was_told_comes_too_late(desk: Desk) -> None:
    handoff = await desk.hand_over(await desk.ready_lead("L1"))
    desk.clock.at = DUE - SECOND
    async with holding(desk, "L1") as conn:
        deciding = asyncio.create_task(accept(desk, handoff))
        await waiting(desk)
        assert await tell(conn, desk.rules, DUE + SECOND) == 1
    accepted = await deciding
    assert (accepted["outcome"]["decided_at"], accepted["overdue"]) == (handoff["due_at"], True)
    told = {event.name: event.time for event in await desk.told()}
    assert told["handoff-overdue"] <= told["handoff-accepted"]


async def test_nobody_waits_for_a_decision_that_is_being_made(desk: Desk) -> None:
    await desk.hand_over(await desk.ready_lead("L1"))
    await desk.hand_over(await desk.ready_lead("L2"))
    desk.clock.at = DUE + SECOND
    async with holding(desk, "L1"), asyncio.timeout(5):
        assert [await look(desk), await look(desk)] == [1, 0]
    assert await look(desk) == 1


async def test_decisions_and_looks_at_once_tell_once_each(desk: Desk) -> None:
    handoffs = [await desk.hand_over(await desk.ready_lead(f"L{n}")) for n in range(8)]
    desk.clock.at = DUE + SECOND
    await asyncio.gather(*(accept(desk, handoff) for handoff in handoffs), *(look(desk) for _ in range(4)))
    told = await names(desk)
    assert (told.count("handoff-overdue"), told.count("handoff-accepted")) == (8, 8)
    assert sorted(await overdue(desk)) == sorted(handoff["handoff_id"] for handoff in handoffs)


async def test_the_inbox_knows_what_is_overdue_and_how_much_time_is_left(desk: Desk) -> None:
    early = await desk.hand_over(await desk.ready_lead("early"))
    late = await desk.hand_over(await desk.ready_lead("late"))
    await accept(desk, early)
    desk.clock.at = DUE - timedelta(minutes=30)
    await desk.hand_over(await desk.ready_lead("open"))
    assert {h["lead_id"]: h["due_in_s"] for h in (await desk.get("/v1/handoffs"))["items"]} == {
        "early": None,
        "late": 1800,
        "open": 4 * 3600,
    }
    desk.clock.at = DUE + timedelta(minutes=1)

    async def listed(query: str) -> list[str]:
        return [h["lead_id"] for h in (await desk.get(f"/v1/handoffs?{query}"))["items"]]

    assert await listed("overdue=true") == ["late"]
    assert await listed("overdue=false") == ["early", "open"]
    assert await listed("overdue=false&status=pending") == ["open"]
    assert (await desk.call("GET", "/v1/handoffs?overdue=maybe")).status == 422
    found = await desk.get(f"/v1/handoffs/{late['handoff_id']}")
    assert (found["overdue"], found["due_in_s"]) == (True, -60)
    await accept(desk, late)
    assert await listed("overdue=true") == ["late"], "it was, however it was decided"


async def test_the_gauge_counts_what_is_overdue_beside_what_is_pending(desk: Desk) -> None:
    for lead_id in ("L1", "L2", "gone"):
        await desk.hand_over(await desk.ready_lead(lead_id))
    desk.clock.at = DUE + SECOND
    await desk.hand_over(await desk.ready_lead("new"))
    await desk.deliver(made("lead-erased", "gone", LeadErased(reason="x"), NOW, "erased"))
    (gauge,) = await open_handoffs(desk.engine, desk.clock)()
    assert {s.labels["state"]: s.value for s in gauge.samples} == {"pending": 4, "overdue": 2}


ACCEPTED, OVERDUE = "{event: handoff, status: accepted}", "{event: handoff, status: overdue}"
IS_OVERDUE = {ACCEPTED: f"{{any: [{ACCEPTED}, {OVERDUE}]}}"}


async def test_a_stage_can_be_entered_when_a_handoff_is_overdue(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, config_with(tmp_path, **IS_OVERDUE)) as desk:
        told = await desk.hand_over(await desk.ready_lead("told"))
        await desk.hand_over(await desk.ready_lead("merged"))
        decided = await desk.hand_over(await desk.ready_lead("decided"))
        await desk.ready_lead("survivor")
        await desk.deliver(made("lead-merged", "merged", LeadMerged(into="survivor"), NOW, "m"))
        desk.clock.at = DUE + timedelta(hours=1)
        await accept(desk, decided)
        assert await look(desk) == 2
        for lead_id in ("told", "survivor", "decided"):
            entry = (await desk.get(f"/v1/leads/{lead_id}/stages"))["items"][-1]
            assert (entry["stage"], entry["entered_at"]) == ("SQL", told["due_at"]), "when it was due"
        entered = [e for e in await desk.told() if isinstance(e.data, StageChanged) and e.data.to == "SQL"]
        assert {(e.subject, e.time) for e in entered} == {(lead, DUE) for lead in ("told", "survivor", "decided")}


async def test_what_was_overdue_in_an_earlier_cycle_moves_nobody(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, config_with(tmp_path, **IS_OVERDUE)) as desk:
        first = await desk.hand_over(await desk.ready_lead("L1"))
        desk.clock.at = DUE + timedelta(hours=1)
        await desk.post("/v1/leads/L1/recycle", {"reason": "x"}, 200)
        assert await look(desk) == 1
        assert (await desk.get("/v1/leads/L1/stages"))["stage"] == "Awareness"
        returned = {"sales_rep": "suzuki", "reason": "bad_timing"}
        await desk.post(f"/v1/handoffs/{first['handoff_id']}/return", returned, 200)
        second = await desk.hand_over("L1")
        desk.clock.at += timedelta(days=9)
        assert await look(desk) == 1
        entry = (await desk.get("/v1/leads/L1/stages"))["items"][-1]
        assert (entry["stage"], entry["cycle"], entry["entered_at"]) == ("SQL", 2, second["due_at"])


async def test_an_hour_is_an_hour_when_summer_time_begins(database_url: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    async with running(database_url, timezone="Europe/Berlin") as desk:
        desk.clock.at = datetime(2026, 3, 27, 17, tzinfo=berlin)  # a Friday; the clocks go forward on Sunday
        await desk.hand_over(await desk.ready_lead("L1"))
        due = datetime(2026, 3, 30, 12, tzinfo=berlin)
        desk.clock.at = due - SECOND
        assert await look(desk) == 0
        desk.clock.at = due
        assert await look(desk) == 1
        assert [event.time for event in await desk.told() if event.name == "handoff-overdue"] == [due]
