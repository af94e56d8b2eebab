"""Handing over, deciding and the inbox, over HTTP."""

import asyncio
import base64
import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from services.handoff import policies, store
from shared.db import transaction
from shared.events import HandoffAccepted, HandoffReturned
from shared.money import Money
from shared.policy import decide
from shared.view import LeadView
from tests.handoff.desk import Desk, at, created, fields, hearing, opportunity


async def refused(desk: Desk, path: str, body: object, status: int, slug: str) -> Any:
    answer = await desk.call("POST", path, body)
    assert (answer.status, answer.body["type"]) == (status, f"urn:tasuki:problem:{slug}"), answer
    return answer.body


def wish(lead_id: str = "L1", **more: object) -> dict[str, object]:
    return {"lead_id": lead_id, "rep": "tanaka", "reason": "x"} | more


async def told(desk: Desk, name: str) -> list[Any]:
    return [event for event in await desk.told() if event.name == name]


async def test_each_refusal_says_why(desk: Desk) -> None:
    await refused(desk, "/v1/handoffs", wish("nobody"), 404, "not-found")
    await desk.deliver(created("L1"), fields("L1", "form", employees=350), hearing("L1", needs="confirmed"))
    problem = await refused(desk, "/v1/handoffs", wish(), 409, "handoff-not-ready")
    assert problem["readiness"] == await desk.get("/v1/leads/L1/readiness")
    assert problem["readiness"]["missing"][0]["field"] == "authority"
    await desk.deliver(hearing("L1", authority="confirmed"))
    made = await desk.hand_over("L1")
    problem = await refused(desk, "/v1/handoffs", wish(), 409, "handoff-open")
    assert problem["handoff_id"] == made["handoff_id"]
    assert len(await told(desk, "handoff-created")) == 1
    await refused(desk, "/v1/handoffs", wish(appointment={"how_set": "pigeon"}), 422, "invalid")
    await refused(desk, "/v1/handoffs", wish(reason=""), 422, "invalid")


async def test_an_override_needs_its_scope_and_is_on_record(desk: Desk) -> None:
    await desk.deliver(created("L1"))
    body = wish(override={"reason": "社長の紹介"})
    lesser = await desk.new_key("handoffs:write", "leads:read")
    answer = await desk.call("POST", "/v1/handoffs", body, key=lesser)
    assert (answer.status, answer.body["scope"]) == (403, "handoffs:override")
    allowed = await desk.new_key("handoffs:write", "handoffs:override")
    answer = await desk.call("POST", "/v1/handoffs", body, key=allowed)
    assert answer.status == 201
    assert answer.body["override"] == {"reason": "社長の紹介", "by": "handoffs:write-handoffs:override"}
    assert answer.body["overridden"] is True
    assert (answer.body["segment"], answer.body["readiness"]["decision"]) == ("unknown", "needs_information")
    (event,) = await told(desk, "handoff-created")
    assert event.data.overridden is True


async def test_an_override_that_was_not_needed_is_none(desk: Desk) -> None:
    await desk.ready_lead("L1")
    made = await desk.hand_over("L1", override={"reason": "念のため"})
    assert (made["override"], made["overridden"]) == (None, False)


async def test_of_twenty_at_once_one_is_made(desk: Desk) -> None:
    await desk.ready_lead("L1")
    answers = await asyncio.gather(*(desk.call("POST", "/v1/handoffs", wish()) for _ in range(20)))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 19}
    assert {a.body["type"] for a in answers if a.status == 409} == {"urn:tasuki:problem:handoff-open"}
    assert len(await told(desk, "handoff-created")) == 1


