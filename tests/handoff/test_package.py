"""The package: all that sales needs, and nothing prettified."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from services.handoff.package import HISTORY_MAX
from shared.events import AcceptedBy, Appointment, ContentUsed, Event, HandoffCreated, PolicyVersion, Touch
from shared.money import Money
from tests.handoff.desk import NOW, Desk, at, call, correction, created, fields, hearing, opportunity, running
from tests.handoff.desk import made as event_of
from tests.handoff.shipped import config_with
from tests.handoff.test_merges import merged, unmerged

APPOINTMENT = {
    "scheduled_for": "2026-11-25T10:00:00+09:00",
    "accepted_by": {"name": "佐々木", "title": "部長", "has_authority": None},
    "pressured": True,
    "problem_clear": False,
    "contact_state": "比較検討中",
    "how_set": "call",
}


async def test_what_content_was_used_stands_in_the_package(desk: Desk) -> None:
    await desk.ready_lead("L1")
    use = ContentUsed(rep="tanaka", content="first-mail", kind="template", language="ja", channel="email")
    await desk.deliver(call("L1", "c1"), event_of("content-used", "L1", use, NOW, "u1"))
    made = await desk.hand_over("L1")
    assert [(a["id"], a["content"], a["kind"]) for a in made["content_sent"]] == [("u1", "first-mail", "template")]
    assert {a["id"] for a in made["history"]} == {"u1", "c1"}


async def test_the_package_is_all_that_sales_needs(desk: Desk) -> None:
    await desk.ready_lead("L1")
    await desk.deliver(call("L1", "c1", at("2026-11-20 09:00")), call("L1", "c2", at("2026-11-20 09:30"), "no_answer"))
    made = await desk.hand_over("L1", appointment=APPOINTMENT)
    assert made == await desk.get(f"/v1/handoffs/{made['handoff_id']}")
    assert {name: made[name] for name in ("lead_id", "status", "rep", "owner", "reason", "segment", "policy")} == {
        "lead_id": "L1",
        "status": "pending",
        "rep": "tanaka",
        "owner": "suzuki",
        "reason": "時期が合う",
        "segment": "enterprise",
        "policy": {"id": "default", "version": 1},
    }
    assert made["due_at"] == "2026-11-20T05:00:00Z"  # four business hours after Friday 10:00 in Tokyo
    assert made["readiness"]["decision"] == "ready"
    assert made["company_name"] == "株式会社テスト"
    assert [a["id"] for a in made["history"]] == ["c2", "c1"]
    assert made["override"] is None
    assert made["outcome"] == {
        "status": "pending",
        "decided_at": None,
        "sales_rep": None,
        "reason": None,
        "comment": None,
        "opportunities": [],
    }
    assert made["bant"]["needs"]["quote"] == "needs: confirmed と言われた"
    assert made["bant"]["needs"]["by"] == "tanaka"
    unheard = {"status": "unknown", "value": None, "quote": None, "by": None, "observed_at": None}
    assert made["bant"]["budget"] == unheard
    (event,) = [told for told in await desk.told() if told.name == "handoff-created"]
    assert (event.source, event.subject, event.key, event.time) == ("tasuki.handoff", "L1", "L1", NOW)
    assert event.data == HandoffCreated(
        handoff_id=made["handoff_id"],
        rep="tanaka",
        owner="suzuki",
        segment="enterprise",
        policy=PolicyVersion("default", 1),
        overridden=False,
    )


async def test_the_appointment_is_handed_over_as_it_was_really_set(desk: Desk) -> None:
    await desk.ready_lead("L1")
    made = await desk.hand_over("L1", appointment=APPOINTMENT)
    assert made["appointment"] == {
        "appointment_id": None,
        "scheduled_for": "2026-11-25T01:00:00Z",
        "accepted_by": {"name": "佐々木", "title": "部長", "has_authority": None},
        "contact_state": "比較検討中",
        "how_set": "call",
        "pressured": True,
        "problem_clear": False,
        "note": None,
    }
    await desk.ready_lead("L2")
    assert (await desk.hand_over("L2"))["appointment"] is None


async def test_each_question_that_defines_an_appointment_is_answered_or_unknown(desk: Desk) -> None:
    await desk.ready_lead("L1")
    made = await desk.hand_over("L1", appointment=APPOINTMENT)
    assert made["definitions_version"] == 1
    definition = (await desk.get("/v1/definitions"))["appointment"]
    assert [line["asks"] for line in made["defined"]] == [definition[line["question"]] for line in made["defined"]]
    assert {line["question"]: (line["answer"]["ja"], line["answer"]["en"]) for line in made["defined"]} == {
        "who_may_accept": ("佐々木（部長）、決裁権: 不明", "佐々木 (部長), can decide: unknown"),
        "in_what_state": ("比較検討中", "比較検討中"),
        "how_it_was_set": ("電話、断り切れずに承諾: はい", "call, accepted under pressure: yes"),
        "problem_clear": ("いいえ", "no"),
    }
    assert made["open_questions"] == []
    await desk.deliver(created("L2"), fields("L2", "form", employees=10), hearing("L2", needs="confirmed"))
    bare = await desk.hand_over("L2", override={"reason": "x"})
    assert {(line["known"], line["answer"]["ja"]) for line in bare["defined"]} == {(False, "不明")}
    assert len(bare["open_questions"]) == 5
    assert bare["open_questions"][0] == bare["readiness"]["missing"][0]["ask"]


def appointment(lead_id: str, what: str, when: datetime, status: Any = "set", of: str = "A1", **more: Any) -> Event:
    data = Appointment(appointment_id=of, status=status, rep="ito", **more)
    return event_of("appointment", lead_id, data, when, what)


def as_set(lead_id: str) -> Event:
    """The same as APPOINTMENT, told by an activity."""
    who = AcceptedBy(name="佐々木", title="部長")
    more: dict[str, Any] = {
        name: APPOINTMENT[name] for name in ("pressured", "problem_clear", "contact_state", "how_set")
    }
    more |= {"accepted_by": who, "scheduled_for": at("2026-11-25 10:00")}
    return appointment(lead_id, "a1", at("2026-11-20 09:00"), **more)


async def test_an_appointment_that_activities_told_of_is_handed_over(desk: Desk) -> None:
    await desk.ready_lead("L1")
    await desk.deliver(as_set("L1"))
    made = await desk.hand_over("L1")
    assert made == await desk.get(f"/v1/handoffs/{made['handoff_id']}")
    await desk.ready_lead("L2")
    told = await desk.hand_over("L2", appointment=APPOINTMENT)
    assert made["appointment"] == told["appointment"] | {"appointment_id": "A1"}
    assert made["defined"] == told["defined"]
    assert {line["known"] for line in made["defined"]} == {True}
    assert made["open_questions"] == []
    assert made["appointment_told"] == {
        "origin": "activities",
        "rep": "ito",
        "at": "2026-11-20T00:00:00Z",
        "status": "set",
        "events": [{"source": "test", "id": "a1"}],
    }
    request: dict[str, Any] = {
        "origin": "request",
        "rep": "tanaka",
        "at": "2026-11-20T01:00:00Z",
        "status": None,
        "events": [],
    }
    assert told["appointment_told"] == request


async def test_what_the_request_tells_of_the_appointment_holds(desk: Desk) -> None:
    await desk.ready_lead("L1")
    await desk.deliver(as_set("L1"))
    made = await desk.hand_over("L1", appointment={"appointment_id": "A1", "how_set": "email"})
    told = {name: value for name, value in made["appointment"].items() if value is not None}
    assert told == {"appointment_id": "A1", "how_set": "email"}
    assert made["appointment_told"]["origin"] == "request"


async def test_the_appointment_is_that_of_the_moment_of_the_handoff(desk: Desk) -> None:
    """However late it arrives: what was told before counts, what happened after does not."""
    await desk.ready_lead("L1")
    made = await desk.hand_over("L1")
    assert (made["appointment"], made["appointment_told"]) == (None, None)
    await desk.deliver(appointment("L1", "a3", NOW + timedelta(hours=1), "cancelled"), as_set("L1"))
    now = await desk.get(f"/v1/handoffs/{made['handoff_id']}")
    assert (now["appointment"]["pressured"], now["appointment_told"]["status"]) == (True, "set")


async def test_corrections_of_the_appointment_are_applied(desk: Desk) -> None:
    await desk.ready_lead("L1")
    wrong = appointment("L1", "a2", at("2026-11-20 09:30"), pressured=False, of="A2")
    await desk.deliver(as_set("L1"), wrong, correction("L1", "x1", "a2", "void"))
    made = await desk.hand_over("L1")
    assert made["appointment"]["appointment_id"] == "A1"
    await desk.deliver(correction("L1", "x2", "a1", "void"))
    now = await desk.get(f"/v1/handoffs/{made['handoff_id']}")
    assert (now["appointment"], now["appointment_told"]) == (None, None), "a void counts as if it had never been"


async def test_the_appointment_of_merged_leads_is_that_of_the_one(desk: Desk) -> None:
    await desk.ready_lead("mei")
    await desk.deliver(created("may"), as_set("may"), merged("may", "mei", -10))
    made = await desk.hand_over("mei")
    assert made["appointment"]["appointment_id"] == "A1"
    await desk.deliver(unmerged("may", "mei", -5))
    assert (await desk.get(f"/v1/handoffs/{made['handoff_id']}"))["appointment"] is None


async def test_an_automatic_handoff_has_the_appointment_too(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, config_with(tmp_path, **{"automatic: false": "automatic: true"})) as desk:
        await desk.deliver(created("L1"), as_set("L1"), fields("L1", "form", employees=5000))
        await desk.deliver(hearing("L1", needs="confirmed", authority="confirmed"))
        (handoff,) = (await desk.get("/v1/handoffs"))["items"]
        made = await desk.get(f"/v1/handoffs/{handoff['handoff_id']}")
        assert (made["automatic"], made["appointment"]["appointment_id"]) == (True, "A1")
        assert {line["known"] for line in made["defined"]} == {True}


async def test_what_came_of_it_and_what_was_sent_outlast_a_long_history(desk: Desk) -> None:
    """The history shows the latest activities; an opportunity and content from before them are still there."""
    await desk.ready_lead("L1")
    use = ContentUsed(rep="tanaka", content="first-mail", kind="template", language="ja", channel="email")
    mail = Touch(rep="tanaka", channel="email", direction="outbound", outcome="sent")
    answer = Touch(channel="email", direction="outbound", outcome="replied")
    won = opportunity("L1", "o1", "won", at("2026-11-18 10:00"), amount=Money("1200000", "JPY"))
    await desk.deliver(
        event_of("content-used", "L1", use, at("2026-11-17 10:00"), "u1"),
        event_of("touch", "L1", mail, at("2026-11-17 11:00"), "t1"),
        event_of("touch", "L1", answer, at("2026-11-17 12:00"), "t2"),
        won,
        *(call("L1", f"c{n}", at("2026-11-19 10:00") + timedelta(minutes=n)) for n in range(HISTORY_MAX)),
    )
    made = await desk.hand_over("L1")
    assert {activity["type"] for activity in made["history"]} == {"call"}
    assert [activity["id"] for activity in made["content_sent"]] == ["t1", "u1"]
    (found,) = made["outcome"]["opportunities"]
    assert (found["opportunity_id"], found["status"], found["amount"]["value"]) == ("O1", "won", "1200000")
