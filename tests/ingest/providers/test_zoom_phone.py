"""Zoom Phone."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from services.ingest.providers import PROVIDERS, Nothing, Verdict
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import (
    PREVIOUS,
    SECRET,
    Posted,
    ProviderContract,
    delivery,
    given,
    given_json,
)
from tests.ingest.providers.telephones import AT, CALL, PHONE, assert_call
from tests.ingest.providers.unpromised import (
    activity,
    assert_anything_is_read_or_unusable,
    entries,
    verdict,
)

US = {"extension_type": "user", "extension_number": 1001, "user_id": "z8w", "phone_number": "+81312345678"}
LEAD = {"extension_type": "pstn", "phone_number": PHONE}


def signed(body: bytes, secret: str, at_s: float) -> Posted:
    text = f"v0:{int(at_s)}:".encode() + body
    signature = "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    headers = {"x-zm-request-timestamp": str(int(at_s)), "x-zm-signature": signature}
    return Posted(body, headers | {"Content-Type": "application/json; charset=utf-8"})


def ended(event: str = "phone.caller_ended", **change: Any) -> dict[str, Any]:
    details = {
        "call_id": "7199",
        "caller": US,
        "callee": LEAD,
        "ringing_start_time": AT,
        "answer_start_time": "2026-11-24T01:40:10Z",
        "call_end_time": "2026-11-24T01:41:10Z",
        "handup_result": "Call connected",
    }
    return {"event": event, "event_ts": 1, "payload": {"account_id": "A", "object": details | change}}


class TestZoomPhone(ProviderContract):
    provider = "zoom_phone"
    settings: ClassVar = {"reps": {"z8w": "tanaka"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return signed(json.dumps(ended(**change)).encode(), secret, at_s)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret, at_s)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        await assert_call(door, receipt, CALL)

    async def test_both_sides_tell_of_a_call_and_it_counts_once(self, door: Door, source: Source) -> None:
        sides = {"caller": {"phone_number": "+81312345678"}, "callee": {"phone_number": PHONE}}
        results = []
        for event in ("phone.caller_ended", "phone.callee_ended"):
            body = json.dumps(ended(event, **sides)).encode()
            results.append(self.receipt(await self.post(door, signed(body, SECRET, self.now_s(door)))))
        assert [r["duplicate"] for r in results] == [False, True]
        assert len(await door.outbox("call")) == 1

    async def test_the_challenge(self, door: Door, source: Source) -> None:
        body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "p"}}'
        for secret in (SECRET, PREVIOUS):  # each by the one that Zoom has
            answer = await self.post(door, signed(body, secret, self.now_s(door)))
            encrypted = hmac.new(secret.encode(), b"p", hashlib.sha256).hexdigest()
            assert (answer.status_code, answer.json()) == (200, {"plainToken": "p", "encryptedToken": encrypted})
        assert (await self.post(door, signed(body, "other", self.now_s(door)))).status_code == 401
        assert await self.stored(door) == (0, 0)


def test_the_vectors() -> None:
    for name in ("vector1_thirdparty", "vector2_thirdparty_phone"):
        vector, body = given_json(f"zoom/{name}.headers.json"), given(f"zoom/{name}.body")
        made, secret, at_s = Posted(body, vector["headers"]), [vector["secret"]], vector["freeze_clock_at"]
        assert verdict("zoom_phone", made, secret, at_s) is Verdict.GENUINE
        assert verdict("zoom_phone", made, secret, at_s + 301) is Verdict.STALE
        assert verdict("zoom_phone", made, ["other"], at_s) is Verdict.WRONG
        assert verdict("zoom_phone", Posted(body + b" ", vector["headers"]), secret, at_s) is Verdict.WRONG
        (entry,) = entries("zoom_phone", json.loads(body))
        assert isinstance(entry, Nothing)


def test_the_given_challenge() -> None:
    vector = given_json("zoom/url_validation_vector.json")
    asked = json.loads(given("zoom/url_validation.body"))
    asked["payload"]["plainToken"] = vector["plainToken"]
    posted = Posted(json.dumps(asked).encode(), {})
    reply = PROVIDERS["zoom_phone"].challenge(delivery(posted), [vector["secret"], "previous"])
    assert reply is not None
    assert reply.body == vector["expected_response_200_json"]


def test_the_given_calls() -> None:
    for event, direction, phone in (
        ("caller_ended", "outbound", "+49123456789"),
        ("callee_ended", "inbound", "+4987654321"),
    ):
        said = activity("zoom_phone", given_json(f"zoom/phone_{event}.body"))
        assert said.pop("occurred_at").isoformat() == "2023-01-01T12:00:00+00:00"
        assert said == {
            "id": "call call123",
            "type": "call",
            "lead": {"phone": phone},
            "rep": "unknown",
            "direction": direction,
            "outcome": "gatekeeper",
            "duration_s": 295,
        }


@pytest.mark.parametrize(
    ("result", "outcome", "seconds"),
    [
        ("Call connected", "gatekeeper", 60),
        (None, "gatekeeper", 60),
        ("No Answer", "no_answer", None),
        ("Call Cancel", "no_answer", None),
        ("Busy", "busy", None),
        ("Voicemail", "voicemail", None),
        ("Wrong Number", "invalid_number", None),
        ("Something new", "no_answer", None),
    ],
)
def test_outcomes(result: str | None, outcome: str, seconds: int | None) -> None:
    said = activity("zoom_phone", ended(handup_result=result))
    assert (said["outcome"], said.get("duration_s")) == (outcome, seconds)


def test_one_telephone_of_several_says_nothing_of_the_call() -> None:
    inward = {"caller": LEAD, "callee": US, "answer_start_time": None}
    other = ended("phone.callee_ended", **inward, handup_result="Answered by Other Member")
    queue = {"extension_type": "callQueue"}
    queued = ended("phone.callee_missed", **inward, forwarded_by=queue, handup_result="No Answer")
    inside = ended(callee=US | {"extension_number": 1002})
    for body in (other, queued, inside, ended("phone.caller_ringing")):
        (entry,) = entries("zoom_phone", body)
        assert isinstance(entry, Nothing)
    missed = activity("zoom_phone", ended("phone.callee_missed", **inward, handup_result="No Answer"))
    assert (missed["direction"], missed["outcome"], missed["rep"]) == ("inbound", "no_answer", "z8w")
    assert missed["lead"] == {"phone": PHONE}


def test_anything() -> None:
    assert_anything_is_read_or_unusable("zoom_phone", ended())
