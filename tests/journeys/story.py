"""The seed's story: five leads of October 2026 from form to customer, told to a running Tasuki step by step.

Every step is checked as it is told; test_story.py then holds every KPI against figures worked by hand from what stands
here. Times are those of Tokyo. The story keeps to one month that is over, so that its figures do not depend on when it
is told; only what Tasuki itself does (handoffs, stages) happens now.
"""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.journeys.outside import FORM, Outside
from tests.journeys.story_facts import activities, at
from tests.system import until


class Told(NamedTuple):
    """What the story has made. `handoffs`: handoff ids by name."""

    leads: dict[str, str]
    handoffs: dict[str, str]
    fed: int


def tell(outside: Outside) -> Told:
    """The whole story."""
    leads = _forms(outside)
    _hearings(outside, leads)
    handoffs = _handoffs(outside, leads)
    outside.settle()  # the calls that follow find every lead where sales has it
    events = activities(leads)
    outside.post_activities(events)
    outside.settle()
    return Told(leads, handoffs, len(events))


def _forms(outside: Outside) -> dict[str, str]:
    """Three companies of known size and one of unknown size by the form on the website, one typed in by a rep."""
    leads = {
        "small": _form(outside, "a@small.example.jp", 350),
        "edge": _form(outside, "b@edge.example.ne.jp", 2000),
        "big": _form(outside, "c@big.example.co.jp", 2001),
        "unsized": _form(outside, "d@unsized.example.org", None),
    }
    typed = {
        "external_id": "crm:77",
        "fields": {"email": "e@typed.example.net", "employees": 50, "industry": "IT"},
        "observed_at": at(20, "09:00"),
        "campaign": "autumn-exhibition",
    }
    leads["typed"] = outside.ok("ingest", "POST", "/v1/leads", typed, 201)["lead_id"]
    assert outside.ok("ingest", "POST", "/v1/leads", typed, 200)["lead_id"] == leads["typed"], "it is known by now"
    assert len(set(leads.values())) == 5
    for name, segment in {"small": "smb", "edge": "smb", "big": "enterprise", "unsized": "unknown"}.items():
        found = decided(outside, leads[name], "needs_information")
        assert (found["segment"], found["stage"]) == (segment, "Awareness" if name == "unsized" else "Target")
    return leads


