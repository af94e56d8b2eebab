from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shared.condition_check import check_condition
from shared.conditions import Condition, Truth, evaluate, fields_in, kleene_not, leaves, matches
from shared.events import Call, Event, FieldStatus, HandoffAccepted, Observation, Opportunity, Touch
from shared.money import Money
from shared.view import LeadView
from tests.shared.samples import REGISTRY, START, observe, view


def condition(**data: Any) -> Condition:
    return msgspec.convert(data, Condition)


@pytest.mark.parametrize(
    ("compared", "value", "truth"),
    [
        ({"between": [1, 2000]}, 1, True),
        ({"between": [1, 2000]}, 2000, True),
        ({"between": [1, 2000]}, 2001, False),
        ({"between": [1, 2000]}, None, None),
        ({"at_least": 2001}, 2001, True),
        ({"at_least": 2001}, 2000, False),
        ({"at_most": 5}, 5, True),
        ({"at_most": 5}, 6, False),
        ({"is": 5}, 5, True),
        ({"is": 5}, True, None),
        ({"in": [5, 6]}, 6, True),
        ({"in": [5, 6]}, 7, False),
        ({"at_least": 1}, "many", None),
        ({"at_least": 1}, True, None),
    ],
)
def test_numbers(compared: dict[str, Any], value: int | str | None, truth: Truth) -> None:
    lead = view() if value is None else view(observe("employees", value))
    assert evaluate(condition(field="employees", **compared), lead).truth is truth


def test_texts_are_compared_without_case_and_width() -> None:
    lead = view(
        observe("industry", "情報通信 (IT)"), observe("tags", ["GA4", "Marketo"]), observe("founded", "2001-04-01")
    )
    assert evaluate(condition(field="industry", contains="ｉｔ"), lead).truth is True
    assert evaluate(condition(field="industry", contains="製造"), lead).truth is False
    assert evaluate(condition(field="industry", **{"is": "情報通信 (it)"}), lead).truth is True
    assert evaluate(condition(field="tags", contains="marketo"), lead).truth is True
    assert evaluate(condition(field="tags", contains="HubSpot"), lead).truth is False
    assert evaluate(condition(field="founded", at_least="2001-04-02"), lead).truth is False
    assert evaluate(condition(field="founded", at_least="2001-04-01"), lead).truth is True


def test_money_of_another_currency_cannot_be_compared() -> None:
    lead = view(observe("budget_amount", Money("1000000", "JPY")))
    assert (
        evaluate(condition(field="budget_amount", at_least={"value": "1000000", "currency": "JPY"}), lead).truth is True
    )
    assert (
        evaluate(condition(field="budget_amount", at_least={"value": "1000001", "currency": "JPY"}), lead).truth
        is False
    )
    assert evaluate(condition(field="budget_amount", at_least={"value": "1", "currency": "USD"}), lead).truth is None
    assert evaluate(condition(field="budget_amount", at_least=1), lead).truth is None


CONFIRMATIONS: list[tuple[FieldStatus | None, Truth, Truth, Truth]] = [
    ("confirmed", True, False, True),
    ("denied", False, True, True),
    ("assumed", None, None, False),
    ("unknown", None, None, False),
    (None, None, None, False),
]


@pytest.mark.parametrize(("status", "confirmed", "denied", "known"), CONFIRMATIONS)
def test_only_what_was_confirmed_or_denied_is_certain(
    status: FieldStatus | None, confirmed: Truth, denied: Truth, known: Truth
) -> None:
    lead = view(observe("needs", status=status)) if status else view()
    assert evaluate(condition(field="needs", **{"is": "confirmed"}), lead).truth is confirmed
    assert evaluate(condition(field="needs", **{"is": "denied"}), lead).truth is denied
    assert evaluate(condition(field="needs", known=True), lead).truth is known
    assert evaluate(condition(field="needs", known=False), lead).truth is (not known)


def test_one_status_out_of_several() -> None:
    either = condition(field="needs", **{"in": ["confirmed", "assumed"]})
    assert evaluate(either, view(observe("needs", status="assumed"))).truth is True
    assert evaluate(either, view(observe("needs", status="denied"))).truth is False
    assert evaluate(either, view(observe("needs", status="unknown"))).truth is None


def test_every_part_is_evidence_and_only_the_undecided_is_open() -> None:
    both = condition(all=[{"field": "employees", "at_least": 1}, {"field": "needs", "is": "confirmed"}])
    denied = evaluate(both, view(observe("needs", status="denied")))
    assert denied == (False, ("employees", "needs"), ())
    half = evaluate(both, view(observe("employees", 5)))
    assert half == (None, ("employees", "needs"), ("needs",))
    settled_inside = condition(
        any=[{"all": [{"field": "needs", "is": "confirmed"}, {"field": "employees", "at_least": 9}]}, both]
    )
    assert evaluate(settled_inside, view(observe("employees", 5))).open == ("needs",)
    assert fields_in(settled_inside) == {"employees", "needs"}


def test_a_field_that_is_gone_is_unknown() -> None:
    assert evaluate(condition(field="gone", **{"is": 1}), view()).truth is None


