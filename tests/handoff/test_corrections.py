"""Corrections in every order: pure, and through the service."""

from collections import defaultdict
from datetime import timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.handoff.corrections import Fact, effective
from shared.events import Call, Correction, Event, Identity, StageChanged
from tests.handoff.desk import NOW, Desk, at, call, correction, created, opportunity

CALL = Fact("test", "c1", "call", NOW, Call(rep="tanaka", direction="outbound", outcome="conversation"))
NO_ANSWER = {"rep": "tanaka", "direction": "outbound", "outcome": "no_answer"}


def raw(data: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in data.items()}


def corrects(target: str, action: Any, what: str, minutes: int, data: Any = None) -> Fact:
    said = Correction(corrects=Identity("test", target), action=action, data=raw(data) if data else None)
    return Fact("test", what, "correction", NOW + timedelta(minutes=minutes), said)


def after(*corrections: Fact) -> Fact | None:
    known: dict[Identity, list[Fact]] = defaultdict(list)
    for fact in corrections:
        assert isinstance(fact.data, Correction)
        known[fact.data.corrects].append(fact)
    return effective(CALL, known)


def test_the_latest_correction_holds() -> None:
    replace = corrects("c1", "replace", "x1", 1, NO_ANSWER)
    assert after() == CALL
    assert after(replace, corrects("c1", "void", "x2", 2)) is None
    held = after(corrects("c1", "void", "x2", 0), replace)
    assert held is not None
    assert held.data == Call(rep="tanaka", direction="outbound", outcome="no_answer")


def test_a_voided_correction_says_nothing() -> None:
    assert after(corrects("c1", "void", "x1", 1), corrects("x1", "void", "x2", 2)) == CALL
    thrice = (corrects("c1", "void", "x1", 1), corrects("x1", "void", "x2", 2), corrects("x2", "void", "x3", 3))
    assert after(*thrice) is None


def test_a_replacement_may_move_the_event_in_time() -> None:
    held = after(corrects("c1", "replace", "x1", 1, NO_ANSWER | {"occurred_at": "2026-01-05T09:00:00+09:00"}))
    assert held is not None
    assert held.time == at("2026-01-05 09:00")


@pytest.mark.parametrize(
    "data", [{"rep": "tanaka"}, NO_ANSWER | {"occurred_at": "yesterday"}, NO_ANSWER | {"occurred_at": 5}]
)
def test_a_replacement_that_is_no_such_event_says_nothing(data: dict[str, Any]) -> None:
    assert after(corrects("c1", "replace", "x1", 1, data)) == CALL


def test_corrections_in_a_circle_end() -> None:
    assert (
        after(corrects("c1", "void", "x1", 1), corrects("x2", "void", "x1b", 3), corrects("x1b", "void", "x2", 2))
        is None
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["c1", "x0", "x1", "x2"]), st.sampled_from(["void", "replace"]), st.integers(0, 3)),
        max_size=5,
    ),
    st.randoms(),
)
def test_the_order_of_arrival_does_not_matter(made: list[tuple[str, str, int]], shuffle: Any) -> None:
    facts = [corrects(target, action, f"x{n}", m, NO_ANSWER) for n, (target, action, m) in enumerate(made)]
    in_order = after(*facts)
    shuffle.shuffle(facts)
    assert after(*facts) == in_order


def _story() -> list[Event]:
    return [
        call("L1", "c1"),
        call("L1", "c2", at("2026-11-19 09:00")),
        opportunity("L1", "o1", "created"),
        correction("L1", "x1", "c1", "void", at("2026-11-20 11:00")),
        correction("L1", "x2", "c2", "replace", at("2026-11-20 11:00"), raw(NO_ANSWER)),
        correction("L1", "x3", "x1", "void", at("2026-11-20 12:00")),
    ]


async def history(desk: Desk) -> list[dict[str, Any]]:
    return await desk.rows(
        "select id, at, held::text, counts from handoff.activities where lead_id = 'L1' order by source, id"
    )


