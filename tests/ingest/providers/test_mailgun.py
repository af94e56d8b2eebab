"""Mailgun."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from services.ingest.providers import Nothing, Unusable, Verdict
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import SECRET, Posted, ProviderContract, given, given_json
from tests.ingest.providers.unpromised import (
    activity,
    assert_anything_is_read_or_unusable,
    entries,
    read,
    verdict,
)

HEADERS = {"Content-Type": "application/json"}


def body(signature: Mapping[str, Any] = {}, **change: Any) -> dict[str, Any]:
    data = {
        "event": "clicked",
        "id": "e-1",
        "timestamp": 1_795_484_400.25,
        "recipient": "mei@acme.co.jp",
        "url": "https://example.com/",
    }
    return {"signature": dict(signature), "event-data": data | change}


def signature(secret: str, at_s: float, once: str = "t-1") -> dict[str, str]:
    stamp = str(int(at_s))
    digest = hmac.new(secret.encode(), f"{stamp}{once}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": stamp, "token": once, "signature": digest}


class TestMailgun(ProviderContract):
    provider = "mailgun"

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return Posted(json.dumps(body(signature(secret, at_s), **change)).encode(), HEADERS)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return Posted(body, HEADERS)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        (told,) = await door.outbox("touch")
        assert msgspec.to_builtins(told.data) == {
            "channel": "auto_email",
            "direction": "outbound",
            "outcome": "clicked",
        }
        assert (told.id, told.subject) == ("e-1", receipt["lead_id"])
        assert msgspec.to_builtins(told.time) == "2026-11-24T01:40:00.250000Z"
        lead = await door.lead({"email": "mei@acme.co.jp"})
        assert lead["lead_id"] == receipt["lead_id"]

    async def test_a_token_is_good_for_one_body(self, door: Door, source: Source) -> None:
        """Who saw a delivery could send another one under its signature."""
        at_s = self.now_s(door)
        assert (await self.post(door, self.valid(SECRET, at_s))).status_code == 202
        for forged in ({"id": "e-2"}, {"event": "unsubscribed", "id": "e-3"}, {"event": "accepted"}):
            assert (await self.post(door, self.valid(SECRET, at_s, forged))).status_code == 401, forged
        assert await self.stored(door) == (1, 0)
        fresh = json.dumps(body(signature(SECRET, at_s, "t-2"), id="e-2")).encode()
        assert (await self.post(door, Posted(fresh, HEADERS))).status_code == 202

    async def test_what_cannot_be_used(self, door: Door, source: Source) -> None:
        answer = await self.post(door, self.valid(SECRET, self.now_s(door), {"recipient": None}))
        assert answer.status_code == 422
        assert await self.stored(door) == (0, 1)

    async def test_hostile_parts_of_the_signature(self, door: Door, source: Source) -> None:
        good = signature(SECRET, self.now_s(door))
        for part in good:
            for junk in ("", "é", " ", "1_0", ".9", None, 7, ["a"], {"a": 1}, "9" * 400):
                posted = Posted(json.dumps(body(good | {part: junk})).encode(), HEADERS)
                assert (await self.post(door, posted)).status_code == 401, (part, junk)
        assert await self.stored(door) == (0, 0)


def test_the_given_delivery() -> None:
    told, raw = (
        given_json("mailgun/delivered_event.signed_testkey.headers.json"),
        given("mailgun/delivered_event.signed_testkey.body"),
    )
    at_s, posted = 1534108637, Posted(raw, told["headers"])
    assert verdict("mailgun", posted, [told["webhook_signing_key"]], at_s) is Verdict.GENUINE
    assert verdict("mailgun", posted, [told["webhook_signing_key"]], at_s + 301) is Verdict.STALE
    assert verdict("mailgun", posted, ["other"], at_s) is Verdict.WRONG
    assert verdict("mailgun", Posted(raw.replace(b"651869", b"751869"), HEADERS), ["other"], at_s) is Verdict.WRONG
    assert read("mailgun", raw).once == "651869375b9df3c98fc15c4889b102119add1235c38fc92824"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("delivered", {"id": "hTWCTD81RtiDN-...", "occurred_at": 1534108637.153125, "outcome": "sent"}),
        ("opened", {"occurred_at": 1534109600.089676, "outcome": "opened"}),
        ("clicked", {"occurred_at": 1534109600.089676, "outcome": "clicked"}),
        (
            "failed_permanent",
            {"occurred_at": 1534110422.389832, "outcome": "bounced", "lead": {"email": "invalid@example.com"}},
        ),
        ("unsubscribed", {"id": "W3X4JOhFT-OZidZGKKr9iA", "occurred_at": 1377213791.421473, "outcome": "declined"}),
    ],
)
def test_the_given_events(name: str, expected: dict[str, Any]) -> None:
    said = activity("mailgun", given_json(f"mailgun/{name}_event.body"))
    said["occurred_at"] = said["occurred_at"].timestamp()
    lead = {"lead": {"email": "recipient@example.com"}}
    assert said == {"type": "touch", "channel": "auto_email", "direction": "outbound"} | lead | expected


def test_what_has_no_effect() -> None:
    changes: list[dict[str, Any]] = [
        {"event": "failed", "severity": "temporary"},
        {"event": "accepted"},
        {"event": "stored"},
    ]
    for change in changes:
        assert isinstance(entries("mailgun", body(**change))[0], Nothing)


@pytest.mark.parametrize("name", ["unsubscribed", "complained"])
def test_who_wants_no_more_mail_declines(name: str) -> None:
    assert activity("mailgun", body(event=name))["outcome"] == "declined"


def test_a_given_event_that_does_not_say_of_whom() -> None:
    with pytest.raises(Unusable, match="recipient"):
        read("mailgun", given("mailgun/docs_opened_signature_block.body"))


def test_anything() -> None:
    assert_anything_is_read_or_unusable("mailgun", body(signature("s", 0)))
