"""What the shipped policy says, over HTTP: the borders of its segments, Kleene's logic, the evidence."""

from typing import Any

import pytest

from tests.handoff.desk import Desk, at, call, correction, created, fields, hearing

READY, NOT_READY, NEEDS = "ready", "not_ready", "needs_information"


async def readiness(desk: Desk, lead_id: str) -> Any:
    return await desk.get(f"/v1/leads/{lead_id}/readiness")


@pytest.mark.parametrize(
    ("employees", "needs", "authority", "segment", "decision", "missing"),
    [
        (350, None, None, "smb", NEEDS, ["needs", "authority"]),
        (350, "confirmed", None, "smb", NEEDS, ["authority"]),
        (350, "confirmed", "assumed", "smb", NEEDS, ["authority"]),
        (350, "confirmed", "unknown", "smb", NEEDS, ["authority"]),
        (350, "confirmed", "confirmed", "smb", READY, []),
        (350, None, "denied", "smb", NOT_READY, ["needs"]),
        (350, "denied", "confirmed", "smb", NOT_READY, []),
        (1, "confirmed", "confirmed", "smb", READY, []),
        (2000, "confirmed", None, "smb", NEEDS, ["authority"]),
        (2000, "confirmed", "confirmed", "smb", READY, []),
        (2001, "confirmed", None, "enterprise", READY, []),
        (2001, "confirmed", "denied", "enterprise", READY, []),
        (2001, None, "confirmed", "enterprise", NEEDS, ["needs"]),
        (2001, "denied", "confirmed", "enterprise", NOT_READY, []),
        (None, "confirmed", None, "unknown", NEEDS, ["employees", "authority"]),
        (None, None, None, "unknown", NEEDS, ["employees", "needs", "authority"]),
        (None, "confirmed", "denied", "unknown", NOT_READY, ["employees"]),
    ],
)
async def test_borders_and_kleene(
    desk: Desk,
    employees: int | None,
    needs: str | None,
    authority: str | None,
    segment: str,
    decision: str,
    missing: list[str],
) -> None:
    await desk.deliver(created("L1"))
    if employees is not None:
        await desk.deliver(fields("L1", "form", employees=employees))
    heard: dict[str, Any] = {f: s for f, s in (("needs", needs), ("authority", authority)) if s}
    if heard:
        await desk.deliver(hearing("L1", **heard))
    said = await readiness(desk, "L1")
    assert (said["segment"], said["decision"]) == (segment, decision)
    assert [m["field"] for m in said["missing"]] == missing
    assert all(m["ask"]["ja"] and m["ask"]["en"] for m in said["missing"])


async def test_evidence_says_who_heard_what_and_when(desk: Desk) -> None:
    await desk.deliver(created("L1"), fields("L1", "form", employees=350))
    await desk.deliver(hearing("L1", at("2026-11-19 15:00"), needs="confirmed"))
    said = await readiness(desk, "L1")
    by_id = {criterion["id"]: criterion for criterion in said["criteria"]}
    assert by_id["contact_has_authority"]["result"] == "unknown"
    assert by_id["contact_has_authority"]["evidence"] == []
    needs = by_id["needs_confirmed"]
    assert needs["label"] == {"ja": "ニーズ確認済み", "en": "Needs confirmed"}
    (evidence,) = needs["evidence"]
    assert evidence.pop("observation_id")
    assert evidence == {
        "field": "needs",
        "method": "hearing",
        "source": "test",
        "observed_at": "2026-11-19T06:00:00Z",
        "status": "confirmed",
        "by": "tanaka",
        "quote": "needs: confirmed と言われた",
    }
    assert said["policy"] == {"id": "default", "version": 1}
    assert (said["lead_id"], said["stage"]) == ("L1", "MQL")
    assert said["as_of"] == {"events": 3, "last_event_at": "2026-11-20T01:00:00Z", "positions": {}}


async def test_a_hearing_is_believed_over_the_form_and_the_later_one_over_the_earlier(desk: Desk) -> None:
    await desk.deliver(
        created("L1"),
        hearing("L1", at("2026-11-20 09:00"), needs="denied"),
        hearing("L1", at("2026-11-19 09:00"), needs="confirmed"),
    )
    assert (await readiness(desk, "L1"))["decision"] == NOT_READY
    await desk.deliver(
        fields("L1", "hearing", employees=2001), fields("L1", "form", at("2026-11-21 09:00"), employees=5)
    )
    assert (await readiness(desk, "L1"))["segment"] == "enterprise"


async def test_what_others_said_to_the_contrary_is_shown_beside_the_decision(desk: Desk) -> None:
    await desk.deliver(
        created("L1"),
        hearing("L1", at("2026-11-18 09:00"), by="sato", needs="denied"),
        hearing("L1", at("2026-11-18 10:00"), by="tanaka", needs="denied", authority="confirmed"),
        hearing("L1", at("2026-11-19 09:00"), by="tanaka", needs="confirmed"),
        hearing("L1", at("2026-11-17 09:00"), by="sato", needs="assumed"),
        fields("L1", "form", employees=350),
    )
    said = await readiness(desk, "L1")
    needs, authority = said["criteria"]
    assert (said["decision"], needs["result"]) == ("ready", "met")
    assert [(one["by"], one["status"]) for one in needs["evidence"]] == [("tanaka", "confirmed")]
    assert [(one["by"], one["status"]) for one in needs["contradicting"]] == [("sato", "denied")]
    assert authority["contradicting"] == []


async def test_a_lead_that_nobody_told_of_is_404(desk: Desk) -> None:
    answer = await desk.call("GET", "/v1/leads/nobody/readiness")
    assert (answer.status, answer.body["type"]) == (404, "urn:tasuki:problem:not-found")
    await desk.deliver(call("L1", "c1"))
    assert (await desk.call("GET", "/v1/leads/L1/readiness")).status == 404
    await desk.deliver(created("L1"))
    assert (await readiness(desk, "L1"))["stage"] == "Engaged"


async def test_the_same_events_again_change_nothing(desk: Desk) -> None:
    events = [
        created("L1"),
        hearing("L1", needs="confirmed"),
        fields("L1", "form", employees=350),
        call("L1", "c1"),
        correction("L1", "x1", "c1", "void"),
    ]
    await desk.deliver(*events)
    first, told = await readiness(desk, "L1"), await desk.told()
    await desk.deliver(*reversed(events))
    for event in events:
        await desk.deliver(event)
    assert await readiness(desk, "L1") == first
    assert await desk.told() == told


async def test_decisions_are_counted_by_segment(desk: Desk) -> None:
    await desk.ready_lead("L1")
    await readiness(desk, "L1")
    sample = 'tasuki_handoff_decisions_total{decision="ready",policy="default",segment="enterprise"} 1.0'
    assert sample in (await desk.telemetry.render()).decode()
