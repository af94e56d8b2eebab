"""Aircall."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import pytest

from services.ingest.providers import Nothing, Unusable
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import SECRET, Posted, ProviderContract, given_json
from tests.ingest.providers.telephones import CALL, assert_call
from tests.ingest.providers.unpromised import activity, assert_anything_is_read_or_unusable, entries, read

STARTED = 1_795_484_400  # 2026-11-24T01:40:00Z


def ended(**change: Any) -> dict[str, Any]:
    data = {
        "id": 812,
        "direction": "outbound",
        "status": "done",
        "missed_call_reason": None,
        "started_at": STARTED,
        "answered_at": STARTED + 10,
        "ended_at": STARTED + 70,
        "duration": 70,
        "voicemail": None,
        "raw_digits": "+81 90-1234-5678",
        "user": {"id": 456, "name": "Tanaka"},
        "number": {"digits": "+81 3 1234 5678"},
    }
    return {"resource": "call", "event": "call.ended", "timestamp": STARTED + 100, "token": "t", "data": data | change}


class TestAircall(ProviderContract):
    provider = "aircall"
    signs_time = False
    settings: ClassVar = {"reps": {"456": "tanaka"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return Posted(json.dumps(ended(**change) | {"token": secret}).encode(), {"Content-Type": "application/json"})

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return Posted(body, posted.headers)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        await assert_call(door, receipt, CALL)

    async def test_a_repetition_is_one_although_sources_yaml_was_mended_meanwhile(
        self, door: Door, source: Source
    ) -> None:
        """What its sender said is the same; whom of ours it means is not for the sender to say."""
        first = self.receipt(await self.post(door, self.valid(SECRET, 0)))
        mended = msgspec.structs.replace(source, reps={"456": "sato"}, campaign="spring-webinar")
        door.runtime.config.sources["source"] = mended
        assert self.receipt(await self.post(door, self.valid(SECRET, 0))) == first | {"duplicate": True}
        assert (await self.post(door, self.valid(SECRET, 0, {"answered_at": None}))).status_code == 409


@pytest.mark.parametrize(
    ("change", "outcome", "seconds"),
    [
        ({}, "gatekeeper", 60),
        ({"answered_at": None}, "no_answer", None),
        ({"answered_at": None, "voicemail": "https://media.example/1"}, "voicemail", None),
        ({"direction": "inbound", "answered_at": None, "missed_call_reason": "no_available_agent"}, "no_answer", None),
    ],
)
def test_outcomes(change: dict[str, Any], outcome: str, seconds: int | None) -> None:
    said = activity("aircall", ended(**change))
    assert (said["outcome"], said.get("duration_s")) == (outcome, seconds)
    assert said["direction"] == change.get("direction", "outbound")
    assert said["occurred_at"] == datetime.fromtimestamp(STARTED, UTC)


def test_who_is_not_told() -> None:
    assert activity("aircall", ended(user={}))["rep"] == "unknown"
    (withheld,) = entries("aircall", ended(raw_digits="anonymous"))
    assert isinstance(withheld, Nothing)


def test_the_given_deliveries_have_no_effect() -> None:
    for name in ("call_created_docs", "number_closed_docs"):
        (entry,) = entries("aircall", given_json(f"aircall/{name}.body"))
        assert isinstance(entry, Nothing)


def test_a_given_call_that_ended() -> None:
    """The documented call, with what its end adds."""
    body = given_json("aircall/call_created_docs.body") | {"event": "call.ended"}
    body["data"] |= {"status": "done", "answered_at": 1732622900, "ended_at": 1732622960, "user": {"id": 123}}
    assert activity("aircall", body) == {
        "id": "call 123",
        "type": "call",
        "occurred_at": datetime.fromtimestamp(1732622895, UTC),
        "lead": {"phone": "+1 800-123-4567"},
        "rep": "123",
        "direction": "outbound",
        "outcome": "gatekeeper",
        "duration_s": 60,
    }


def test_only_the_end_counts() -> None:
    for event in ("call.created", "call.hungup", "call.tagged", "user.created"):
        assert isinstance(entries("aircall", ended() | {"event": event})[0], Nothing)


def test_anything() -> None:
    assert_anything_is_read_or_unusable("aircall", ended())
    with pytest.raises(Unusable, match=r"`data\.started_at` is missing"):
        read("aircall", json.dumps(ended(started_at="yesterday")).encode())
