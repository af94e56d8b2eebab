"""Google Ads lead forms."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import given as any_of

from services.ingest.providers import PROVIDERS, Aside, Form, Verdict
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.bent import bent, examples, read
from tests.ingest.providers.provider_contract import (
    OTHER,
    SECRET,
    Posted,
    ProviderContract,
    delivery,
    given,
    lead_values,
    only,
)

JSON = {"Content-Type": "application/json"}
BODY: dict[str, Any] = {
    "lead_id": 7_000_000_000_000_000_001,
    "user_column_data": [
        {"column_id": "EMAIL", "column_name": "User Email", "string_value": "mei@home.example.jp"},
        {"column_id": "WORK_EMAIL", "column_name": "Work Email", "string_value": "mei@acme.co.jp"},
        {"column_id": "FULL_NAME", "column_name": "Full Name", "string_value": "山田 芽衣"},
        {"column_id": "COMPANY_NAME", "column_name": "Company Name", "string_value": "株式会社アクメ"},
        {"column_id": "how_many", "column_name": "従業員数は？", "string_value": "350"},
    ],
    "api_version": "1.0",
    "form_id": 52083961646,
    "campaign_id": 10000000000,
    "google_key": SECRET,
    "lead_submit_time": "2026-11-20T12:30:00Z",
}


def body_with(**change: Any) -> bytes:
    return json.dumps(BODY | change).encode()


class TestGoogleAds(ProviderContract):
    provider = "google_ads"
    signs_time = False
    settings: ClassVar = {"fields": {"FULL_NAME": "last_name", "従業員数は？": "employees"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        more = [{"column_id": name, "string_value": value} for name, value in change.items()]
        columns = [*BODY["user_column_data"], *more]
        return Posted(body_with(google_key=secret, user_column_data=columns), JSON)

    def unmapped(self, secret: str, at_s: float) -> Posted:
        return self.valid(secret, at_s, {"shoe_size": 42})

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return posted._replace(body=body)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert lead_values(lead) == {
            "email": "mei@acme.co.jp",
            "last_name": "山田 芽衣",
            "company_name": "株式会社アクメ",
            "employees": 350,
        }
        assert lead["external_ids"] == ["google_ads:7000000000000000001"]
        assert lead["created_at"] == "2026-11-20T12:30:00Z"

    async def test_a_test_lead_is_set_aside_and_its_key_is_not_lost(self, door: Door, source: Source) -> None:
        answer = await self.post(door, Posted(body_with(is_test=True), JSON))
        assert answer.status_code == 202
        assert "is_test" in answer.json()["errors"][0]["detail"]
        assert await self.stored(door) == (0, 1)
        wrong = await self.post(door, Posted(body_with(is_test=True, google_key=OTHER), JSON))
        assert wrong.status_code == 401


@pytest.mark.parametrize("key", [None, 7, "", [SECRET], {"a": SECRET}, SECRET.upper(), SECRET + " ", "é", True])
def test_keys_that_are_wrong(key: Any) -> None:
    verify = PROVIDERS["google_ads"].verify
    assert verify(delivery(Posted(body_with(google_key=key), JSON)), [SECRET]) is Verdict.WRONG
    assert verify(delivery(Posted(body_with(google_key=SECRET), JSON)), [SECRET]) is Verdict.GENUINE
    assert verify(delivery(Posted(json.dumps([BODY]).encode(), JSON)), [SECRET]) is Verdict.WRONG


@pytest.mark.parametrize(
    ("name", "key"),
    [("test_lead_b2b.captured.body", "123456"), ("test_lead_consumer.captured.body", "test-google-key")],
)
def test_the_given_test_leads(name: str, key: str) -> None:
    body = given(f"google-ads/{name}")
    assert PROVIDERS["google_ads"].verify(delivery(Posted(body, JSON)), [key]) is Verdict.GENUINE
    assert PROVIDERS["google_ads"].verify(delivery(Posted(body, JSON)), ["1234567"]) is Verdict.WRONG
    only(read("google_ads", body), Aside)


def test_the_given_test_leads_as_if_they_were_none() -> None:
    b2b = json.loads(given("google-ads/test_lead_b2b.captured.body")) | {"is_test": False}
    values = only(read("google_ads", json.dumps(b2b).encode()), Form).values
    said = {name: value for name, value in values.items() if name.isupper()}
    assert said == {
        "FULL_NAME": "FirstName LastName",
        "COMPANY_NAME": "CompanyName",
        "WORK_EMAIL": "work-test@example.com",
        "JOB_TITLE": "JobTitle",
    }
    assert values["campaign_id"] == 10000000000
    assert "google_key" not in values
    consumer = json.loads(given("google-ads/test_lead_consumer.captured.body")) | {"is_test": False}
    form = only(read("google_ads", json.dumps(consumer).encode()), Form)
    assert form.values["SERVICE"] == "Roofing"
    assert form.values["PHONE_NUMBER"] == "+16505550123"
    assert form.also["PHONE_NUMBER"] == ["User Phone"]


@examples
@any_of(bent(BODY))
def test_any_form(body: Any) -> None:
    posted = Posted(json.dumps(body).encode(), JSON)
    PROVIDERS["google_ads"].verify(delivery(posted), [SECRET])
    read("google_ads", posted.body)
