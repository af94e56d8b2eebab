"""The shipped policy decides as the seeds of Tasuki tell it, and policies say what is wrong with them."""

from datetime import date
from pathlib import Path

import msgspec
import pytest

from shared.config import load_config
from shared.events import FieldStatus, Observation
from shared.fields import FieldRegistry
from shared.policy import Decision, Policy, UnknownSegment, check_policy, decide, fields_of, segment_of
from shared.view import LeadView
from tests.shared.samples import observe

CONFIG = load_config(Path(__file__).parents[2] / "config")
POLICY = CONFIG.policies["default"]


def lead(employees: int | None = None, **statuses: FieldStatus) -> LeadView:
    values: dict[str, Observation] = {name: observe(name, status=status) for name, status in statuses.items()}
    if employees is not None:
        values["employees"] = observe("employees", employees)
    return LeadView(CONFIG.fields, values)


def results(decision: Decision) -> dict[str, str]:
    return {criterion.id: criterion.result for criterion in decision.criteria}


@pytest.mark.parametrize(
    ("employees", "segment"),
    [(1, "smb"), (350, "smb"), (2000, "smb"), (2001, "enterprise"), (None, "unknown"), (0, "unknown")],
)
def test_segments(employees: int | None, segment: str) -> None:
    assert segment_of(POLICY, lead(employees)) == segment
    assert decide(POLICY, lead(employees)).segment == segment


def test_from_2001_employees_needs_alone_are_enough() -> None:
    decision = decide(POLICY, lead(2001, needs="confirmed"))
    assert decision.decision == "ready"
    assert results(decision) == {"needs_confirmed": "met"}
    assert decision.missing == []


def test_up_to_2000_employees_authority_is_asked_for() -> None:
    decision = decide(POLICY, lead(2000, needs="confirmed"))
    assert decision.decision == "needs_information"
    assert results(decision) == {"needs_confirmed": "met", "contact_has_authority": "unknown"}
    assert [(m.field, m.ask) for m in decision.missing] == [("authority", CONFIG.fields.get("authority").ask)]


def test_what_was_denied_outweighs_what_is_unknown() -> None:
    assert decide(POLICY, lead(350, authority="denied")).decision == "not_ready"
    assert decide(POLICY, lead(350, needs="assumed", authority="confirmed")).decision == "needs_information"
    assert decide(POLICY, lead(350, needs="confirmed", authority="confirmed")).decision == "ready"


def test_an_unknown_size_is_asked_for() -> None:
    decision = decide(POLICY, lead(None, needs="confirmed"))
    assert (decision.segment, decision.decision) == ("unknown", "needs_information")
    assert [m.field for m in decision.missing] == ["employees", "authority"]


def test_only_what_is_not_known_yet_is_asked_for() -> None:
    raw = msgspec.to_builtins(POLICY)
    raw["unknown_segment"]["ask"] = ["industry", "employees"]
    known = LeadView(CONFIG.fields, {"industry": observe("industry", "IT")})
    assert [m.field for m in decide(msgspec.convert(raw, Policy), known).missing] == ["employees", "needs", "authority"]


def test_the_evidence_is_what_was_believed() -> None:
    decision = decide(POLICY, lead(2001, needs="denied"))
    assert decision.criteria[0].evidence == [observe("needs", status="denied")]
    assert decide(POLICY, lead(2001)).criteria[0].evidence == []


def test_an_unknown_before_a_met_segment_makes_the_segment_unknown() -> None:
    raw = msgspec.to_builtins(POLICY)
    raw["segments"].insert(0, {**raw["segments"][0], "id": "a", "when": {"field": "target_tier", "is": "A"}})
    policy = msgspec.convert(raw, Policy)
    assert segment_of(policy, lead(350)) == "unknown"
    told = LeadView(CONFIG.fields, {"target_tier": observe("target_tier", "B"), "employees": observe("employees", 350)})
    assert segment_of(policy, told) == "smb"


