"""The shipped policy decides as the seeds of Tasuki tell it, and policies say what is wrong with them."""

from pathlib import Path

import msgspec
import pytest

from shared.config import load_config
from shared.events import FieldStatus, Observation
from shared.fields import FieldRegistry
from shared.policy import Decision, Policy, check_policy, decide, segment_of
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