SHAPES: list[dict[str, Any]] = [
    {"field": "needs", "is": "confirmed"},
    {"field": "industry", "in": ["IT", "製造"]},
    {"field": "employees", "between": [1, 2000]},
    {"field": "tags", "contains": "GA4"},
    {"field": "employees", "known": False},
    {"field": "budget_amount", "at_least": {"value": "1", "currency": "JPY"}},
    {"all": [{"any": [{"field": "employees", "at_most": 3}]}, {"not": {"event": "call", "count": 2}}]},
    {"event": "touch", "direction": "inbound", "outcome": "replied", "channel": "email"},
    {"all": []},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_condition_encodes_to_the_shape_it_was_decoded_from(shape: dict[str, Any]) -> None:
    decoded = msgspec.convert(shape, Condition)
    assert msgspec.json.decode(msgspec.json.encode(decoded)) == shape
    assert msgspec.json.decode(msgspec.json.encode(shape), type=Condition) == decoded


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({}, "exactly one of field, event, all, any, not; it has none"),
        ({"field": "a"}, "needs exactly one of is, in"),
        ({"field": "a", "is": 1, "known": True}, "it has is, known"),
        ({"field": "a", "is": None}, "it has none"),
        ({"field": "a", "all": []}, "it has field and all"),
        ({"is": 1, "all": []}, "`is` compares a field"),
        ({"field": "a", "is": 1, "count": 2}, "`count` belongs to a condition on events"),
        ({"field": "a", "in": []}, "length >= 1"),
        ({"field": "a", "equals": 1}, "unknown field `equals`"),
        ({"event": "meeting"}, "Invalid enum value 'meeting'"),
        ({"not": [{"field": "a", "is": 1}]}, r"Expected `object \| null`, got `array`"),
        ({"any": [{"all": [{"field": "a"}]}]}, r"\$.any\[0\].all\[0\]"),
    ],
)
def test_what_is_no_condition_is_refused_in_words(shape: dict[str, Any], reason: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(shape, Condition)


def event(name: str, data: Any) -> Event:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return Event(id="1", source="t", name=name, time=now, subject="l", key="l", recorded_at=now, data=data)


def test_events_match_by_what_the_condition_names() -> None:
    call = event("call", Call(rep="tanaka", direction="outbound", outcome="conversation"))
    touch = event("touch", Touch(channel="email", direction="inbound"))
    won = event("opportunity", Opportunity(opportunity_id="o", status="won"))
    accepted = event("handoff-accepted", HandoffAccepted(handoff_id="h", sales_rep="sato"))
    assert matches(condition(event="call"), call)
    assert matches(condition(event="call", direction="outbound", outcome="conversation"), call)
    assert not matches(condition(event="call", outcome="busy"), call)
    assert not matches(condition(event="touch"), call)
    assert matches(condition(event="touch", channel="email"), touch)
    assert not matches(condition(event="touch", outcome="replied"), touch)
    assert matches(condition(event="opportunity", status="won"), won)
    assert matches(condition(event="handoff", status="accepted"), accepted)
    assert matches(condition(event="handoff"), accepted)
    assert not matches(condition(event="handoff", status="created"), accepted)


def test_a_condition_on_events_counts_them() -> None:
    call = event("call", Call(rep="tanaka", direction="outbound", outcome="busy"))
    lead = LeadView(REGISTRY, {}, [call, call])
    assert evaluate(condition(event="call", count=2), lead).truth is True
    assert evaluate(condition(event="call", count=3), lead).truth is False
    assert evaluate(condition(event="touch"), lead).truth is False


def test_the_unknown_is_unknown_also_when_it_is_denied() -> None:
    lead = view(observe("needs", status="assumed"))
    assert evaluate(condition(**{"not": {"field": "needs", "is": "confirmed"}}), lead).truth is None
    assert [kleene_not(truth) for truth in (True, False, None)] == [False, True, None]


@pytest.mark.parametrize(
    ("compared", "value"), [({"is": "many"}, 5), ({"is": 5}, "many"), ({"contains": "5"}, 5), ({"in": ["5"]}, 5)]
)
def test_a_text_and_a_number_cannot_be_compared(compared: dict[str, Any], value: int | str) -> None:
    assert evaluate(condition(field="employees", **compared), view(observe("employees", value))).truth is None


def at(*said: Observation, days: float = 0) -> LeadView:
    return LeadView(REGISTRY, {one.field: one for one in said}, now=START + timedelta(days=days))


@pytest.mark.parametrize(("days", "truth"), [(0, True), (30, True), (30.001, None), (400, None)])
def test_what_is_too_old_counts_as_not_said(days: float, truth: Truth) -> None:
    fresh = condition(field="needs", **{"is": "confirmed"}, within_days=30)
    said = observe("needs", status="confirmed")
    assert evaluate(fresh, at(said, days=days)).truth is truth
    assert evaluate(fresh, at(said, days=days)).open == (() if truth else ("needs",))
    known = condition(field="needs", known=True, within_days=30)
    assert evaluate(known, at(said, days=days)).truth is bool(truth)
    always = condition(field="needs", **{"is": "confirmed"})
    assert evaluate(always, at(said, days=days)).truth is True


def test_a_view_of_no_moment_says_so() -> None:
    fresh = condition(field="needs", known=True, within_days=30)
    with pytest.raises(ValueError, match="no moment"):
        evaluate(fresh, view(observe("needs", status="confirmed")))
    with pytest.raises(msgspec.ValidationError, match="add `field`"):
        condition(event="call", within_days=3)


def test_the_parts_of_a_condition() -> None:
    nested = condition(
        all=[{"field": "needs", "known": True}, {"not": {"any": [{"event": "call"}, {"field": "tier", "is": "A"}]}}]
    )
    assert [(leaf.field, leaf.event) for leaf in leaves(nested)] == [("needs", None), (None, "call"), ("tier", None)]
    assert fields_in(nested) == {"needs", "tier"}


def test_mistakes_inside_say_where_they_are() -> None:
    wrong: dict[str, Any] = {"field": "moon", "known": True}
    inside = condition(any=[{"all": [{"field": "employees", "known": True}, wrong]}, {"not": wrong}])
    found = check_condition(inside, REGISTRY, events=True, at=("when",))
    assert [mistake.path for mistake in found] == [
        ("when", "any", 0, "all", 1, "field"),
        ("when", "any", 1, "not", "field"),
    ]