def _form(outside: Outside, email: str, employees: int | None) -> str:
    fields = {"メールアドレス": email, "会社名": "株式会社テスト", "役職": "部長", "業種": "IT"}
    if employees is not None:
        fields["従業員数"] = f"{employees:,}名"
    answer = outside.call(
        "ingest", "POST", "/v1/webhooks/website", urlencode(fields).encode(), key=None, content_type=FORM
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["duplicate"] is False
    lead_id: str = answer.json()["lead_id"]
    return lead_id


def _hearings(outside: Outside, leads: dict[str, str]) -> None:
    """What the reps hear, and how the decision about each company changes with it."""
    hear(outside, leads["small"], at(5, "10:00"), "ito", needs="confirmed")
    found = decided(outside, leads["small"], "needs_information", met=("needs_confirmed",))
    assert [missing["field"] for missing in found["missing"]] == ["authority"]
    assert found["missing"][0]["ask"]["ja"]
    hear(outside, leads["small"], at(5, "10:30"), "ito", authority="denied")
    found = decided(outside, leads["small"], "not_ready")
    (denied,) = [c for c in found["criteria"] if c["id"] == "contact_has_authority"]
    assert denied["result"] == "unmet"
    (evidence,) = denied["evidence"]
    assert {k: evidence[k] for k in ("field", "status", "method", "by", "quote", "observed_at")} == {
        "field": "authority",
        "status": "denied",
        "method": "hearing",
        "by": "ito",
        "quote": "authority と言われた",
        "observed_at": "2026-10-05T01:30:00Z",
    }

    hear(outside, leads["edge"], at(5, "11:00"), "tanaka", needs="confirmed")
    assert decided(outside, leads["edge"], "needs_information", met=("needs_confirmed",))["segment"] == "smb"
    hear(outside, leads["edge"], at(5, "11:30"), "tanaka", authority="confirmed")
    decided(outside, leads["edge"], "ready")

    hear(outside, leads["big"], at(5, "12:00"), "tanaka", needs="confirmed")
    found = decided(outside, leads["big"], "ready")
    assert (found["segment"], found["missing"], found["stage"]) == ("enterprise", [], "MQL")
    tool_result(outside, leads["big"], at(6, "08:00"), target_tier="A")

    hear(outside, leads["unsized"], at(6, "10:00"), "yamada", needs="confirmed")
    found = decided(outside, leads["unsized"], "needs_information", met=("needs_confirmed",))
    assert found["segment"] == "unknown"
    assert {missing["field"] for missing in found["missing"]} == {"employees", "authority"}
    tool_result(outside, leads["unsized"], at(7, "09:00"), employees=2500)
    assert decided(outside, leads["unsized"], "ready")["segment"] == "enterprise"


def hear(outside: Outside, lead_id: str, when: str, rep: str, **statuses: str) -> None:
    """A hearing in which something was said of some BANT fields."""
    answers = {field: {"status": status, "quote": f"{field} と言われた"} for field, status in statuses.items()}
    body = {"rep": rep, "heard_at": when, "channel": "call", "answers": answers}
    lead = outside.ok("ingest", "POST", f"/v1/leads/{lead_id}/hearings", body, 201)
    assert {field: lead["fields"][field]["status"] for field in statuses} == statuses


def tool_result(outside: Outside, lead_id: str, when: str, **fields: Any) -> None:
    """What a tool found out."""
    body = {"tool": "registry", "observed_at": when, "fields": fields}
    lead = outside.ok("ingest", "POST", f"/v1/leads/{lead_id}/tool-results", body, 201)
    assert {field: lead["fields"][field]["value"] for field in fields} == fields


def decided(outside: Outside, lead_id: str, decision: str, met: tuple[str, ...] = ()) -> dict[str, Any]:
    """The readiness, as soon as it is this decision with these criteria met: facts take a moment to arrive."""
    found: list[dict[str, Any] | None] = []

    def holds() -> bool:
        now = outside.readiness(lead_id)
        found.append(now)
        have = {c["id"] for c in now["criteria"] if c["result"] == "met"} if now else set()
        return now is not None and now["decision"] == decision and have >= set(met)

    until(holds, 30, lambda: f"{decision} expected: {found[-1]}")
    assert found[-1] is not None
    return found[-1]


def _handoffs(outside: Outside, leads: dict[str, str]) -> dict[str, str]:
    """Five handoffs: accepted, returned and handed over again, returned for good, and one against the rules."""
    made: dict[str, str] = {}
    refused = outside.refused(_hand_over(outside, leads["small"], "ito"), 409, "handoff-not-ready")
    assert refused["readiness"]["decision"] == "not_ready"

    appointment = {
        "scheduled_for": at(13, "10:00"),
        "accepted_by": {"name": "山田", "title": "部長", "has_authority": False},
        "how_set": "call",
        "pressured": True,
        "problem_clear": False,
        "contact_state": "情報収集の段階",
        "note": "断りきれず承諾",
    }
    package = _hand_over(outside, leads["big"], "tanaka", appointment=appointment).json()
    made["big"] = package["handoff_id"]
    assert (package["status"], package["segment"], package["owner"]) == ("pending", "enterprise", "suzuki")
    as_set = appointment | {"scheduled_for": "2026-10-13T01:00:00Z"}
    assert {name: package["appointment"][name] for name in as_set} == as_set, "handed over as it was really set"
    assert package["bant"]["needs"]["quote"] == "needs と言われた"
    outside.refused(_hand_over(outside, leads["big"], "tanaka"), 409, "handoff-open")
    _accept(outside, made["big"], "suzuki")
    for verdict in ("accept", "return"):
        body = {"sales_rep": "suzuki", "reason": "no_need", "comment": "x"}
        outside.refused(outside.call("handoff", "POST", f"/v1/handoffs/{made['big']}/{verdict}", body), 409)

    made["unsized, first"] = _hand_over(outside, leads["unsized"], "yamada").json()["handoff_id"]
    returned = _return(outside, made["unsized, first"], "suzuki", "bad_timing", "来期に再度")
    assert {k: returned["outcome"][k] for k in ("status", "sales_rep", "reason", "comment")} == {
        "status": "returned",
        "sales_rep": "suzuki",
        "reason": "bad_timing",
        "comment": "来期に再度",
    }
    made["unsized, again"] = _hand_over(outside, leads["unsized"], "yamada").json()["handoff_id"]
    assert made["unsized, again"] != made["unsized, first"]
    _accept(outside, made["unsized, again"], "suzuki")

    made["edge"] = _hand_over(outside, leads["edge"], "tanaka").json()["handoff_id"]
    _return(outside, made["edge"], "sato", "no_need", "")
    recycled = outside.ok("handoff", "POST", f"/v1/leads/{leads['edge']}/recycle", {"reason": "来年度に再開"}, 200)
    assert (recycled["stage"], recycled["cycle"]) == ("Awareness", 2)

    override = {"reason": "社長からの紹介"}
    overridden = _hand_over(outside, leads["small"], "ito", override=override).json()
    made["small"] = overridden["handoff_id"]
    assert (overridden["overridden"], overridden["owner"]) == (True, "sato")
    assert overridden["override"]["reason"] == override["reason"]
    return made


def _hand_over(outside: Outside, lead_id: str, rep: str, **more: Any) -> Any:
    body = {"lead_id": lead_id, "rep": rep, "reason": "既存ツールの更新時期"} | more
    return outside.call("handoff", "POST", "/v1/handoffs", body)


def _accept(outside: Outside, handoff_id: str, sales_rep: str) -> None:
    accepted = outside.ok("handoff", "POST", f"/v1/handoffs/{handoff_id}/accept", {"sales_rep": sales_rep}, 200)
    assert (accepted["status"], accepted["outcome"]["sales_rep"]) == ("accepted", sales_rep)


def _return(outside: Outside, handoff_id: str, sales_rep: str, reason: str, comment: str) -> dict[str, Any]:
    body = {"sales_rep": sales_rep, "reason": reason, "comment": comment}
    returned: dict[str, Any] = outside.ok("handoff", "POST", f"/v1/handoffs/{handoff_id}/return", body, 200)
    assert returned["status"] == "returned"
    return returned
