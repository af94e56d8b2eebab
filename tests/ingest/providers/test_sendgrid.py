"""SendGrid."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ingest.providers import Broken, Nothing, Unusable, Verdict
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import (
    PREVIOUS,
    SECRET,
    Posted,
    ProviderContract,
    given,
    given_json,
)
from tests.ingest.providers.unpromised import (
    activity,
    assert_anything_is_read_or_unusable,
    entries,
    happened,
    read,
    verdict,
)

AT_S = 1_795_484_400  # 2026-11-24T01:40:00Z


@cache
def key(secret: str) -> EllipticCurvePrivateKey:
    """The private key that stands for a secret of the contract."""
    return generate_private_key(SECP256R1())


def public(secret: str) -> str:
    der = key(secret).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def signed(body: bytes, secret: str, at_s: float) -> Posted:
    stamp = str(int(at_s))
    signature = base64.b64encode(key(secret).sign(stamp.encode() + body, ECDSA(SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
        "Content-Type": "application/json;charset=utf-8",
    }
    return Posted(body, headers)


def event(**change: Any) -> dict[str, Any]:
    return {"email": "mei@acme.co.jp", "event": "open", "sg_event_id": "e-1", "timestamp": AT_S, "ip": "::1"} | change


class TestSendGrid(ProviderContract):
    provider = "sendgrid"
    batches = True

    def configured(self, secret: str) -> str:
        return public(secret)

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return signed(json.dumps([event(**change)]).encode() + b"\r\n", secret, at_s)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret, at_s)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        (told,) = await door.outbox("touch")
        assert msgspec.to_builtins(told.data) == {
            "channel": "auto_email",
            "direction": "outbound",
            "outcome": "opened",
        }
        assert (told.id, told.subject) == ("e-1", receipt["lead_id"])
        assert msgspec.to_builtins(told.time) == "2026-11-24T01:40:00Z"
        lead = await door.lead({"email": "mei@acme.co.jp"})
        assert lead["lead_id"] == receipt["lead_id"]

    async def test_as_many_as_fit(self, door: Door, source: Source) -> None:
        events = [event(sg_event_id=f"e-{n}", email=f"lead{n % 40}@acme.co.jp") for n in range(7_000)]
        body = json.dumps(events, separators=(",", ":")).encode()
        assert 700_000 < len(body) < 2**20
        answer = await self.post(door, signed(body, SECRET, self.now_s(door)))
        assert answer.status_code == 202
        assert [r["duplicate"] for r in answer.json()["results"]] == [False] * 7_000
        assert await self.stored(door) == (7_000, 0)

    async def test_one_that_cannot_be_read_is_kept_and_can_be_tried_again(self, door: Door, source: Source) -> None:
        body = json.dumps([event(), event(sg_event_id="e-2", timestamp="soon"), event(event="processed"), 7])
        answer = await self.post(door, signed(body.encode(), SECRET, self.now_s(door)))
        assert answer.status_code == 202
        taken, broken, ignored, other = answer.json()["results"]
        assert taken["event_id"] == "e-1"
        assert "`timestamp` is missing" in broken["errors"][0]["detail"]
        assert ignored["ignored"]
        assert other["errors"]
        assert await self.stored(door) == (1, 2)
        kept = (await door.get("/v1/quarantine")).json()["items"]
        answers = [await door.post(f"/v1/quarantine/{entry['id']}/retry", b"") for entry in kept]
        assert [answer.status_code for answer in answers] == [422, 422]


@pytest.mark.parametrize("configured", ["", "no key", "AAAA", public(PREVIOUS)[:-4]])
def test_a_key_that_is_none(configured: str) -> None:
    posted = signed(b"[]", SECRET, AT_S)
    assert verdict("sendgrid", posted, [public(SECRET)], AT_S) is Verdict.GENUINE
    assert verdict("sendgrid", posted, [configured], AT_S) is Verdict.WRONG


def test_the_published_vector() -> None:
    vector, body = given_json("sendgrid/vector1_dropped.headers.json"), given("sendgrid/vector1_dropped.body")
    posted, at_s = Posted(body, vector["headers"]), vector["freeze_clock_at"]
    keys = [vector["public_key_base64_der_spki"]]
    assert verdict("sendgrid", posted, keys, at_s) is Verdict.GENUINE
    assert verdict("sendgrid", posted, keys, at_s + 301) is Verdict.STALE
    assert verdict("sendgrid", posted, [vector["negative_public_key"]], at_s) is Verdict.WRONG
    assert verdict("sendgrid", Posted(body.rstrip(), vector["headers"]), keys, at_s) is Verdict.WRONG
    (dropped,) = entries("sendgrid", json.loads(body))
    assert isinstance(dropped, Nothing)


@pytest.mark.parametrize(
    ("name", "outcome", "email", "id_", "at"),
    [
        ("delivered", "sent", "recipient@example.com", "nOSv8m0eTQ-vxvwNwt3fZQ", "2016-04-19T19:47:30+00:00"),
        (
            "open",
            "opened",
            "recipient@example.com",
            "MjIwNDg5NTgtZGE3OC00NDI1LWFiMmMtMDUyZTU2ZmFkOTFm",
            "2016-04-19T19:47:30+00:00",
        ),
        (
            "click",
            "clicked",
            "recipient@example.com",
            "OTdlOGUzYjctYjc5Zi00OWE4LWE4YWUtNjIxNjk2ZTJlNGVi",
            "2016-04-19T19:47:30+00:00",
        ),
        ("bounce", "bounced", "noreply@example.com", "lC0Rc-FuQmKbnxCWxX1jRQ", "2016-04-19T19:47:30+00:00"),
    ],
)
def test_the_given_events(name: str, outcome: str, email: str, id_: str, at: str) -> None:
    said = activity("sendgrid", given_json(f"sendgrid/{name}_event.body"))
    said["occurred_at"] = said["occurred_at"].isoformat()
    assert said == {
        "id": id_,
        "type": "touch",
        "occurred_at": at,
        "lead": {"email": email},
        "channel": "auto_email",
        "direction": "outbound",
        "outcome": outcome,
    }


def test_other_events_have_no_effect() -> None:
    for name in ("deferred", "processed"):
        (entry,) = entries("sendgrid", given_json(f"sendgrid/{name}_event.body"))
        assert isinstance(entry, Nothing)


@pytest.mark.parametrize("name", ["unsubscribe", "group_unsubscribe", "spamreport"])
def test_who_wants_no_more_mail_declines(name: str) -> None:
    assert activity("sendgrid", [event(event=name)])["outcome"] == "declined"


def test_each_event_is_judged_alone() -> None:
    one, two, three = entries("sendgrid", [event(), "x", event(event="group_resubscribe")])
    assert happened(one)["id"] == "e-1"
    assert (type(two), type(three)) == (Broken, Nothing)
    with pytest.raises(Unusable):
        read("sendgrid", b"[]")


def test_anything() -> None:
    assert_anything_is_read_or_unusable("sendgrid", [event(), event(event="bounce")])
