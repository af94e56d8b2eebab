"""Tally."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

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

FIELDS: list[dict[str, Any]] = [
    {"key": "question_1", "label": "会社名", "type": "INPUT_TEXT", "value": "株式会社アクメ"},
    {"key": "question_2", "label": "Work e-mail", "type": "INPUT_EMAIL", "value": "mei@acme.co.jp"},
    {
        "key": "question_3",
        "label": "Size",
        "type": "DROPDOWN",
        "value": ["o-2"],
        "options": [{"id": "o-1", "text": "50"}, {"id": "o-2", "text": "350"}],
    },
]
BODY: dict[str, Any] = {
    "eventId": "a4cb511e",
    "eventType": "FORM_RESPONSE",
    "createdAt": "2026-11-20T15:00:21.889Z",
    "data": {"responseId": "2wgx4n", "createdAt": "2026-11-20T15:00:21.000Z", "fields": FIELDS},
}


def body_with(*fields: dict[str, Any]) -> bytes:
    return json.dumps(BODY | {"data": BODY["data"] | {"fields": [*FIELDS, *fields]}}).encode()


def signed(body: bytes, secret: str) -> Posted:
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return Posted(body, {"Tally-Signature": signature, "Content-Type": "application/json"})


class TestTally(ProviderContract):
    provider = "tally"
    signs_time = False
    settings: ClassVar = {"fields": {"会社名": "company_name", "question_3": "employees"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        more = [{"key": f"k_{n}", "label": n, "type": "HIDDEN_FIELDS", "value": v} for n, v in change.items()]
        return signed(body_with(*more), secret)

    def unmapped(self, secret: str, at_s: float) -> Posted:
        return self.valid(secret, at_s, {"shoe_size": 42})

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert lead_values(lead) == {"email": "mei@acme.co.jp", "company_name": "株式会社アクメ", "employees": 350}
        assert lead["created_at"] == "2026-11-20T15:00:21Z"


def test_the_vector() -> None:
    vector = given_json("tally/vector1_thirdparty.headers.json")
    posted = Posted(given("tally/vector1_thirdparty.body"), vector["headers"])
    verify, secrets = PROVIDERS["tally"].verify, [vector["secret"]]
    assert verify(delivery(posted), secrets) is Verdict.GENUINE
    assert verify(delivery(posted), ["other"]) is Verdict.WRONG
    assert verify(delivery(posted._replace(body=posted.body + b" ")), secrets) is Verdict.WRONG
    assert only(read("tally", posted.body), Form).values == {"Text": "Hello"}


def test_the_given_deliveries() -> None:
    example = only(read("tally", given("tally/docs_example.body")), Form)
    assert example.id == "a4cb511e-d513-4fa5-baee-b815d718dfd1"
    assert example.values == {
        "Text": "Hello",
        "Email": "alice@example.com",
        "Multiple choice": ["In progress"],
        "File upload": ["Tally_Icon.png"],
    }
    assert example.also["Email"] == ["question_w4Q4Xn", "email"]
    captured = only(read("tally", given("tally/captured_pipedream.body")), Form)
    assert captured.values == {"short answer": "Test 1540 1"}
    assert captured.observed_at is not None
    assert captured.observed_at.isoformat() == "2023-10-02T18:07:01+00:00"


def test_a_matrix_two_questions_with_one_label_and_an_option_that_is_not_there() -> None:
    matrix = {
        "key": "m",
        "label": "When?",
        "type": "MATRIX",
        "value": {"r-1": ["c-1", "c-2"]},
        "rows": [{"id": "r-1", "text": "Monday"}],
        "columns": [{"id": "c-1", "text": "AM"}, {"id": "c-2", "text": "PM"}],
    }
    again = {"key": "question_4", "label": "会社名", "type": "INPUT_TEXT", "value": "子会社"}
    gone = {"key": "g", "label": "Gone", "type": "DROPDOWN", "value": ["o-9"], "options": []}
    values = only(read("tally", body_with(matrix, again, gone)), Form).values
    assert values["When?"] == {"Monday": ["AM", "PM"]}
    assert (values["会社名"], values["question_4"]) == ("株式会社アクメ", "子会社")
    assert values["Gone"] == ["o-9"]


def test_other_events_have_no_effect() -> None:
    only(read("tally", json.dumps(BODY | {"eventType": "FORM_CLOSED"}).encode()), Nothing)


@examples
@any_of(bent(BODY))
def test_any_form(body: Any) -> None:
    read("tally", json.dumps(body).encode())
