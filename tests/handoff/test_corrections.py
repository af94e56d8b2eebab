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
from shared.events import Call, Correction, Event, Identity
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