def test_a_policy_encodes_to_the_shape_it_was_decoded_from() -> None:
    raw = msgspec.json.decode(msgspec.json.encode(POLICY))
    assert raw["segments"][0]["when"] == {"field": "employees", "between": [1, 2000]}
    assert raw["accept_within"] == {"hours": 4, "calendar": "business"}
    assert msgspec.json.decode(msgspec.json.encode(POLICY), type=Policy) == POLICY


def test_the_shipped_policy_has_no_mistake_and_without_its_fields_it_has() -> None:
    assert list(check_policy(POLICY, CONFIG.fields)) == []
    paths = {mistake.path for mistake in check_policy(POLICY, FieldRegistry([]))}
    assert ("criteria", "needs_confirmed", "field") in paths
    assert ("segments", 0, "when", "field") in paths
    assert ("unknown_segment", "ask", 0) in paths


STATES: list[FieldStatus | None] = ["confirmed", "denied", "assumed", "unknown", None]


@pytest.mark.parametrize("employees", [0, 1, 2000, 2001, None])
@pytest.mark.parametrize("needs", STATES)
@pytest.mark.parametrize("authority", STATES)
def test_the_rule_in_every_state(
    employees: int | None, needs: FieldStatus | None, authority: FieldStatus | None
) -> None:
    """Up to 2,000 employees, and where nobody can tell: the need confirmed and a contact who can decide; from 2,001:
    the need alone. What is denied is not met; what is assumed, unknown or never asked is asked."""
    said = {name: state for name, state in (("needs", needs), ("authority", authority)) if state is not None}
    decision = decide(POLICY, lead(employees, **said))
    in_words = {"confirmed": "met", "denied": "unmet"}
    expected = {"needs_confirmed": in_words.get(needs or "", "unknown")}
    if employees != 2001:
        expected["contact_has_authority"] = in_words.get(authority or "", "unknown")
    assert results(decision) == expected
    if "unmet" in expected.values():
        assert decision.decision == "not_ready"
    else:
        assert decision.decision == ("needs_information" if "unknown" in expected.values() else "ready")
    asked = [] if employees is not None else ["employees"]
    asked += [field for field, name in (("needs", "needs_confirmed"), ("authority", "contact_has_authority"))
              if expected.get(name) == "unknown"]  # fmt: skip
    assert [missing.field for missing in decision.missing] == asked


def changed(**parts: object) -> Policy:
    raw = msgspec.to_builtins(POLICY)
    return msgspec.convert(raw | parts, Policy)


def criterion(**condition: object) -> dict[str, object]:
    return condition | {"label": {"ja": "x", "en": "x"}}


def test_what_would_tell_the_segment_is_asked_only_where_it_is_unknown() -> None:
    policy = changed(unknown_segment={"require": [], "ask": ["industry"]})
    assert [m.field for m in decide(policy, lead(None)).missing] == ["industry"]
    assert decide(policy, lead(2001, needs="confirmed")).missing == []


def test_a_field_that_is_gone_is_named_without_words() -> None:
    policy = changed(criteria=msgspec.to_builtins(POLICY.criteria) | {"gone": criterion(field="gone", known=True)})
    policy = msgspec.structs.replace(policy, unknown_segment=UnknownSegment(require=["gone"], ask=["gone"]))
    (missing,) = decide(policy, lead(None)).missing
    assert (missing.field, missing.ask) == ("gone", None)


def test_what_contradicts_is_judged_field_by_field() -> None:
    """Of a criterion over two fields, what somebody else said of one of them stands in for that one alone."""
    both = criterion(all=[{"field": "needs", "is": "confirmed"}, {"field": "employees", "at_least": 100}])
    policy = changed(criteria={"both": both}, segments=[], unknown_segment={"require": ["both"]}, routing={})
    small, denied = observe("employees", 5, method="form"), observe("needs", status="denied", id_="b")
    same = observe("needs", status="confirmed", id_="c")
    (result,) = decide(policy, lead(500, needs="confirmed"), {"employees": [small], "needs": [same, denied]}).criteria
    assert (result.result, result.contradicting) == ("met", [denied, small])
    (result,) = decide(policy, lead(500, needs="denied"), {"needs": [same, denied]}).criteria
    assert (result.result, result.contradicting) == ("unmet", [same])
    (result,) = decide(policy, lead(5, needs="denied"), {"employees": [observe("employees", 500)]}).criteria
    assert (result.result, result.contradicting) == ("unmet", []), "alone it would change nothing"