async def test_every_order_through_the_service_ends_in_the_same_history(desk: Desk) -> None:
    events = _story()
    orders = list(permutations(range(len(events))))[::37]
    seen = []
    for order in orders:
        await desk.rows("truncate handoff.activities, handoff.corrections, handoff.seen")
        for index in order:
            await desk.deliver(events[index])
        seen.append(await history(desk))
    assert seen.count(seen[0]) == len(orders) > 10
    held = {
        row["id"]: (row["counts"], msgspec.json.decode(row["held"])["outcome"]) for row in seen[0] if row["id"] != "o1"
    }
    assert held == {"c1": (True, "conversation"), "c2": (True, "no_answer")}


async def test_a_void_takes_the_call_out_of_the_package(desk: Desk) -> None:
    await desk.ready_lead("L1")
    await desk.deliver(call("L1", "c1"), call("L1", "c2", at("2026-11-19 09:00")))
    handoff = await desk.hand_over("L1")
    assert [a["id"] for a in handoff["history"]] == ["c1", "c2"]
    await desk.deliver(correction("L1", "x1", "c1", "void"))
    assert [a["id"] for a in (await desk.get(f"/v1/handoffs/{handoff['handoff_id']}"))["history"]] == ["c2"]


async def test_a_correction_can_bring_a_lead_into_a_stage(desk: Desk) -> None:
    await desk.deliver(created("L1"), opportunity("L1", "o1", "lost"))
    won = raw({"opportunity_id": "O1", "status": "won"})
    await desk.deliver(correction("L1", "x1", "o1", "replace", data=won))
    assert (await desk.get("/v1/leads/L1/stages"))["stage"] == "Customer"


def _won_and_voided(lead: str) -> dict[str, Event]:
    return {
        "known": created(lead, at("2026-11-18 09:00")),
        "talked": call(lead, f"{lead}:c1", at("2026-11-19 09:00")),
        "won": opportunity(lead, f"{lead}:o1", "won", at("2026-11-19 10:00")),
        "void": correction(lead, f"{lead}:x1", f"{lead}:o1", "void", at("2026-11-19 11:00")),
    }


async def test_a_stage_that_was_told_before_the_correction_came_stays(desk: Desk) -> None:
    """And only then: in every other order the lead is where the facts as corrected bring it (docs/decisions/0006)."""
    for n, order in enumerate(permutations(["known", "talked", "won", "void"])):
        lead = f"L{n}"
        events = _won_and_voided(lead)
        for name in order:
            await desk.deliver(events[name])
        told_before = max(order.index("known"), order.index("won")) < order.index("void")
        found = await desk.get(f"/v1/leads/{lead}/stages")
        assert found["stage"] == ("Customer" if told_before else "Engaged"), order
        entered = [e.data.to for e in await desk.told() if e.subject == lead and isinstance(e.data, StageChanged)]
        assert [item["stage"] for item in found["items"]] == entered, "what was told is the history, and once each"
        assert [a["id"] for a in (await desk.get(f"/v1/leads/{lead}/history"))["items"]] == [f"{lead}:c1"]


async def test_a_fact_and_its_void_in_one_batch_bring_no_stage(desk: Desk) -> None:
    events = _won_and_voided("L1")
    await desk.deliver(events["known"])
    await desk.deliver(events["won"], events["void"])
    assert (await desk.get("/v1/leads/L1/stages"))["stage"] == "Awareness"


async def test_out_of_a_stage_whose_fact_was_voided_a_recycle_leads(desk: Desk) -> None:
    for event in _won_and_voided("L1").values():
        await desk.deliver(event)
    await desk.post("/v1/leads/L1/recycle", {"reason": "誤って受注とした"}, 200)
    found = await desk.get("/v1/leads/L1/stages")
    assert (found["stage"], found["cycle"]) == ("Awareness", 2)
    assert [(i["cycle"], i["stage"]) for i in found["items"]] == [
        (1, "Awareness"),
        (1, "Engaged"),
        (1, "Customer"),
        (2, "Awareness"),
    ]
