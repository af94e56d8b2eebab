"""Dialpad."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import jwt
import pytest

from services.ingest.providers import Nothing, Unusable, Verdict
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import Posted, ProviderContract, given, given_json
from tests.ingest.providers.telephones import CALL, PHONE, assert_call
from tests.ingest.providers.unpromised import (
    activity,
    assert_anything_is_read_or_unusable,
    entries,
    happened,
    read,
    verdict,
)

STARTED = 1_795_484_400_000  # 2026-11-24T01:40:00Z
JWT = {"Content-Type": "application/jwt"}
LONG = "a secret as long as the algorithms of the longest digests want it, to be sure of that"


def token(claims: bytes, secret: str, header: Mapping[str, Any] = {"alg": "HS256", "typ": "JWT"}) -> bytes:
    """A compact JWT, whatever its header says signed by HMAC-SHA256."""
    signed = segment(json.dumps(header).encode()) + b"." + segment(claims)
    return signed + b"." + segment(hmac.new(secret.encode(), signed, hashlib.sha256).digest())


def segment(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def hangup(**change: Any) -> dict[str, Any]:
    return {
        "call_id": 6421,
        "state": "hangup",
        "direction": "outbound",
        "external_number": PHONE,
        "internal_number": "+81312345678",
        "date_started": STARTED,
        "date_connected": STARTED + 10_000,
        "date_ended": STARTED + 70_000.5,
        "event_timestamp": STARTED + 70_500,
        "target": {"id": 456, "type": "user", "name": "Tanaka"},
        "entry_point_call_id": None,
        "operator_call_id": None,
        "voicemail_link": None,
    } | change


class TestDialpad(ProviderContract):
    provider = "dialpad"
    signs_time = False
    settings: ClassVar = {"reps": {"456": "tanaka"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return Posted(token(json.dumps(hangup(**change)).encode(), secret), JWT)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return Posted(token(body, secret), posted.headers)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        await assert_call(door, receipt, CALL)


def test_the_given_token() -> None:
    headers, body = given_json("dialpad/call_hangup.jwt.headers.json"), given("dialpad/call_hangup.jwt.body")
    assert verdict("dialpad", Posted(body, JWT), [headers["secret"]], 0) is Verdict.GENUINE
    assert verdict("dialpad", Posted(body, JWT), ["new", headers["secret"]], 0) is Verdict.GENUINE
    assert verdict("dialpad", Posted(body, JWT), ["other"], 0) is Verdict.WRONG
    assert verdict("dialpad", Posted(body[:-2], JWT), [headers["secret"]], 0) is Verdict.WRONG
    (entry,) = read("dialpad", body, JWT).entries
    said = happened(entry)
    assert said.pop("occurred_at").isoformat() == "2024-11-14T22:40:39.404000+00:00"
    assert said == {
        "id": "call 6421977457180672",
        "type": "call",
        "lead": {"phone": "+15005550002"},
        "rep": "unknown",
        "direction": "inbound",
        "outcome": "no_answer",
    }
    assert activity("dialpad", given_json("dialpad/call_hangup.captured_redacted.json")) == happened(entry)


@pytest.mark.parametrize(
    "body",
    [
        jwt.encode({}, LONG, algorithm="HS512").encode(),
        jwt.encode({}, LONG, algorithm="HS384").encode(),
        jwt.encode({}, "", algorithm="none").encode(),
        token(b"{}", LONG, {"alg": "none"}),
        token(b"{}", LONG, {"alg": "HS512"}),
        token(b"{}", LONG, {"alg": "RS256"}),
        token(b"{}", LONG, {"alg": None}),
        token(b"{}", LONG, {}),
        token(b"{}", LONG, {"alg": "HS256", "b64": False, "crit": ["b64"]}),
        token(b"{}", LONG).rpartition(b".")[0] + b".",
        segment(b"[" * 100_000) + b".e30.x",
        segment(b"7") + b".e30.x",
        b"..",
        b"a.b.c.d",
        b"\xff\xfe",
        b"{}",
    ],
)
def test_confused_tokens(body: bytes) -> None:
    assert verdict("dialpad", Posted(token(b"{}", LONG), JWT), [LONG], 0) is Verdict.GENUINE
    assert verdict("dialpad", Posted(body, JWT), [LONG], 0) is Verdict.WRONG


@pytest.mark.parametrize(
    ("change", "outcome", "seconds"),
    [
        ({}, "gatekeeper", 60),
        ({"date_connected": None}, "no_answer", None),
        ({"date_connected": None, "voicemail_link": "https://dialpad.com/v"}, "voicemail", None),
    ],
)
def test_outcomes(change: dict[str, Any], outcome: str, seconds: int | None) -> None:
    said = activity("dialpad", hangup(**change))
    assert (said["outcome"], said.get("duration_s")) == (outcome, seconds)


def test_a_call_to_a_group_counts_once() -> None:
    group = {"target": {"id": 9, "type": "call_center"}, "direction": "inbound", "date_connected": None}
    leg = {"call_id": 2, "entry_point_call_id": 1, "direction": "inbound"}
    in_between = hangup(**leg | {"call_id": 3}, date_connected=None)
    answered = [hangup(call_id=1, operator_call_id=2, **group), hangup(**leg), in_between]
    assert [not isinstance(entries("dialpad", call)[0], Nothing) for call in answered] == [False, True, False]
    in_vain = [hangup(call_id=1, **group), hangup(**leg, date_connected=None)]
    assert [not isinstance(entries("dialpad", call)[0], Nothing) for call in in_vain] == [True, False]


def test_only_the_end_counts() -> None:
    for state in ("calling", "ringing", "connected", "voicemail_uploaded"):
        assert isinstance(entries("dialpad", hangup(state=state))[0], Nothing)
    assert isinstance(entries("dialpad", hangup(external_number=None))[0], Nothing)
    assert activity("dialpad", hangup(target={"id": 1, "type": "office"}))["rep"] == "unknown"


def test_anything() -> None:
    assert_anything_is_read_or_unusable("dialpad", hangup())
    assert_anything_is_read_or_unusable("dialpad", hangup(), lambda value: token(json.dumps(value).encode(), "s"))
    with pytest.raises(Unusable):
        read("dialpad", b"nonsense", JWT)
