"""The loop back: what became of handoffs, and whether a criterion makes a difference."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.handoff.outcomes import Deal, Tries, attached, difference
from services.handoff.results import BY, By, Ended, results
from shared.money import Money
from tests.handoff.desk import NOW, Desk, at, created, fields, hearing, opportunity


def test_the_interval_is_that_of_newcombe() -> None:
    """Examples of the paper (Table II, method 10): 56/70 and 48/80, 9/10 and 3/10, 10/10 and 0/20."""
    for a, b, low, high in (
        (Tries(56, 70), Tries(48, 80), 0.0524, 0.3339),
        (Tries(9, 10), Tries(3, 10), 0.1705, 0.8090),
        (Tries(10, 10), Tries(0, 20), 0.6791, 1.0),
    ):
        found = difference(a, b)
        assert found is not None
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert difference(Tries(0, 0), Tries(1, 2)) is None


COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))).map(lambda of: Tries(*of))


@given(COUNTS, COUNTS)
def test_the_interval_holds_the_difference_and_turns_with_it(a: Tries, b: Tries) -> None:
    found, turned = difference(a, b), difference(b, a)
    assert found is not None
    assert turned is not None
    assert -1 - 1e-9 <= found.low <= found.value <= found.high <= 1 + 1e-9
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low))


def test_a_deal_belongs_to_the_handoff_before_it() -> None:
    days = [at(f"2026-11-{day:02} 09:00") for day in (1, 5, 9)]
    sold = [Deal(at(f"2026-11-{day:02} 10:00"), None, None) for day in (1, 4, 6)] + [Deal(days[1], True, None)]
    early = Deal(at("2026-10-01 00:00"), False, None)
    assert attached(days, [*sold, early]) == [[sold[0], sold[1], early], [sold[2], sold[3]], []]
    assert attached([], sold) == []


async def sell(desk: Desk, lead_id: str, what: str, *, won: bool, yen: int = 1000) -> None:
    for status in ("created", "won" if won else "lost"):
        said = opportunity(lead_id, f"{what}:{status}", status, desk.clock.at, amount=Money(str(yen), "JPY"))
        await desk.deliver(replace(said, data=replace(said.data, opportunity_id=what)))


async def test_what_became_of_handoffs(desk: Desk) -> None:
    """Two segments, two reps; one is returned, handed over again and won, one was overridden and lost."""
    await desk.ready_lead("L1")
    first = await desk.hand_over("L1")
    said = {"sales_rep": "suzuki", "reason": "no_need", "comment": "担当者はまだ考えていない"}
    await desk.post(f"/v1/handoffs/{first['handoff_id']}/return", said, 200)
    desk.clock.at = at("2026-11-21 10:00")
    await desk.deliver(hearing("L1", at("2026-11-21 09:00"), needs="confirmed"))
    again = await desk.hand_over("L1", rep="ito")
    assert again["resubmits"] | {"changed": None} == {
        "handoff_id": first["handoff_id"],
        "returned_at": "2026-11-20T01:00:00Z",
        "sales_rep": "suzuki",
        "reason": "no_need",
        "comment": "担当者はまだ考えていない",
        "changed": None,
    }
    (changed,) = again["resubmits"]["changed"]
    assert changed["field"] == "needs"
    times = [changed[when]["observed_at"] for when in ("before", "now")]
    assert times == ["2026-11-20T01:00:00Z", "2026-11-21T00:00:00Z"]
    assert first["resubmits"] is None
    await desk.post(f"/v1/handoffs/{again['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)
    await sell(desk, "L1", "O1", won=True, yen=5000)
    await desk.deliver(created("L2"), fields("L2", "form", employees=10), hearing("L2", needs="confirmed"))
    await desk.hand_over("L2", override={"reason": "展示会で約束した"})
    await sell(desk, "L2", "O2", won=False)

    found = await desk.get("/v1/handoffs/results")
    assert brief(found["total"]) == (3, 1, 1, 1, {"no_need": 1}, 1, 1, ["5000"])
    lines = {(line["by"], line["value"]): brief(line) for line in found["items"]}
    assert lines["policy", "default 1"] == brief(found["total"])
    assert lines["segment", "enterprise"] == (2, 1, 1, 0, {"no_need": 1}, 1, 0, ["5000"])
    assert lines["segment", "smb"] == (1, 0, 0, 1, {}, 0, 1, [])
    assert lines["rep", "ito"] == (1, 1, 0, 0, {}, 1, 0, ["5000"])
    assert lines["rep", "tanaka"] == (2, 0, 1, 1, {"no_need": 1}, 0, 1, [])
    assert lines["source", "test"] == brief(found["total"])
    authority = next(line for line in found["criteria"] if line["criterion"] == "contact_has_authority")
    assert (authority["met"]["handed_over"], authority["not_met"]["handed_over"]) == (0, 1)
    assert (authority["difference"], authority["matters"]) == (None, None)
    assert authority["says"]["en"].startswith("Cannot be compared")

    later = await desk.get("/v1/handoffs/results?from=2026-11-21&to=2026-11-21")
    assert brief(later["total"]) == (2, 1, 0, 1, {}, 1, 1, ["5000"])
    nothing = await desk.get("/v1/handoffs/results?to=2026-11-19")
    assert (nothing["items"], nothing["criteria"]) == ([], [])
    assert (await desk.call("GET", "/v1/handoffs/results?from=soon")).status == 422


def brief(line: dict[str, Any]) -> tuple[Any, ...]:
    names = ("handed_over", "accepted", "returned", "pending", "returned_by_reason", "won", "lost")
    return (*(line[name] for name in names), [amount["value"] for amount in line["booked"]])


async def test_a_criterion_that_makes_no_difference_says_so(desk: Desk) -> None:
    """Thirty small leads: whether the contact has authority decides nothing, whether the need is confirmed all."""
    for n in range(30):
        heard = {"needs": "confirmed" if n % 2 else "denied", "authority": "confirmed" if n % 3 else "denied"}
        await desk.deliver(created(f"L{n}"), fields(f"L{n}", "form", employees=50), hearing(f"L{n}", NOW, **heard))
        await desk.hand_over(f"L{n}", override={"reason": "x"})
        await sell(desk, f"L{n}", f"O{n}", won=bool(n % 2))
    lines = {line["criterion"]: line for line in (await desk.get("/v1/handoffs/results"))["criteria"]}
    needs, authority = lines["needs_confirmed"], lines["contact_has_authority"]
    assert needs["difference"] == 1.0
    assert needs["matters"]
    assert needs["says"]["ja"].startswith("満たすと成約しやすい")
    assert abs(authority["difference"]) < 0.01
    assert not authority["matters"]
    assert authority["low"] < 0 < authority["high"]
    assert authority["says"]["en"].startswith("Makes no difference that can be seen")


class Noted(dict[By, str]):
    """Counts how often it is asked for a value."""

    asked = 0

    def __getitem__(self, by: By) -> str:
        Noted.asked += 1
        return super().__getitem__(by)


def test_handoffs_of_many_reps_are_gone_through_once() -> None:
    """Anybody may name a rep in a handoff: for each of them all handoffs were gone through."""
    said = [Noted({by: f"{by}{n}" for by in BY}) for n in range(100)]
    found = results([Ended(f"L{n}", by, NOW, "pending", None, [], []) for n, by in enumerate(said)], None, None)
    assert [line.value for line in found.items if line.by == "rep"] == sorted(by["rep"] for by in said)
    assert all(line.handed_over == 1 for line in found.items)
    assert Noted.asked <= 3 * 5 * 100
