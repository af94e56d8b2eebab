"""Twilio."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec
import pytest

from services.ingest.providers import Nothing, Unusable, Verdict
from services.ingest.providers.base import Entry
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import ADDRESS, SECRET, Posted, ProviderContract, given, given_json
from tests.ingest.providers.telephones import CALL, assert_call
from tests.ingest.providers.unpromised import assert_anything_is_read_or_unusable, happened, read, verdict

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DONE = {
    "CallSid": "CA1",
    "CallStatus": "completed",
    "Direction": "outbound-api",
    "From": "+81312345678",
    "To": "+819012345678",
    "CallDuration": "60",
    "Timestamp": "Tue, 24 Nov 2026 01:41:00 +0000",
    "SequenceNumber": "3",
    "CallerCity": "",
}


def digest(text: str, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def posted(said: Mapping[str, str], secret: str) -> Posted:
    text = ADDRESS + "".join(name + said[name] for name in sorted(said))
    return Posted(urlencode(said).encode(), FORM | {"X-Twilio-Signature": digest(text, secret)})


class TestTwilio(ProviderContract):
    provider = "twilio"
    signs_time = False
    settings: ClassVar = {"reps": {"+81312345678": "tanaka"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return posted(DONE | dict(change), secret)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        """As a body of no form: its hash stands in the address."""
        query = {"bodySHA256": hashlib.sha256(body).hexdigest()}
        signature = digest(f"{ADDRESS}?{urlencode(query)}", secret)
        return Posted(body, {"Content-Type": "application/json", "X-Twilio-Signature": signature}, query)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        await assert_call(door, receipt, CALL)

    async def test_json(self, door: Door, source: Source) -> None:
        made = self.resigned(Posted(b"", {}), json.dumps(DONE).encode(), SECRET, 0)
        assert self.receipt(await self.post(door, made))["duplicate"] is False
        again = self.receipt(await self.post(door, self.valid(SECRET, 0)))
        assert again["duplicate"] is True, "the same call, however it is encoded"
        other = Posted(made.body.replace(b"60", b"61"), made.headers, made.query)
        assert (await self.post(door, other)).status_code == 401

    async def test_an_address_with_a_query_to_which_twilio_adds_the_hash(self, door: Door, source: Source) -> None:
        configured = f"{ADDRESS}?team=a"
        door.runtime.config.sources["source"] = msgspec.structs.replace(source, public_url=configured)
        body = json.dumps(DONE).encode()
        query = {"team": "a", "bodySHA256": hashlib.sha256(body).hexdigest()}
        headers = {"Content-Type": "application/json"}
        signed = {"X-Twilio-Signature": digest(f"{ADDRESS}?{urlencode(query)}", SECRET)}
        assert self.receipt(await self.post(door, Posted(body, headers | signed, query)))["duplicate"] is False
        form = Posted(b"", FORM | {"X-Twilio-Signature": digest(configured, SECRET)})
        assert (await self.post(door, form)).status_code == 422, "a proxy may have cut the query off"

    async def test_a_hostile_host(self, door: Door, source: Source) -> None:
        """Without public_url the address is as it was asked, and that is anybody's to say."""
        door.runtime.config.sources["source"] = msgspec.structs.replace(source, public_url=None)
        genuine = self.valid(SECRET, 0)
        for host in ("[", "a:b", "a:99999", "é", "", "[::1]:80"):
            headers = [*genuine.headers.items(), ("Host", host)]
            answer = await door.http.post(
                "/v1/webhooks/source", content=genuine.body, headers=[(n.encode(), v.encode()) for n, v in headers]
            )
            assert answer.status_code in (400, 401), (host, answer.text)


def test_the_published_vectors() -> None:
    for name in ("vector1", "vector2_duplicate_params", "vector3_json_bodysha256"):
        vector, body = given_json(f"twilio/{name}.headers.json"), given(f"twilio/{name}.body")
        made, token, url = Posted(body, vector["headers"]), [vector["auth_token"]], vector["url"]
        assert verdict("twilio", made, token, 0, url) is Verdict.GENUINE
        assert verdict("twilio", made, ["other", *token], 0, url) is Verdict.GENUINE
        assert verdict("twilio", made, ["other"], 0, url) is Verdict.WRONG
        assert verdict("twilio", made, token, 0, url.replace("bar=2", "bar=3")) is Verdict.WRONG
        assert verdict("twilio", Posted(body + b"1", vector["headers"]), token, 0, url) is Verdict.WRONG


def test_the_published_vectors_of_ports() -> None:
    vector, body = given_json("twilio/vector1.headers.json"), given("twilio/vector1.body")
    for variant in vector["port_variants_that_must_also_validate"]:
        headers = vector["headers"] | {"x-twilio-signature": variant["x-twilio-signature"]}
        token = [vector["auth_token"]]
        assert verdict("twilio", Posted(body, headers), token, 0, variant["request_url"]) is Verdict.GENUINE


def entry(**change: str) -> Entry:
    (one,) = read("twilio", urlencode(DONE | change).encode(), FORM).entries
    return one


@pytest.mark.parametrize(
    ("change", "outcome", "seconds"),
    [
        ({}, "gatekeeper", 60),
        ({"AnsweredBy": "human"}, "gatekeeper", 60),
        ({"AnsweredBy": "machine_end_beep"}, "voicemail", 60),
        ({"AnsweredBy": "fax"}, "invalid_number", 60),
        ({"CallStatus": "busy", "CallDuration": "0"}, "busy", None),
        ({"CallStatus": "no-answer", "CallDuration": "0"}, "no_answer", None),
        ({"CallStatus": "canceled", "CallDuration": "0"}, "no_answer", None),
        ({"CallStatus": "failed", "CallDuration": "0"}, "invalid_number", None),
    ],
)
def test_outcomes(change: dict[str, str], outcome: str, seconds: int | None) -> None:
    said = happened(entry(**change))
    assert (said["outcome"], said.get("duration_s")) == (outcome, seconds)


def test_what_is_no_end_of_a_call_with_a_lead() -> None:
    for change in (
        {"CallStatus": "ringing"},
        {"CallStatus": "in-progress"},
        {"To": "client:tanaka"},
        {"To": "sip:tanaka@example.com"},
        {"To": "anonymous"},
    ):
        assert isinstance(entry(**change), Nothing), change


def test_a_given_delivery() -> None:
    (one,) = read("twilio", given("twilio/status_callback_completed.captured_redacted.body"), FORM).entries
    said = happened(one)
    assert said.pop("occurred_at").isoformat() == "2018-11-02T10:52:20+00:00"
    assert said == {
        "id": "call CAd7fe2ad60939a04e564c0e4e3302ff5b",
        "type": "call",
        "lead": {"phone": "+15005550001"},
        "rep": "+15005550006",
        "direction": "inbound",
        "outcome": "gatekeeper",
        "duration_s": 9,
    }


def test_the_rep_is_the_client_that_calls() -> None:
    assert happened(entry(From="client:tanaka"))["rep"] == "tanaka"


@pytest.mark.parametrize("time", ["", "yesterday", "Fri, 99 Nov 2018 10:52:29 +0000", "2 Nov 99999 10:52:29 +0000"])
def test_no_time(time: str) -> None:
    with pytest.raises(Unusable, match="Timestamp"):
        entry(Timestamp=time)


def test_anything() -> None:
    assert_anything_is_read_or_unusable("twilio", DONE)
    with pytest.raises(Unusable):
        read("twilio", b"CallSid=%00", FORM)
    with pytest.raises(Unusable):
        read("twilio", b"CallSid=%ff", FORM)
