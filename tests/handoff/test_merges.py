"""Leads that are one: decided about together, in any order of arrival, and apart again when the merge is undone."""

from datetime import timedelta
from itertools import permutations

from shared.events import Event, LeadMerged, LeadUnmerged
from tests.handoff.desk import NOW, Desk, created, fields, hearing, made


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
        for at in order:
            await desk.deliver(events[at])
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
