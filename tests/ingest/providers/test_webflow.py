"""Webflow."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import given as any_of

from services.ingest.providers import PROVIDERS, Form, Nothing, Verdict
from tests.ingest.door import Door
from tests.ingest.providers.bent import bent, examples, read
from tests.ingest.providers.provider_contract import (
    Posted,
    ProviderContract,
    delivery,
    given,
    given_json,
    lead_values,
    only,
)

BODY: dict[str, Any] = {
    "triggerType": "form_submission",
    "payload": {
        "name": "Contact",
        "siteId": "65427cf4",
        "data": {"Email": "mei@acme.co.jp", "会社名": "株式会社アクメ"},
        "submittedAt": "2026-11-20T20:07:15.220Z",
        "id": "66a947f35b",
    },
}


def signed(body: bytes, secret: str, at_s: float) -> Posted:
    stamp = str(int(at_s * 1000))
    signature = hmac.new(secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-webflow-timestamp": stamp, "x-webflow-signature": signature}
    return Posted(body, headers | {"Content-Type": "application/json"})


class TestWebflow(ProviderContract):
    provider = "webflow"
    settings: ClassVar = {"fields": {"会社名": "company_name"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        payload = BODY["payload"] | {"data": BODY["payload"]["data"] | dict(change)}
        return signed(json.dumps(BODY | {"payload": payload}).encode(), secret, at_s)

    def unmapped(self, secret: str, at_s: float) -> Posted:
        return self.valid(secret, at_s, {"shoe_size": 42})

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret, at_s)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert lead_values(lead) == {"email": "mei@acme.co.jp", "company_name": "株式会社アクメ"}
        assert lead["created_at"] == "2026-11-20T20:07:15.220000Z"


def test_the_vector() -> None:
    vector = given_json("webflow/form_submission_docs.headers.json")
    posted = Posted(given("webflow/form_submission_docs.body"), vector["headers"])
    at_s, verify = vector["freeze_clock_ms"] / 1000, PROVIDERS["webflow"].verify
    assert verify(delivery(posted, at_s), [vector["secret"]]) is Verdict.GENUINE
    assert verify(delivery(posted, at_s + 301), [vector["secret"]]) is Verdict.STALE
    assert verify(delivery(posted, at_s), ["other"]) is Verdict.WRONG
    assert verify(delivery(posted._replace(body=posted.body + b" "), at_s), [vector["secret"]]) is Verdict.WRONG
    form = only(read("webflow", posted.body), Form)
    assert (form.id, form.values) == ("66a947f35b9d7ba400e22733", {"Email 2": "hello@gmail.com"})
    assert form.also == {"Email 2": ["Email"]}


@pytest.mark.parametrize("stamp", [".9", " 1700000000000 ", "1_700_000_000_000", "-1", "٣", "9" * 400, ""])
def test_times_that_are_no_times(stamp: str) -> None:
    genuine = signed(b"{}", "key", 1_700_000_000)
    changed = Posted(b"{}", {**genuine.headers, "x-webflow-timestamp": stamp})
    assert PROVIDERS["webflow"].verify(delivery(changed, 1_700_000_000), ["key"]) is Verdict.WRONG


def test_other_triggers_have_no_effect() -> None:
    only(read("webflow", b'{"triggerType": "site_publish", "payload": {}}'), Nothing)


@examples
@any_of(bent(BODY))
def test_any_form(body: Any) -> None:
    read("webflow", json.dumps(body).encode())