def test_mistakes_say_where_they_are() -> None:
    raw = msgspec.to_builtins(POLICY)
    first = raw["segments"][0]
    policy = changed(
        criteria=raw["criteria"]
        | {"late": criterion(field="needs", **{"is": "confirmed"}, within_days=5), "called": criterion(event="call")},
        segments=[
            first | {"require": ["late", "nothing"]},
            first | {"when": {"field": "employees", "at_least": 1, "within_days": 5}},
            first | {"id": "met", "when": {"event": "appointment"}},
            first | {"id": "unknown", "when": {"field": "industry", "at_least": 5}},
        ],
        unknown_segment={"require": ["late", "nobody"], "ask": ["industry", "moon"]},
        routing={
            "smb": raw["routing"]["smb"],
            "unknown": raw["routing"]["smb"] | {"rules": [routed(field="industry", at_least=5), routed(event="call")]},
            "mars": raw["routing"]["smb"],
        },
    )
    mistakes = list(check_policy(policy, CONFIG.fields))
    assert all(mistake.reason for mistake in mistakes)
    assert {mistake.path for mistake in mistakes} == {
        ("segments", 0, "require", 1),
        ("segments", 1, "id"),
        ("segments", 1, "when", "within_days"),
        ("segments", 2, "when", "event"),
        ("segments", 3, "id"),
        ("segments", 3, "when", "at_least"),
        ("criteria", "called", "event"),
        ("unknown_segment", "require", 1),
        ("unknown_segment", "ask", 1),
        ("routing", "unknown", "rules", 0, "when", "at_least"),
        ("routing", "unknown", "rules", 1, "when", "event"),
        ("routing", "mars"),
    }


def routed(**condition: object) -> dict[str, object]:
    return {"when": condition, "members": ["sato"], "method": "round_robin"}


def test_all_that_decides_anything_is_known_by_name() -> None:
    assert fields_of(POLICY) == {"needs", "authority", "employees"}
    raw = msgspec.to_builtins(POLICY)
    by_industry = raw["routing"]["smb"] | {"rules": [routed(field="industry", **{"is": "IT"})]}
    assert fields_of(changed(routing={"smb": by_industry})) == {"needs", "authority", "employees", "industry"}
    criteria = {
        "said": criterion(any=[{"field": "budget", "is": "confirmed"}, {"not": {"field": "title", "known": True}}])
    }
    alone = changed(criteria=criteria, segments=[], unknown_segment={"require": ["said"]}, routing={})
    assert fields_of(alone) == {"budget", "title"}


def test_days_of_a_version_have_an_order() -> None:
    assert changed(valid_from="2026-12-01", valid_until="2026-12-01").valid_until == date(2026, 12, 1)
    with pytest.raises(msgspec.ValidationError, match="valid_until"):
        changed(valid_from="2026-12-02", valid_until="2026-12-01")


def test_sales_is_reminded_before_the_end_and_not_at_it() -> None:
    for before in (4, 5):
        with pytest.raises(msgspec.ValidationError, match="`remind_hours_before` must be less than `hours`"):
            changed(accept_within={"hours": 4, "remind_hours_before": before})
    assert changed(accept_within={"hours": 4, "remind_hours_before": 3.5}).accept_within.remind_hours_before == 3.5


@pytest.mark.parametrize("text", ["a" + "\u0300" * 31, "a" * 20_001])
def test_no_lead_is_compared_to_a_text_without_end(text: str) -> None:
    """Normal forms of half a million marks take minutes, for each lead that a back-test looks at."""
    raw = msgspec.to_builtins(POLICY)
    label = {"ja": "会社名", "en": "Company"}
    raw["criteria"]["named"] = {"field": "company_name", "contains": text, "label": label}
    (mistake,) = check_policy(msgspec.convert(raw, Policy), CONFIG.fields)
    assert mistake.path == ("criteria", "named", "contains")
    assert len(mistake.reason) < 500
