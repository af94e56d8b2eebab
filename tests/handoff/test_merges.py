"""Leads that are one: decided about together, in any order of arrival, and apart again when the merge is undone."""

import asyncio
from datetime import timedelta
from itertools import permutations
from typing import Any

from shared.db import transaction
from shared.events import Event, LeadMerged, LeadUnmerged
from tests.handoff.desk import NOW, Desk, Response, at, call, created, fields, hearing, made


def merged(lead: str, into: str, minutes: int = 0) -> Event:
    time = NOW + timedelta(minutes=minutes)
    return made("lead-merged", lead, LeadMerged(into=into), time, f"merge:{lead}:{minutes}")


def unmerged(lead: str, from_: str, minutes: int) -> Event:
    time = NOW + timedelta(minutes=minutes)
    return made("lead-unmerged", lead, LeadUnmerged(from_=from_), time, f"merge:{lead}:{minutes}")


def halves(mei: str = "mei", may: str = "may") -> list[Event]:
    """Of two leads each knows half of what the policy asks for, and they are one."""
    return [
        created(mei),
        fields(mei, "form", employees=5000),
        created(may),
        hearing(may, needs="confirmed", authority="confirmed"),
        merged(may, mei),
    ]


async def test_what_each_half_lacks_the_other_has_in_any_order(desk: Desk) -> None:
    stages = set()
    for n, order in enumerate(list(permutations(range(5)))[::6]):
        events = halves(f"mei{n}", f"may{n}")
        for place in order:
            await desk.deliver(events[place])
        readiness = await desk.get(f"/v1/leads/may{n}/readiness")
        assert readiness["lead_id"] == f"mei{n}"
        assert (readiness["decision"], readiness["segment"]) == ("ready", "enterprise"), order
        stages.add(readiness["stage"])
    assert len(stages) == 1


async def test_the_survivors_own_word_comes_first(desk: Desk) -> None:
    await desk.deliver(*halves(), hearing("mei", needs="denied"))
    assert (await desk.get("/v1/leads/mei/readiness"))["decision"] == "not_ready"


async def test_a_handoff_of_either_is_a_handoff_of_both(desk: Desk) -> None:
    await desk.ready_lead("may")
    await desk.deliver(created("mei"))
    handoff = await desk.hand_over("may")
    await desk.deliver(merged("may", "mei"))
    body = {"lead_id": "mei", "rep": "tanaka", "reason": "もう一度"}
    assert (await desk.post("/v1/handoffs", body, 409))["type"].endswith("handoff-open")
    inbox = await desk.get("/v1/handoffs?lead_id=mei")
    assert [item["handoff_id"] for item in inbox["items"]] == [handoff["handoff_id"]]
    await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)
    assert (await desk.get("/v1/leads/mei/readiness"))["stage"] == "SQL"


async def while_it_is_told(desk: Desk, event: Event, lead_id: str) -> Response:
    """The answer to who wants a lead handed over, and has to wait while the consumer takes an event about it."""
    body = {"lead_id": lead_id, "rep": "tanaka", "reason": "x"}
    waiting = """
        select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"""
    async with transaction(desk.engine) as conn:
        await desk.takes.handle(conn, [desk.received(event)])
        asked = asyncio.create_task(desk.call("POST", "/v1/handoffs", body))
        async with asyncio.timeout(30):
            while not (await desk.rows(waiting))[0]["exists"]:  # noqa: ASYNC110 - the database has no event for it
                await asyncio.sleep(0.01)
    return await asked


async def test_who_waits_while_leads_are_merged_finds_the_one_lead(desk: Desk) -> None:
    for lead in ("may", "mei"):
        await desk.ready_lead(lead)
    first = await desk.hand_over("mei")
    answer = await while_it_is_told(desk, merged("may", "mei"), "may")
    assert (answer.status, answer.body["handoff_id"]) == (409, first["handoff_id"])
    await desk.post(f"/v1/handoffs/{first['handoff_id']}/return", {"sales_rep": "s", "reason": "bad_timing"}, 200)
    answer = await while_it_is_told(desk, unmerged("may", "mei", 1), "may")
    assert (answer.status, answer.body["lead_id"]) == (201, "may")


async def test_undone_each_has_its_own_again(desk: Desk) -> None:
    await desk.deliver(*halves())
    await desk.deliver(unmerged("may", "mei", 1))
    assert (await desk.get("/v1/leads/mei/readiness"))["decision"] == "needs_information"
    alone = await desk.get("/v1/leads/may/readiness")
    assert (alone["lead_id"], alone["segment"]) == ("may", "unknown")
    await desk.deliver(merged("may", "mei"))  # an older word, again
    assert (await desk.get("/v1/leads/may/readiness"))["lead_id"] == "may"


