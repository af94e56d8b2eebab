"""An automatic policy comes into force: who was ready before is handed over, too."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from services.handoff import sweep as sweep_module
from services.handoff.sweep import Sweep
from shared.events import LeadErased
from tests.handoff.desk import NOW, Desk, created, made
from tests.handoff.test_handoffs import told
from tests.handoff.test_merges import merged


async def put(desk: Desk, **changed: Any) -> None:
    policy = await desk.get("/v1/policies/default/versions/1")
    answer = await desk.call("PUT", "/v1/policies/default", policy | changed)
    assert answer.status == 200, answer


async def sweep_all(desk: Desk) -> list[str]:
    """Look at all who have not been seen. The leads of all handoffs, in the order in which these were made."""
    while await Sweep(desk.engine, desk.rules, desk.clock).sweep_some():
        pass
    return await handed_over(desk)


async def handed_over(desk: Desk) -> list[str]:
    return [row["lead_id"] for row in await desk.rows("select lead_id from handoff.handoffs order by number")]


async def test_who_was_ready_before_is_handed_over_once_a_cycle(desk: Desk) -> None:
    for lead_id in ("L3", "L1", "L2"):
        await desk.ready_lead(lead_id)
    await desk.deliver(created("L0"))  # nothing else is known of it
    assert await sweep_all(desk) == []  # the policy is not automatic
    await put(desk, automatic=True)
    assert await sweep_all(desk) == ["L1", "L2", "L3"]
    handoff = (await desk.get("/v1/handoffs"))["items"][0]
    assert (handoff["automatic"], handoff["rep"], handoff["policy"]["version"]) == (True, "tanaka", 2)
    assert len(await told(desk, "handoff-created")) == 3

    await put(desk, automatic=False)
    body = {"sales_rep": "suzuki", "reason": "bad_timing"}
    await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/return", body, 200)
    await desk.ready_lead("L4")
    assert await sweep_all(desk) == ["L1", "L2", "L3"]
    await put(desk, automatic=True)
    assert await sweep_all(desk) == ["L1", "L2", "L3", "L4"]


async def test_a_version_that_is_in_force_again_begins_anew(desk: Desk) -> None:
    """Who became ready on the days on which another one decided is handed over when these are over."""
    await put(desk, automatic=True)
    await desk.ready_lead("L1")
    assert await sweep_all(desk) == ["L1"]
    await put(desk, automatic=False, valid_until="2026-11-20")
    await desk.ready_lead("L2")
    assert await sweep_all(desk) == ["L1"]
    desk.clock.at += timedelta(days=1)
    assert await sweep_all(desk) == ["L1", "L2"]


async def test_it_goes_on_where_it_was_ended_and_begins_anew_for_another_version(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "AT_ONCE", 2)
    for n in range(5):
        await desk.ready_lead(f"L{n}")
    await put(desk, automatic=True)
    first = Sweep(desk.engine, desk.rules, desk.clock)
    assert await first.sweep_some() == 2
    assert await handed_over(desk) == ["L0", "L1"]
    second = Sweep(desk.engine, desk.rules, desk.clock)  # the first has been killed
    assert [await second.sweep_some() for _ in range(3)] == [2, 1, 0]
    assert await handed_over(desk) == ["L0", "L1", "L2", "L3", "L4"]
    await put(desk, automatic=True, accept_within={"hours": 8, "calendar": "any"})
    assert await second.sweep_some() == 2
    assert len(await handed_over(desk)) == 5


async def test_replicas_share_the_work(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "AT_ONCE", 1)
    for n in range(8):
        await desk.ready_lead(f"L{n}")
    await put(desk, automatic=True)
    while await asyncio.gather(*(Sweep(desk.engine, desk.rules, desk.clock).sweep_some() for _ in range(3))) != [0] * 3:
        pass
    assert Counter(await handed_over(desk)) == Counter(f"L{n}" for n in range(8))


async def test_merged_and_erased_leads_are_passed_over(desk: Desk) -> None:
    for lead_id in ("L1", "L2", "L3"):
        await desk.ready_lead(lead_id)
    await desk.deliver(merged("L1", "L2"), made("lead-erased", "L3", LeadErased(reason="x"), NOW, "gone"))
    await put(desk, automatic=True)
    assert await sweep_all(desk) == ["L2"]


async def test_it_runs_by_itself_when_a_version_is_made(desk: Desk) -> None:
    await desk.ready_lead("L1")
    stop = asyncio.Event()
    running = asyncio.create_task(Sweep(desk.engine, desk.rules, desk.clock).run(stop))
    await put(desk, automatic=True)
    async with asyncio.timeout(30):
        while await handed_over(desk) != ["L1"]:  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(0.05)
    stop.set()
    await running
