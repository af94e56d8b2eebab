"""Typeform."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from hypothesis import given as any_of

from services.ingest.providers import PROVIDERS, Form, Verdict
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
    "event_id": "01HXQ3ZK9B",
    "event_type": "form_response",
    "form_response": {
        "form_id": "A1b2C3",
        "token": "6f3e8a1c",
        "submitted_at": "2026-11-20T14:04:47Z",
        "hidden": {"utm_source": "newsletter", "campaign": "spring-webinar"},
        "definition": {
            "id": "A1b2C3",
            "fields": [
                {"id": "q1", "title": "Which company?", "ref": "company", "type": "short_text"},
                {"id": "q2", "title": "Your work e-mail?", "ref": "4711-ref", "type": "email"},
                {"id": "q3", "title": "How many are you?", "ref": "size", "type": "dropdown"},
            ],
        },
        "answers": [
            {"type": "text", "text": "株式会社アクメ", "field": {"id": "q1", "ref": "company"}},
            {"type": "email", "email": "mei@acme.co.jp", "field": {"id": "q2", "ref": "4711-ref"}},
            {"type": "choice", "choice": {"label": "350"}, "field": {"id": "q3", "ref": "size"}},
        ],
    },
}


def signed(body: bytes, secret: str) -> Posted:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    signature = "sha256=" + base64.b64encode(digest).decode()
    return Posted(body, {"Typeform-Signature": signature, "Content-Type": "application/json"})


class TestTypeform(ProviderContract):
    provider = "typeform"
    signs_time = False
    settings: ClassVar = {"fields": {"company": "company_name", "How many are you?": "employees"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        hidden = BODY["form_response"]["hidden"] | dict(change)
        return signed(json.dumps(BODY | {"form_response": BODY["form_response"] | {"hidden": hidden}}).encode(), secret)

    def unmapped(self, secret: str, at_s: float) -> Posted:
        return self.valid(secret, at_s, {"shoe_size": 42})

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert lead_values(lead) == {"email": "mei@acme.co.jp", "company_name": "株式会社アクメ", "employees": 350}
        assert lead["created_at"] == "2026-11-20T14:04:47Z"
        assert lead["campaign"] == "spring-webinar"


def test_the_vector() -> None:
    vector = given_json("typeform/vector1_thirdparty.headers.json")
    posted = Posted(given("typeform/vector1_thirdparty.body"), vector["headers"])
    verify, secrets = PROVIDERS["typeform"].verify, [vector["secret"]]
    assert verify(delivery(posted), secrets) is Verdict.GENUINE
    assert verify(delivery(posted), ["other", *secrets]) is Verdict.GENUINE
    assert verify(delivery(posted), ["other"]) is Verdict.WRONG
    assert verify(delivery(posted._replace(body=posted.body + b" ")), secrets) is Verdict.WRONG
    empty, crab = vector["boundary_vectors"].values()
    for body, signature in ((b"", empty), ("héllo, 🦀 world!".encode(), crab)):
        assert verify(delivery(Posted(body, {"typeform-signature": signature})), secrets) is Verdict.GENUINE
    assert only(read("typeform", posted.body), Form).id == "8lBh6Y7h2qOHo"


def test_the_example_of_the_documentation() -> None:
    form = only(read("typeform", given("typeform/docs_example.body")), Form)
    assert form.id == "LtWXD3crgy"
    assert form.observed_at is not None
    assert form.observed_at.isoformat() == "2018-01-18T18:17:02+00:00"
    assert form.values == {
        "[readable_ref_long_text": "It's cold right now! I live in an older medium-sized city with a university. "
        "Geographically, the area is hilly.",
        "readable_ref_email": "laura@example.com",
        "readable_ref_short_text": "Laura",
        "readable_ref_date": "2005-10-15",
        "readable_ref_picture_choice": ["London", "Sydney"],
        "readable_ref_number1": 5,
        "readable_ref_legal": True,
        "readable_ref_multiple_choice": "London",
        "readable_ref_yes_no": False,
        "readable_ref_opinion_scale": 2,
        "readable_ref_rating": 3,
        "readable_ref_number2": 4,
    }
    assert form.also["readable_ref_short_text"] == ["JwWggjAKtOkA", "What is your first name?"]
    assert form.also["readable_ref_email"][-1] == "email"


def test_the_other_given_deliveries() -> None:
    contact = only(read("typeform", given("typeform/synthetic_contact_form_submission.body")), Form)
    assert contact.values == {
        "full_name": "Priya Nair",
        "email": "priya.nair@example.com",
        "message": "Hi, I'd like a quote for the annual plan for a 40-person team.",
        "utm_source": "newsletter",
    }
    waiting = only(read("typeform", given("typeform/synthetic_product_waitlist_signup.body")), Form)
    assert waiting.values == {
        "work_email": "jordan.lee@example.com",
        "company_size": "11-50",
        "target_launch_date": "2026-09-01",
        "utm_source": "product-hunt",
        "utm_campaign": "launch-waitlist",
    }
    captured = only(read("typeform", given("typeform/captured_actionsflow.body")), Form)
    assert captured.id == "01EK4R5PFZZP6C8H14RTP4YW6C"
    assert captured.values == {"9a489f17-8765-494b-933e-3624c645bd0c": "test1"}


def test_an_unfinished_response_has_no_effect() -> None:
    payload = read("typeform", json.dumps(BODY | {"event_type": "form_response_partial"}).encode())
    assert payload is not None
    assert not isinstance(payload.entries[0], Form)


@examples
@any_of(bent(BODY))
def test_any_form(body: Any) -> None:
    read("typeform", json.dumps(body).encode())
