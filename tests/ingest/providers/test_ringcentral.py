"""RingCentral."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from services.ingest.providers import Nothing, Verdict
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import SECRET, Posted, ProviderContract, given_json
from tests.ingest.providers.telephones import AT, CALL, PHONE, assert_call
from tests.ingest.providers.unpromised import (
    activity,
    assert_anything_is_read_or_unusable,
    entries,
    verdict,
)


def session(party: Mapping[str, Any] = {}, **change: Any) -> dict[str, Any]:
    ours = {
        "extensionId": "8096",
        "id": "p-1",
        "direction": "Outbound",
        "to": {"phoneNumber": PHONE},
        "from": {"phoneNumber": "+81312345678", "extensionId": "8096"},
        "status": {"code": "Disconnected", "rcc": False},
        "missedCall": False,
    }
    body = {"sequence": 7, "telephonySessionId": "s-1", "eventTime": AT, "parties": [ours | dict(party)]}
    event = "/restapi/v1.0/account/8096/extension/8096/telephony/sessions"
    return {"uuid": "1823", "event": event, "timestamp": AT, "body": body | change}


class TestRingCentral(ProviderContract):
    provider = "ringcentral"
    signs_time = False
    settings: ClassVar = {"reps": {"8096": "tanaka"}}
    unquestioned = (b"",)

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        headers = {"Content-Type": "application/json; charset=UTF-8", "Validation-Token": secret}
        return Posted(json.dumps(session(**change)).encode(), headers)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return Posted(body, posted.headers)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        await assert_call(door, receipt, {name: value for name, value in CALL.items() if name != "duration_s"})

    async def test_the_question_on_subscribing(self, door: Door, source: Source) -> None:
        asked = {"Validation-Token": "made-by-them", "Content-Type": "application/json"}
        answer = await self.post(door, Posted(b"", asked))
        assert (answer.status_code, answer.headers["validation-token"]) == (200, "made-by-them")
        for token in ("", "two words", "é", "a" * 256):
            answer = await door.http.post(
                "/v1/webhooks/source", content=b"", headers=[(b"validation-token", token.encode())]
            )
            assert answer.status_code == 401, token
        assert await self.stored(door) == (0, 0)

    async def test_the_end_of_a_session_may_be_told_of_again(self, door: Door, source: Source) -> None:
        first = self.receipt(await self.post(door, self.valid(SECRET, 0)))
        change = {"sequence": 9, "eventTime": "2026-11-24T01:41:00Z"}
        again = self.receipt(await self.post(door, self.valid(SECRET, 0, change)))
        assert again == first | {"duplicate": True}
        assert len(await door.outbox("call")) == 1


def test_the_token() -> None:
    headers = given_json("ringcentral/headers_docs.json")["headers"]
    assert verdict("ringcentral", Posted(b"{}", headers), ["hello-world"], 0) is Verdict.GENUINE
    assert verdict("ringcentral", Posted(b"{}", headers), ["other"], 0) is Verdict.WRONG
    newer = {"verification-token": "hello-world"}
    assert verdict("ringcentral", Posted(b"{}", newer), ["other", "hello-world"], 0) is Verdict.GENUINE


def test_the_given_events_have_no_effect() -> None:
    for name in ("extension-telephony-sessions", "telephony-session-event"):
        (entry,) = entries("ringcentral", given_json(f"ringcentral/{name}.body"))
        assert isinstance(entry, Nothing)
        assert entry.reason == "the call is not over yet"


def test_a_given_call_that_ended() -> None:
    """The documented event, with the status of its end."""
    body = given_json("ringcentral/telephony-session-event.body")
    body["body"]["parties"][0] |= {"status": {"code": "Disconnected"}, "missedCall": True}
    said = activity("ringcentral", body)
    assert said.pop("occurred_at").isoformat() == "2020-06-14T19:27:18.340000+00:00"
    assert said == {
        "id": "call s-a6abd24ca6774373a8120a3390d3cbe8",
        "type": "call",
        "lead": {"phone": "+14083388064"},
        "rep": "809646016",
        "direction": "inbound",
        "outcome": "no_answer",
    }


INWARD = {"direction": "Inbound", "from": {"phoneNumber": PHONE}, "to": {"phoneNumber": "101", "extensionId": "8096"}}


@pytest.mark.parametrize(
    ("party", "outcome"),
    [
        ({}, "gatekeeper"),
        ({"status": {"code": "Disconnected", "reason": "CallFinished"}}, "gatekeeper"),
        ({"status": {"code": "Disconnected", "reason": "NoAnswer"}}, "no_answer"),
        ({"status": {"code": "Disconnected", "reason": "TargetBusy"}}, "busy"),
        ({"status": {"code": "Disconnected", "reason": "InvalidNumber"}}, "invalid_number"),
        (INWARD | {"missedCall": True}, "no_answer"),
        (INWARD | {"status": {"code": "VoiceMail"}}, "voicemail"),
        (INWARD, "gatekeeper"),
    ],
)
def test_outcomes(party: Mapping[str, Any], outcome: str) -> None:
    said = activity("ringcentral", session(party))
    assert said["outcome"] == outcome
    assert said["direction"] == ("inbound" if "from" in party else "outbound")
    assert said["lead"] == {"phone": PHONE}


def test_what_is_no_end_of_a_call_with_a_lead() -> None:
    parties: list[dict[str, Any]] = [
        {"status": {"code": "Proceeding"}},
        {"status": {"code": "Disconnected", "reason": "BlindTransfer"}},
        {"to": {"phoneNumber": "102", "extensionId": "8097"}},
        {"extensionId": None},
        {"to": {}},
        INWARD | {"missedCall": True, "queueCall": True},
    ]
    for party in parties:
        (entry,) = entries("ringcentral", session(party))
        assert isinstance(entry, Nothing), party
    (reminder,) = entries("ringcentral", {"event": "/restapi/v1.0/subscription/~?threshold=60", "body": {}})
    assert isinstance(reminder, Nothing)


def test_anything() -> None:
    assert_anything_is_read_or_unusable("ringcentral", session())