async def test_the_same_request_again_makes_no_second_even_if_its_answer_was_lost(desk: Desk) -> None:
    await desk.ready_lead("L1")
    key = {"Idempotency-Key": "k1"}
    first = await desk.call("POST", "/v1/handoffs", wish(), headers=key)
    again = await desk.call("POST", "/v1/handoffs", wish(), headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    await desk.rows("delete from access.idempotency")
    lost = await desk.call("POST", "/v1/handoffs", wish(), headers=key)
    assert first.status == again.status == lost.status == 201
    assert first.body["handoff_id"] == again.body["handoff_id"] == lost.body["handoff_id"]
    accept = f"/v1/handoffs/{first.body['handoff_id']}/accept"
    assert (await desk.call("POST", accept, {"sales_rep": "suzuki"}, headers=key)).status == 200
    await desk.rows("delete from access.idempotency")
    assert (await desk.call("POST", accept, {"sales_rep": "suzuki"}, headers=key)).status == 200
    assert len(await told(desk, "handoff-accepted")) == 1


async def test_accepting_brings_the_lead_into_sql_and_is_final(desk: Desk) -> None:
    await desk.ready_lead("L1")
    handoff_id = (await desk.hand_over("L1"))["handoff_id"]
    desk.clock.at = at("2026-11-20 11:00")
    accepted = await desk.post(f"/v1/handoffs/{handoff_id}/accept", {"sales_rep": "suzuki"}, 200)
    assert (accepted["status"], accepted["sales_rep"]) == ("accepted", "suzuki")
    assert accepted["outcome"]["decided_at"] == "2026-11-20T02:00:00Z"
    problem = await refused(desk, f"/v1/handoffs/{handoff_id}/accept", {"sales_rep": "x"}, 409, "handoff-decided")
    assert problem["handoff_status"] == "accepted"
    again = {"sales_rep": "x", "reason": "no_need"}
    await refused(desk, f"/v1/handoffs/{handoff_id}/return", again, 409, "handoff-decided")
    (event,) = await told(desk, "handoff-accepted")
    assert (event.data, event.time) == (HandoffAccepted(handoff_id=handoff_id, sales_rep="suzuki"), desk.clock.at)
    stages = await desk.get("/v1/leads/L1/stages")
    assert stages["stage"] == "SQL"
    assert stages["items"][-1]["rule"] == "handoff accepted"
    assert stages["items"][-1]["by"] == "suzuki"


async def test_a_returned_lead_can_be_handed_over_again(desk: Desk) -> None:
    await desk.ready_lead("L1")
    handoff_id = (await desk.hand_over("L1"))["handoff_id"]
    path, body = f"/v1/handoffs/{handoff_id}/return", {"sales_rep": "suzuki", "reason": "bored", "comment": "来期に"}
    problem = await refused(desk, path, body, 422, "invalid")
    assert problem["errors"][0]["pointer"] == "/reason"
    returned = await desk.post(path, body | {"reason": "bad_timing"}, 200)
    assert returned["outcome"]["reason"] == "bad_timing"
    assert returned["outcome"]["comment"] == "来期に"
    (event,) = await told(desk, "handoff-returned")
    assert event.data == HandoffReturned(
        handoff_id=handoff_id, sales_rep="suzuki", reason="bad_timing", comment="来期に"
    )
    assert (await desk.get("/v1/leads/L1/stages"))["stage"] == "MQL"
    assert (await desk.hand_over("L1"))["handoff_id"] != handoff_id
    await refused(desk, "/v1/handoffs/none/accept", {"sales_rep": "x"}, 404, "not-found")


async def test_opportunities_close_the_loop(desk: Desk) -> None:
    await desk.ready_lead("L1")
    handoff_id = (await desk.hand_over("L1"))["handoff_id"]
    amount = Money("1200000", "JPY")
    await desk.deliver(
        opportunity("L1", "o2", "won", at("2026-11-20 09:30")),
        opportunity("L1", "o1", "created", at("2026-11-20 09:00"), amount=amount, owner="suzuki"),
    )
    (found,) = (await desk.get(f"/v1/handoffs/{handoff_id}"))["outcome"]["opportunities"]
    assert found == {
        "opportunity_id": "O1",
        "status": "won",
        "status_at": "2026-11-20T00:30:00Z",
        "amount": {"value": "1200000", "currency": "JPY"},
        "owner": "suzuki",
    }


async def test_the_decision_in_the_package_stays_as_it_was(desk: Desk) -> None:
    await desk.ready_lead("L1")
    made = await desk.hand_over("L1")
    await desk.deliver(hearing("L1", at("2026-11-20 12:00"), needs="denied"))
    assert (await desk.get("/v1/leads/L1/readiness"))["decision"] == "not_ready"
    now = await desk.get(f"/v1/handoffs/{made['handoff_id']}")
    assert now["readiness"] == made["readiness"]
    assert now["bant"] == made["bant"]


async def test_each_decision_can_be_made_again_from_what_was_stored(desk: Desk) -> None:
    """From its inputs, its version of the policy and its time alone, after the lead and the policy have changed."""
    await desk.deliver(created("L2"), fields("L2", "form", employees=10), hearing("L2", needs="denied"))
    await desk.ready_lead("L1")
    first = (await desk.get("/v1/policies"))["items"][0]
    fresh = {"needs_confirmed": first["criteria"]["needs_confirmed"] | {"within_days": 5}}
    changed = await desk.call("PUT", "/v1/policies/default", first | {"criteria": first["criteria"] | fresh})
    assert changed.status == 200
    made = [await desk.hand_over("L1"), await desk.hand_over("L2", override={"reason": "x"})]
    desk.clock.at = at("2026-12-24 10:00")
    await desk.deliver(hearing("L1", at("2026-12-23 10:00"), needs="denied"), fields("L2", "tool", employees=9000))
    await desk.call("PUT", "/v1/policies/default", first)
    async with transaction(desk.engine) as conn:
        for package in made:
            stored = await store.get(conn, package["handoff_id"])
            assert stored is not None
            version = await policies.version(conn, stored.policy.id, stored.policy.version, stored.created_at.date())
            assert version is not None
            again = decide(version.policy, LeadView(desk.config.fields, stored.inputs, now=stored.created_at))
            assert (again.segment, again.decision) == (stored.readiness.segment, stored.readiness.decision)
            assert again.criteria == stored.readiness.criteria
            assert again.missing == stored.readiness.missing


async def test_the_inbox_is_oldest_due_first_in_pages(desk: Desk) -> None:
    for n, employees in enumerate([5000, 100, 5000, 100, 5000]):
        desk.clock.at = at(f"2026-11-20 1{5 - n}:00")
        await desk.ready_lead(f"L{n}", employees)
        made = await desk.hand_over(f"L{n}")
        if n == 2:
            await desk.post(f"/v1/handoffs/{made['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)

    async def listed(query: str) -> list[str]:
        return [item["lead_id"] for item in (await desk.get(f"/v1/handoffs?{query}"))["items"]]

    assert await listed("") == ["L4", "L3", "L2", "L1", "L0"]
    assert await listed("status=pending") == ["L4", "L3", "L1", "L0"]
    assert await listed("status=accepted") == ["L2"]
    assert await listed("status=returned") == []
    assert await listed("owner=sato") == ["L3", "L1"]
    assert await listed("segment=enterprise&status=pending") == ["L4", "L0"]
    assert await listed("status=accepted&owner=&segment=") == ["L2"], "what is left empty is not asked for"
    pages, cursor = [], ""
    while True:
        page = await desk.get(f"/v1/handoffs?limit=2{cursor}")
        pages.append([item["lead_id"] for item in page["items"]])
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert pages == [["L4", "L3"], ["L2", "L1"], ["L0"]]
    assert (await desk.call("GET", "/v1/handoffs?status=lost")).status == 422
    assert (await desk.call("GET", "/v1/handoffs?cursor=x")).status == 422


async def test_the_gauge_of_open_handoffs_comes_from_the_database(desk: Desk) -> None:
    from services.handoff.app import open_handoffs

    await desk.hand_over(await desk.ready_lead("L1"))
    (gauge,) = await open_handoffs(desk.engine, desk.clock)()
    assert {s.labels["state"]: s.value for s in gauge.samples} == {"pending": 1, "overdue": 0}


SCOPED = [
    ("GET", "/v1/leads/L1/readiness", None, "leads:read"),
    ("GET", "/v1/leads/L1/stages", None, "leads:read"),
    ("GET", "/v1/handoffs", None, "leads:read"),
    ("GET", "/v1/handoffs/x", None, "leads:read"),
    ("GET", "/v1/policies", None, "leads:read"),
    ("GET", "/v1/policies/default/versions/1", None, "leads:read"),
    ("GET", "/v1/definitions", None, "leads:read"),
    ("POST", "/v1/handoffs", {"lead_id": "L1", "rep": "a", "reason": "b"}, "handoffs:write"),
    ("POST", "/v1/leads/L1/recycle", {"reason": "b"}, "handoffs:write"),
    ("POST", "/v1/handoffs/x/accept", {"sales_rep": "a"}, "handoffs:decide"),
    ("POST", "/v1/handoffs/x/return", {"sales_rep": "a", "reason": "no_need"}, "handoffs:decide"),
    ("POST", "/v1/handoffs/x/reassign", {"owner": "a", "reason": "b"}, "handoffs:decide"),
    ("PUT", "/v1/policies/default", {}, "admin"),
]


async def test_every_endpoint_asks_for_its_scope(desk: Desk) -> None:
    keys = {
        scope: await desk.new_key(scope) for scope in ("leads:read", "handoffs:write", "handoffs:decide", "kpis:read")
    }
    for method, path, body, scope in SCOPED:
        assert (await desk.call(method, path, body, key="tsk_wrong")).status == 401
        for held, key in keys.items():
            answer = await desk.call(method, path, body, key=key)
            assert (answer.status == 403) == (held != scope), (method, path, held, answer.body)


def cursor(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "position",
    [
        ["2026-01-01T00:00:00", "x"],
        ["0001-01-01T00:00:00+23:59", "x"],
        ["9999-12-31T23:00:00-23:59", "x"],
        ["2026-01-01T00:00:00Z", "\0"],
        ["x"],
        5,
    ],
)
async def test_a_cursor_that_was_never_given_is_422(desk: Desk, position: object) -> None:
    assert (await desk.call("GET", f"/v1/handoffs?cursor={cursor(position)}")).status == 422


@pytest.mark.parametrize("position", [2**63, 10**30, -1, 1.5, "x"])
async def test_a_cursor_into_stages_that_was_never_given_is_422(desk: Desk, position: object) -> None:
    await desk.deliver(created("L1"))
    assert (await desk.call("GET", f"/v1/leads/L1/stages?cursor={cursor(position)}")).status == 422


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00", "2026-01-01", "soon", 5]
)
async def test_an_appointment_at_no_time_that_can_be_told_is_422(desk: Desk, when: object) -> None:
    await desk.ready_lead("L1")
    problem = await refused(desk, "/v1/handoffs", wish(appointment={"scheduled_for": when}), 422, "invalid")
    assert problem["errors"][0]["pointer"].startswith("/appointment")


async def test_who_hands_over_looks_at_and_decides_is_on_record(desk: Desk) -> None:
    await desk.ready_lead("L1")
    made = (await desk.hand_over("L1"))["handoff_id"]
    sales = await desk.new_key("leads:read", "handoffs:decide")
    for method, path, body in (
        ("GET", "/v1/handoffs?status=pending", None),
        ("GET", f"/v1/handoffs/{made}", None),
        ("POST", f"/v1/handoffs/{made}/accept", {"sales_rep": "suzuki"}),
    ):
        answer = await desk.call(method, path, body, key=sales)
        assert answer.status == 200, answer
    await desk.get("/v1/leads/L1/readiness")
    async with transaction(desk.engine) as conn:
        rows = (
            await conn.execute(text("select who, operation, subject, lead_ids from access.audit order by number"))
        ).all()
    assert [tuple(row) for row in rows] == [
        ("admin", "POST /v1/handoffs", made, ["L1"]),
        ("leads:read-handoffs:decide", "GET /v1/handoffs", None, ["L1"]),
        ("leads:read-handoffs:decide", "GET /v1/handoffs/{id}", made, ["L1"]),
        ("leads:read-handoffs:decide", "POST /v1/handoffs/{id}/accept", made, ["L1"]),
        ("admin", "GET /v1/leads/{id}/readiness", None, ["L1"]),
    ]
