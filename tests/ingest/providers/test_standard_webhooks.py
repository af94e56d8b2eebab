"""Standard Webhooks."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ingest.providers import PROVIDERS, Delivery, Verdict
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import Posted, ProviderContract, given, given_json


def signed(body: bytes, key: bytes, at_s: float, id_: str = "msg_1") -> Posted:
    digest = hmac.new(key, f"{id_}.{int(at_s)}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    headers = {"webhook-id": id_, "webhook-timestamp": str(int(at_s)), "webhook-signature": signature}
    return Posted(body, headers | {"Content-Type": "application/json"})


class TestStandardWebhooks(ProviderContract):
    provider = "standard_webhooks"
    settings: ClassVar = {"fields": {"company": "company_name"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        data = {"email": "mei@acme.co.jp", "company": "株式会社アクメ", **change}
        body = {"type": "contact.created", "timestamp": "2026-11-24T02:59:00Z", "data": data}
        return signed(json.dumps(body).encode(), secret.encode(), at_s)

    def unmapped(self, secret: str, at_s: float) -> Posted:
        return self.valid(secret, at_s, {"shoe_size": 42})

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret.encode(), at_s)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert {n: f["value"] for n, f in lead["fields"].items()} == {
            "email": "mei@acme.co.jp",
            "company_name": "株式会社アクメ",
        }
        assert lead["created_at"] == "2026-11-24T02:59:00Z", "when it happened, and not when it came"


def verdict(posted: Posted, secret: str, at_s: float) -> Verdict:
    at = datetime.fromtimestamp(at_s, UTC)
    delivery = Delivery(body=posted.body, content_type="application/json", headers=posted.headers, at=at)
    return PROVIDERS["standard_webhooks"].verify(delivery, [secret])


def test_the_published_vector() -> None:
    vector, body = given_json("standard-webhooks/vector1.headers.json"), given("standard-webhooks/vector1.body")
    at_s = vector["freeze_clock_at"]
    for headers in (vector["headers"], vector["svix_legacy_headers"]):
        for secret in (vector["secret"], vector["secret_also_accepted_without_prefix"]):
            assert verdict(Posted(body, headers), secret, at_s) is Verdict.GENUINE
        assert verdict(Posted(body + b" ", headers), vector["secret"], at_s) is Verdict.WRONG
    several = vector["headers"] | {"webhook-signature": vector["multi_sig_header_should_pass"]}
    assert verdict(Posted(body, several), vector["secret"], at_s) is Verdict.GENUINE
    wrong = vector["headers"] | {"webhook-signature": vector["negative_signature"]}
    assert verdict(Posted(body, wrong), vector["secret"], at_s) is Verdict.WRONG
    for secret in vector["unpadded_secrets_should_pass"]:
        key = base64.b64decode(secret + "=" * (-len(secret) % 4))
        assert verdict(signed(body, key, at_s), secret, at_s) is Verdict.GENUINE


def test_ed25519() -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    secret = "whpk_" + base64.b64encode(public).decode()
    body, at_s = b"{}", 1_700_000_000
    signature = base64.b64encode(private.sign(b"msg_1.1700000000.{}")).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": f"v1a,{signature}"}
    assert verdict(Posted(body, headers), secret, at_s) is Verdict.GENUINE
    assert verdict(Posted(b"[]", headers), secret, at_s) is Verdict.WRONG
    confused = headers | {"webhook-signature": signed(body, public, at_s).headers["webhook-signature"]}
    assert verdict(Posted(body, confused), secret, at_s) is Verdict.WRONG, "a public key is no shared secret"


@pytest.mark.parametrize("stamp", [".9", " 1700000000 ", "1_700_000_000", "-1", "1e9", "٣", "9" * 400, ""])
def test_times_that_are_no_times(stamp: str) -> None:
    genuine = signed(b"{}", b"key", 1_700_000_000)
    assert (
        verdict(Posted(b"{}", {**genuine.headers, "webhook-timestamp": stamp}), "key", 1_700_000_000) is Verdict.WRONG
    )


def test_a_secret_of_odd_characters() -> None:
    assert verdict(signed(b"{}", "秘密 é".encode(), 1_700_000_000), "秘密 é", 1_700_000_000) is Verdict.GENUINE
