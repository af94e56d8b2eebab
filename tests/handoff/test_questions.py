"""What to ask next: everything that would settle something, the most urgent first, and nothing that is known."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.handoff.questions import questions
from services.handoff.rules import Rules
from shared.config import load_config
from shared.fields import believed, is_known
from shared.policy import decide
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.view import LeadView
from tests.handoff.desk import NOW, Desk, created, fields, hearing, observed

CONFIG = load_config(Settings().config_dir)
RULES = Rules.of(CONFIG, Settings().zone, Telemetry("handoff", level="error"))
POLICY = CONFIG.policies["default"]


async def asked(desk: Desk, lead: str) -> dict[str, list[tuple[str, str]]]:
    """Field -> its reasons."""
    found = await desk.get(f"/v1/leads/{lead}/questions")
    return {item["field"]: [(r["why"], r["id"]) for r in item["reasons"]] for item in found["items"]}


async def test_of_a_lead_of_whom_nothing_is_known(desk: Desk) -> None:
    await desk.deliver(created("l"))
    found = await asked(desk, "l")
    assert list(found)[:3] == ["needs", "authority", "employees"], "criteria, then what tells the segment"
    assert found["needs"] == [("criterion", "needs_confirmed"), ("rank", "rank")]
    assert found["employees"] == [("segment", "segment"), ("stage", "Target"), ("rank", "rank")]
    assert found["target_tier"] == [("stage", "Target")]
    assert "website_tags" not in found, "a rep cannot hear it"
    page = await desk.get("/v1/leads/l/questions")
    assert (page["stage"], page["segment"], page["policy"]["id"]) == ("Awareness", "unknown", "default")
    needs = page["items"][0]
    assert needs["ask"]["en"].startswith("Which problem")
    assert needs["ask"]["ja"]
    assert needs["reasons"][0]["label"] == {"ja": "ニーズ確認済み", "en": "Needs confirmed"}


async def test_what_is_known_is_not_asked_and_what_is_assumed_is(desk: Desk) -> None:
    await desk.deliver(
        created("l"),
        fields("l", "form", employees=5000, industry="IT", email="a@b.jp", phone="0312345678", title="部長"),
        hearing("l", needs="assumed", authority="denied", budget="confirmed"),
    )
    found = await asked(desk, "l")
    assert found == {
        "needs": [("criterion", "needs_confirmed"), ("stage", "MQL"), ("rank", "rank")],
        "timeframe": [("rank", "rank")],
    }
    said = (await desk.get("/v1/leads/l/questions"))["items"][0]["said"]
    assert (said["status"], said["by"]) == ("assumed", "tanaka")


async def test_the_segment_decides_what_is_asked(desk: Desk) -> None:
    for lead, employees in (("small", 300), ("large", 3000)):
        await desk.deliver(created(lead), fields(lead, "form", employees=employees))
    assert ("criterion", "contact_has_authority") in (await asked(desk, "small"))["authority"]
    assert ("criterion", "contact_has_authority") not in (await asked(desk, "large"))["authority"]


async def test_an_unknown_lead_is_404(desk: Desk) -> None:
    assert (await desk.call("GET", "/v1/leads/nobody/questions")).status == 404


statuses = st.sampled_from(["confirmed", "denied", "assumed", "unknown"])
known = st.fixed_dictionaries(
    {},
    optional={
        "needs": statuses,
        "authority": statuses,
        "budget": statuses,
        "employees": st.integers(0, 5000),
        "industry": st.just("IT"),
        "target_tier": st.sampled_from("ABC"),
    },
)


@given(known, st.sampled_from([stage.id for stage in CONFIG.stages]))
def test_whatever_the_decision_misses_is_asked_first_and_nothing_known_is(said: dict[str, Any], stage: str) -> None:
    values = believed(
        CONFIG.fields,
        [
            observed(field, "hearing", NOW, **({"status": value} if value in statuses.elements else {"value": value}))  # type: ignore[attr-defined]
            for field, value in said.items()
        ],
    )
    decision = decide(POLICY, LeadView(CONFIG.fields, values))
    found = questions(POLICY, RULES.guide, CONFIG.fields, values, stage, decision.segment, NOW)
    missing = [missing.field for missing in decision.missing]
    assert set(missing) <= {question.field for question in found}
    assert not any(is_known(CONFIG.fields.get(q.field), values.get(q.field)) for q in found)
    assert all(question.reasons for question in found)
    order = {"criterion": 0, "segment": 1, "stage": 2, "rank": 3}
    urgency = [order[question.reasons[0].why] for question in found]
    assert urgency == sorted(urgency)
