"""Whose turn it is: fair under concurrency and in batches, and what an automatic policy hands over."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.handoff import store
from services.handoff.routing import Load
from tests.handoff.desk import Desk, at, call, created, fields, hearing, running
from tests.handoff.shipped import config_with
from tests.handoff.test_handoffs import told
from tests.handoff.test_merges import merged

ROUND = {"enterprise: {members: [suzuki], method: least_open}": "enterprise: {members: [a, b, c], method: round_robin}"}


async def test_round_robin_is_fair_under_concurrency(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, config_with(tmp_path, **ROUND)) as desk:
        leads = [await desk.ready_lead(f"L{n}") for n in range(12)]
        made = await asyncio.gather(*(desk.hand_over(lead) for lead in leads))
        assert Counter(handoff["owner"] for handoff in made) == {"a": 4, "b": 4, "c": 4}
        stored = await desk.rows("select owner from handoff.handoffs order by number")
        assert [row["owner"] for row in stored] == ["a", "b", "c"] * 4


@pytest.mark.parametrize("decided", ["accept", "return"])
async def test_least_open_goes_to_who_has_decided_most(database_url: str, tmp_path: Path, decided: str) -> None:
    routes = {
        "enterprise: {members: [suzuki], method: least_open}": "enterprise: {members: [a, b], method: least_open}"
    }
    async with running(database_url, config_with(tmp_path, **routes)) as desk:
        made = [await desk.hand_over(await desk.ready_lead(f"L{n}")) for n in range(4)]
        assert [handoff["owner"] for handoff in made] == ["a", "b", "a", "b"]
        body = {"sales_rep": "b", "reason": "no_need"} if decided == "return" else {"sales_rep": "b"}
        for handoff in (made[1], made[3]):
            await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/{decided}", body, 200)
        assert (await desk.hand_over(await desk.ready_lead("L5")))["owner"] == "b"
        assert (await desk.hand_over(await desk.ready_lead("L6")))["owner"] == "b"


async def test_an_automatic_policy_hands_over_once_a_cycle(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, config_with(tmp_path, **{"automatic: false": "automatic: true"})) as desk:
        await desk.ready_lead("L1", 350)
        await desk.deliver(call("L1", "c1", at("2026-11-20 12:00"), rep="ito"))
        (handoff,) = (await desk.get("/v1/handoffs"))["items"]
        assert (handoff["automatic"], handoff["rep"], handoff["status"]) == (True, "tanaka", "pending")
        body = {"sales_rep": "sato", "reason": "bad_timing"}
        await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/return", body, 200)
        await desk.deliver(call("L1", "c2", at("2026-11-20 13:00")))
        assert len((await desk.get("/v1/handoffs"))["items"]) == 1
        await desk.post("/v1/leads/L1/recycle", {"reason": "来期"}, 200)
        await desk.deliver(call("L1", "c3", at("2026-11-20 14:00"), rep="ito"))
        assert {h["rep"] for h in (await desk.get("/v1/handoffs"))["items"]} == {"tanaka", "ito"}
        assert len(await told(desk, "handoff-created")) == 2


AUTOMATIC = {"automatic: false": "automatic: true"}


async def recycled(desk: Desk, lead_id: str, when: str) -> None:
    """Its next cycle begins, and something happens in it."""
    desk.clock.at = at(when)
    await desk.post(f"/v1/leads/{lead_id}/recycle", {"reason": "来期"}, 200)
    await desk.deliver(call(lead_id, f"{lead_id}:{when}", desk.clock.at))


async def returned(desk: Desk) -> list[str]:
    """The leads of all handoffs so far, of which none waits any more."""
    for handoff in (await desk.get("/v1/handoffs?status=pending"))["items"]:
        body = {"sales_rep": "sato", "reason": "bad_timing"}
        await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/return", body, 200)
    return [row["lead_id"] for row in await desk.rows("select lead_id from handoff.handoffs order by number")]


async def test_what_a_merged_lead_had_in_the_time_of_the_cycle_is_of_the_cycle(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, config_with(tmp_path, **AUTOMATIC)) as desk:
        await desk.deliver(created("mei"))
        await recycled(desk, "mei", "2026-11-20 11:00")
        await desk.ready_lead("may")
        assert await returned(desk) == ["may"]
        await desk.deliver(merged("may", "mei"))
        assert await returned(desk) == ["may"], "the one lead has been handed over in this cycle"
        await recycled(desk, "mei", "2026-11-20 12:00")
        assert await returned(desk) == ["may", "mei"]


async def test_a_cycle_of_a_merged_lead_is_none_of_its_survivor(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, config_with(tmp_path, **AUTOMATIC)) as desk:
        await desk.ready_lead("may")
        assert await returned(desk) == ["may"]
        await recycled(desk, "may", "2026-11-20 11:00")
        assert await returned(desk) == ["may", "may"]
        await desk.deliver(created("mei"), merged("may", "mei"))
        assert await returned(desk) == ["may", "may"]
        await recycled(desk, "mei", "2026-11-20 12:00")
        assert await returned(desk) == ["may", "may", "mei"], "the second cycle of the one lead has had none"


async def test_a_batch_is_handed_over_as_if_lead_by_lead_and_what_members_have_is_read_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, list[str]]] = []

    async def counted(conn: Any, segment: str, members: Any) -> list[Load]:
        read.append((segment, list(members)))
        return await loads(conn, segment, members)

    loads = store.loads
    monkeypatch.setattr(store, "loads", counted)
    routes = ROUND | {"smb: {members: [sato], method: round_robin}": "smb: {members: [a, b, c], method: least_open}"}
    async with running(database_url, config_with(tmp_path, **AUTOMATIC, **routes)) as desk:
        first = await desk.ready_lead("L00", 5000)
        read.clear()
        batch = [
            event
            for n in range(1, 13)
            for event in (
                created(f"L{n:02}"),
                fields(f"L{n:02}", "form", employees=5000 if n % 3 else 300),
                hearing(f"L{n:02}", needs="confirmed", authority="confirmed"),
            )
        ]
        await desk.deliver(*batch)
        stored = await desk.rows("select lead_id, segment, owner from handoff.handoffs order by number")
        assert [row["owner"] for row in stored if row["segment"] == "enterprise"] == ["a", "b", "c"] * 3
        assert Counter(row["owner"] for row in stored) == {"a": 5, "b": 4, "c": 4}
        assert (stored[0]["lead_id"], len(stored)) == (first, 13)
        assert sorted(read) == [("enterprise", ["a", "b", "c"]), ("smb", ["a", "b", "c"])]
