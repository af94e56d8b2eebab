"""MiiTel."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from services.ingest.providers import PROVIDERS, Nothing
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import SECRET, Posted, ProviderContract, delivery, given_json
from tests.ingest.providers.telephones import AT, CALL, PHONE, assert_call
from tests.ingest.providers.unpromised import (
    activity,
    assert_anything_is_read_or_unusable,
    entries,
    happened,
)


def leg(**change: Any) -> dict[str, Any]:
    return {
        "id": "d-1",
        "dial_starts_at": AT,
        "dial_answered_at": "2026-11-24T01:40:10+00:00",
        "dial_ends_at": "2026-11-24T01:41:10+00:00",
        "call_type": "OUTGOING_CALL",
        "from_number": None,
        "to_number": "090-1234-5678",
        "previous_id": None,
        "participants": [
            {"from_to": "FROM", "login_id": "tanaka@example.co.jp"},
            {"from_to": "TO", "login_id": None},
        ],
    } | change


def body(*legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"call": {"id": "c-1", "tenant_code": "t", "details": list(legs)}, "ip_restricted": True} | more


class TestMiiTel(ProviderContract):
    provider = "miitel"
    signs = False
    signs_time = False
    settings: ClassVar = {"reps": {"tanaka@example.co.jp": "tanaka"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {secret}"}
        return Posted(json.dumps(body(leg(**change))).encode(), headers)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return Posted(body, posted.headers)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        await assert_call(door, receipt, CALL)

    async def test_the_challenge(self, door: Door, source: Source) -> None:
        asked = json.dumps({"challenge": "0f1e2d", "more": 1}).encode()
        answer = await self.post(door, Posted(asked, self.valid(SECRET, 0).headers))
        assert (answer.status_code, answer.text) == (200, "0f1e2d")
        assert answer.headers["content-type"].partition(";")[0] == "text/plain"
        assert (await self.post(door, Posted(asked, {"Content-Type": "application/json"}))).status_code == 401

    async def test_minutes_come_later_and_are_of_the_same_call(self, door: Door, source: Source) -> None:
        posted = self.valid(SECRET, 0)
        first = self.receipt(await self.post(door, posted))
        later = json.dumps(body(leg(minutes="議事録", analysis={"score": 1}))).encode()
        assert self.receipt(await self.post(door, Posted(later, posted.headers))) == first | {"duplicate": True}
        assert len(await door.outbox("call")) == 1


def test_the_given_challenge() -> None:
    asked = given_json("miitel/challenge.json")
    posted = Posted(json.dumps(asked["request_body_example"]).encode(), asked["request_headers"])
    reply = PROVIDERS["miitel"].challenge(delivery(posted), [])
    assert reply is not None
    assert (reply.body, reply.media_type) == (asked["expected"]["body"], asked["expected"]["content-type"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "call_analysis_completed_sample1",
            {
                "id": "call 0184f502-8b5f-b967-10c1-625c89785630",
                "occurred_at": "2022-12-09T03:41:48+00:00",
                "lead": {"phone": "05099999999"},
                "outcome": "gatekeeper",
                "duration_s": 23,
            },
        ),
        (
            "call_analysis_completed_sample2",
            {
                "id": "call 73578620-476d-4ae1-93c4-ba911ab4a14c",
                "occurred_at": "2023-11-28T07:26:06+00:00",
                "lead": {"phone": "09000000000"},
                "outcome": "no_answer",
            },
        ),
        (
            "call_summarization_completed_sample1",
            {
                "id": "call 60e7d534-6d27-40a4-9d3a-385a648e5b28",
                "occurred_at": "2023-11-28T07:26:18+00:00",
                "lead": {"phone": "09000000000"},
                "outcome": "gatekeeper",
                "duration_s": 191,
            },
        ),
    ],
)
def test_the_given_calls(name: str, expected: dict[str, Any]) -> None:
    said = activity("miitel", given_json(f"miitel/{name}.body"))
    said["occurred_at"] = said["occurred_at"].isoformat()
    assert said == {"type": "call", "rep": "test@example.com", "direction": "outbound"} | expected


def test_a_call_that_was_passed_on_counts_once() -> None:
    unanswered: dict[str, Any] = {"dial_answered_at": None, "participants": []}
    arrived = leg(call_type="QUEUEING_CALL", from_number=PHONE, to_number="050", **unanswered)
    taken = leg(
        id="d-2",
        previous_id="d-1",
        call_type="INCOMING_CALL_USER",
        participants=[{"from_to": "TO", "login_id": "sato@example.co.jp"}],
    )
    passed_on = leg(id="d-3", previous_id="d-2", call_type="EXTENSION_TRANSFER")
    first, *rest = entries("miitel", body(arrived, taken, passed_on))
    said = happened(first)
    assert (said["id"], said["direction"], said["outcome"]) == ("call d-1", "inbound", "gatekeeper")
    assert (said["lead"], said["rep"], said["duration_s"]) == ({"phone": PHONE}, "sato@example.co.jp", 60)
    assert [type(entry) for entry in rest] == [Nothing, Nothing]


def test_legs_in_a_ring() -> None:
    beside = entries("miitel", body(leg(), leg(id="a", previous_id="b"), leg(id="b", previous_id="a")))
    through = entries("miitel", body(leg(), leg(id="a", previous_id="d-1"), leg(id="d-1", previous_id="a")))
    for first, *others in (beside, through):
        assert happened(first)["id"] == "call d-1"
        assert [type(entry) for entry in others] == [Nothing, Nothing]


def test_what_is_no_call_with_a_lead() -> None:
    for change in ({"call_type": "EXTENSION"}, {"call_type": "AUTOMATIC_RECORD"}, {"to_number": None}):
        assert isinstance(entries("miitel", body(leg(**change)))[0], Nothing), change


def test_anything() -> None:
    assert_anything_is_read_or_unusable("miitel", body(leg(), leg(id="d-2", previous_id="d-1")))