async def test_chains_and_rings(desk: Desk) -> None:
    for lead in "abc":
        await desk.deliver(created(lead))
    await desk.deliver(merged("a", "b", 1), merged("b", "c", 2))
    assert (await desk.get("/v1/leads/a/readiness"))["lead_id"] == "c"
    await desk.deliver(merged("c", "a", 3))  # the one told last makes a ring, and is void
    assert (await desk.get("/v1/leads/c/readiness"))["lead_id"] == "c"
    await desk.deliver(unmerged("b", "c", 4))
    assert (await desk.get("/v1/leads/a/readiness"))["lead_id"] == "b"
    assert (await desk.get("/v1/leads/c/readiness"))["lead_id"] == "b", "now it makes no ring any more"


async def inbox(desk: Desk, lead_id: str) -> list[tuple[str, str]]:
    items = (await desk.get(f"/v1/handoffs?lead_id={lead_id}"))["items"]
    return [(item["handoff_id"], item["lead_id"]) for item in items]


async def test_a_merged_id_has_the_history_of_its_survivor(desk: Desk) -> None:
    await desk.ready_lead("may")
    await desk.deliver(created("mei", at("2026-11-19 09:00")), call("mei", "c1", at("2026-11-19 10:00")))
    own = {lead: await desk.get(f"/v1/leads/{lead}/stages") for lead in ("mei", "may")}
    await desk.deliver(merged("may", "mei"))
    one = await desk.get("/v1/leads/mei/stages")
    assert await desk.get("/v1/leads/may/stages") == one
    assert (one["lead_id"], one["stage"], [item["stage"] for item in one["items"]]) == (
        "mei",
        "MQL",
        ["Awareness", "Engaged", "MQL"],
    )
    page = await desk.get("/v1/leads/may/stages?limit=1")
    rest = await desk.get(f"/v1/leads/may/stages?cursor={page['next_cursor']}")
    assert page["items"] + rest["items"] == one["items"]
    await desk.deliver(unmerged("may", "mei", 1))
    assert await desk.get("/v1/leads/may/stages") == own["may"]
    assert (await desk.get("/v1/leads/mei/stages"))["items"] == one["items"], "what was told stays told"


async def test_recycling_by_a_merged_id_answers_as_the_survivor_does(desk: Desk) -> None:
    await desk.ready_lead("may")
    await desk.deliver(created("mei"), merged("may", "mei"))
    recycled = await desk.post("/v1/leads/may/recycle", {"reason": "来期"}, 200)
    assert recycled == await desk.get("/v1/leads/mei/stages?limit=200")
    assert (recycled["lead_id"], recycled["cycle"], recycled["items"][-1]["rule"]) == ("mei", 2, "recycle")


async def test_the_inbox_of_either_id_has_the_handoffs_of_the_one_lead(desk: Desk) -> None:
    returned = {"sales_rep": "suzuki", "reason": "bad_timing"}
    ids = []
    for lead in ("may", "mei"):
        await desk.ready_lead(lead)
        made_ = await desk.hand_over(lead)
        ids.append(made_["handoff_id"])
        await desk.post(f"/v1/handoffs/{ids[-1]}/return", returned, 200)
    of_may, of_mei = ids
    await desk.deliver(merged("may", "mei"))
    both = sorted((handoff, "mei") for handoff in ids)
    assert await inbox(desk, "may") == await inbox(desk, "mei") == both
    again = (await desk.hand_over("may"))["handoff_id"]
    assert await inbox(desk, "may") == await inbox(desk, "mei") == sorted([*both, (again, "mei")])
    assert await inbox(desk, "nobody") == []
    await desk.deliver(unmerged("may", "mei", 1))
    assert await inbox(desk, "may") == [(of_may, "may")]
    assert await inbox(desk, "mei") == sorted([(of_mei, "mei"), (again, "mei")])


async def test_a_handoff_from_before_the_merge_is_of_the_one_lead(desk: Desk) -> None:
    """Its lead, its contact history, and the handoff before it; what it was decided by stays as it was."""
    await desk.ready_lead("mei")
    first = (await desk.hand_over("mei"))["handoff_id"]
    await desk.post(f"/v1/handoffs/{first}/return", {"sales_rep": "suzuki", "reason": "bad_timing"}, 200)
    await desk.ready_lead("may")
    await desk.deliver(call("mei", "c1"), call("may", "c2"))
    made_ = await desk.hand_over("may")

    async def package() -> Any:
        return await desk.get(f"/v1/handoffs/{made_['handoff_id']}")

    await desk.deliver(merged("may", "mei"))
    one = await package()
    assert one["lead_id"] == (await desk.get("/v1/leads/may/readiness"))["lead_id"] == "mei"
    assert {activity["id"] for activity in one["history"]} == {"c1", "c2"}
    assert one["resubmits"]["handoff_id"] == first
    assert one["readiness"] == made_["readiness"]
    accepted = await desk.post(f"/v1/handoffs/{made_['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)
    assert accepted["lead_id"] == "mei"
    told = [event.subject for event in await desk.told() if event.name == "handoff-accepted"]
    assert told == ["may"], "a merge moves nothing in the log"
    await desk.deliver(unmerged("may", "mei", 1))
    apart = await package()
    assert (apart["lead_id"], apart["resubmits"]) == ("may", None)
    assert {activity["id"] for activity in apart["history"]} == {"c2"}
