"""A handoff that nobody answers in time is told of, once, as what it is: something that happened when it was due."""

import asyncio
from datetime import timedelta

import pytest

from services.handoff.overdue import Overdue, tell
from shared.db import transaction
from shared.events import HandoffOverdue, LeadErased
from tests.handoff.desk import NOW, Desk, made


async def look(desk: Desk) -> int:
    async with transaction(desk.engine) as conn:
        return await tell(conn, desk.clock.now())


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
            assert await tell(conn, desk.clock.now()) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await look_and_fail()
    assert await overdue(desk) == []
    assert await look(desk) == 1


async def test_replicas_share_them(desk: Desk) -> None:
    made_ids = {(await desk.hand_over(await desk.ready_lead(f"L{n}")))["handoff_id"] for n in range(6)}
    desk.clock.at += timedelta(days=30)
    async with transaction(desk.engine) as conn:
        assert await tell(conn, desk.clock.now()) == 6
        async with asyncio.timeout(5):
            assert await look(desk) == 0, "another replica waits for nobody"
    assert await look(desk) == 0
    told = await overdue(desk)
    assert (set(told), len(told)) == (made_ids, 6)


async def test_the_task_tells_of_what_becomes_due_and_stops(desk: Desk) -> None:
    await desk.hand_over(await desk.ready_lead("L1"))
    desk.clock.at = NOW + timedelta(hours=4) - timedelta(seconds=0.2)
    stop = asyncio.Event()
    task = asyncio.create_task(Overdue(desk.engine, desk.clock, desk.telemetry.log).run(stop))
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
