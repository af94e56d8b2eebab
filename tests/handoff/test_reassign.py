"""A handoff that nobody has answered can be given to somebody else, with a reason that stays."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import text

from services.handoff.forms import ReassignForm
from services.handoff.overdue import tell
from shared.client import handoff as operations
from shared.client import types as client
from shared.db import transaction
from shared.events import LeadErased
from tests.handoff.desk import NOW, Desk, made

REASON = "鈴木が出張のため"
DUE = NOW + timedelta(hours=4)


async def handed_over(desk: Desk, lead_id: str = "L1") -> str:
    handoff = await desk.hand_over(await desk.ready_lead(lead_id))
    assert handoff["owner"] == "suzuki"
    handoff_id: str = handoff["handoff_id"]
    return handoff_id


async def give(desk: Desk, handoff_id: str, owner: str = "sato", **more: object) -> Any:
    return await desk.post(f"/v1/handoffs/{handoff_id}/reassign", {"owner": owner, "reason": REASON} | more, 200)


async def test_the_package_knows_everybody_who_has_had_it(desk: Desk) -> None:
    handoff_id = await handed_over(desk)
    desk.clock.at = NOW + timedelta(hours=1)
    given = await give(desk, handoff_id, sales_rep="suzuki")
    assert (given["owner"], given["status"], given["due_at"]) == ("sato", "pending", "2026-11-20T05:00:00Z")
    desk.clock.at = NOW + timedelta(hours=2)
    back = await give(desk, handoff_id, "suzuki")
    assert back["owners"] == [
        {"owner": "suzuki", "from": "2026-11-20T01:00:00Z", "by": "admin", "reason": None},
        {"owner": "sato", "from": "2026-11-20T02:00:00Z", "by": "suzuki", "reason": REASON},
        {"owner": "suzuki", "from": "2026-11-20T03:00:00Z", "by": "admin", "reason": REASON},
    ]
    assert await desk.get(f"/v1/handoffs/{handoff_id}") == back
    read = msgspec.convert(back, client.Package)
    assert [(owner.owner, owner.by) for owner in read.owners][1:] == [("sato", "suzuki"), ("suzuki", "admin")]
    assert read.routed is not None
    assert read.routed.rule == "/routing/enterprise"
    assert back["routed"]["candidates"] == [{"member": "suzuki", "open": 0}], "why it went to the first stays"
    assert [h["lead_id"] for h in (await desk.get("/v1/handoffs?owner=suzuki"))["items"]] == ["L1"]
    assert (await desk.get("/v1/handoffs?owner=sato"))["items"] == []
    assert {event.name for event in await desk.told()} == {"stage-changed", "handoff-created"}, "no event tells of it"


def test_what_the_client_asks_for() -> None:
    asked = operations.reassign("H 1", owner="sato", reason=REASON, sales_rep="suzuki", extend=True)
    assert (asked.method, asked.path) == ("POST", "/v1/handoffs/H%201/reassign")
    assert msgspec.convert(asked.body, ReassignForm) == ReassignForm(
        owner="sato", reason=REASON, sales_rep="suzuki", extend=True
    )
    assert operations.inbox(overdue=True).query == {"overdue": "true"}
    assert operations.inbox(status="pending", overdue=False).query == {"status": "pending", "overdue": "false"}
    assert operations.inbox().query == {}


async def test_the_time_begins_anew_if_asked_and_never_ends_earlier(desk: Desk) -> None:
    handoff_id = await handed_over(desk)
    desk.clock.at = NOW + timedelta(hours=3)
    assert (await give(desk, handoff_id, extend=True))["due_at"] == "2026-11-20T08:00:00Z"
    first = (await desk.get("/v1/policies"))["items"][0]
    shorter = first | {"accept_within": {"hours": 0.5, "calendar": "any"}}
    assert (await desk.call("PUT", "/v1/policies/default", shorter)).status == 200
    desk.clock.at = NOW + timedelta(hours=4)
    assert (await give(desk, handoff_id, "suzuki", extend=True))["due_at"] == "2026-11-20T09:00:00Z", (
        "by its own policy"
    )
    short = await handed_over(desk, "L2")
    await desk.rows("update handoff.handoffs set due_at = $2 where handoff_id = $1", short, DUE + timedelta(days=9))
    assert (await give(desk, short, extend=True))["due_at"] == "2026-11-29T05:00:00Z"


async def test_what_was_late_when_its_time_began_anew_was_late_once(desk: Desk) -> None:
    handoff_id = await handed_over(desk)
    desk.clock.at = DUE + timedelta(minutes=30)  # nobody has looked yet
    given = await give(desk, handoff_id, extend=True)
    assert (given["overdue"], given["due_at"]) == (False, "2026-11-24T00:30:00Z")
    desk.clock.at = NOW + timedelta(days=30)
    async with transaction(desk.engine) as conn:
        assert await tell(conn, desk.rules, desk.clock.now()) == 0
    await desk.post(f"/v1/handoffs/{handoff_id}/accept", {"sales_rep": "sato"}, 200)
    (event,) = [event for event in await desk.told() if event.name == "handoff-overdue"]
    assert event.time == DUE


async def test_each_refusal_says_why(desk: Desk) -> None:
    handoff_id = await handed_over(desk)
    path = f"/v1/handoffs/{handoff_id}/reassign"

    async def refused(status: int, where: str = path, **body: object) -> Any:
        answer = await desk.call("POST", where, {"owner": "sato", "reason": REASON} | body)
        assert answer.status == status, answer
        return answer.body

    for owner in ("nobody", "tanaka", "suzuki"):
        assert (await refused(422, owner=owner))["errors"][0]["pointer"] == "/owner"
    assert (await refused(422, reason=""))["errors"][0]["pointer"] == "/reason"
    await refused(404, where="/v1/handoffs/none/reassign")
    lesser = await desk.new_key("handoffs:write", "leads:read")
    answer = await desk.call("POST", path, {"owner": "sato", "reason": REASON}, key=lesser)
    assert (answer.status, answer.body["scope"]) == (403, "handoffs:decide")
    await desk.post(f"/v1/handoffs/{handoff_id}/accept", {"sales_rep": "suzuki"}, 200)
    assert (await refused(409))["handoff_status"] == "accepted"
    assert len((await desk.get(f"/v1/handoffs/{handoff_id}"))["owners"]) == 1


async def test_the_same_request_again_gives_it_once_even_if_its_answer_was_lost(desk: Desk) -> None:
    handoff_id = await handed_over(desk)
    path, body, key = (
        f"/v1/handoffs/{handoff_id}/reassign",
        {"owner": "sato", "reason": REASON},
        {"Idempotency-Key": "k"},
    )
    first = await desk.call("POST", path, body, headers=key)
    again = await desk.call("POST", path, body, headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    await give(desk, handoff_id, "suzuki")
    await desk.rows("delete from access.idempotency")
    lost = await desk.call("POST", path, body, headers=key)
    assert first.status == again.status == lost.status == 200
    assert [owner["owner"] for owner in lost.body["owners"]] == ["suzuki", "sato", "suzuki"]


async def test_at_once_with_a_decision_one_of_the_two_comes_first(desk: Desk) -> None:
    for n in range(5):
        handoff_id = await handed_over(desk, f"L{n}")
        given, accepted = await asyncio.gather(
            desk.call("POST", f"/v1/handoffs/{handoff_id}/reassign", {"owner": "sato", "reason": REASON}),
            desk.call("POST", f"/v1/handoffs/{handoff_id}/accept", {"sales_rep": "suzuki"}),
        )
        assert accepted.status == 200
        assert given.status in (200, 409)
        assert (await desk.get(f"/v1/handoffs/{handoff_id}"))["owner"] == ("sato" if given.status == 200 else "suzuki")


async def test_it_is_on_record_and_an_erased_lead_keeps_no_reason(desk: Desk) -> None:
    handoff_id = await handed_over(desk)
    await give(desk, handoff_id)
    async with transaction(desk.engine) as conn:
        rows = await conn.execute(
            text("select operation, subject, lead_ids from access.audit order by number desc limit 1")
        )
        assert [tuple(row) for row in rows] == [("POST /v1/handoffs/{id}/reassign", handoff_id, ["L1"])]
    await desk.deliver(made("lead-erased", "L1", LeadErased(reason="x"), NOW, "gone"))
    package = await desk.get(f"/v1/handoffs/{handoff_id}")
    assert [owner["reason"] for owner in package["owners"]] == [None, "erased"]
    answer = await desk.call("POST", f"/v1/handoffs/{handoff_id}/reassign", {"owner": "suzuki", "reason": REASON})
    assert answer.status == 410
