"""Senders that cannot sign, and know at most a secret that the operator has told them."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from services.ingest.providers import Form
from shared.config.sources import Provider, Source
from tests.ingest.door import FORM, Door
from tests.ingest.providers.bent import bent, examples, read
from tests.ingest.providers.provider_contract import (
    SECRET,
    Posted,
    ProviderContract,
    given,
    given_json,
    lead_values,
    only,
)

JSON = {"Content-Type": "application/json"}


class Unsigned(ProviderContract):
    """`body` is what the sender posts of the lead whom `check` expects."""

    signs = signs_time = False
    body: ClassVar[Mapping[str, Any]]
    is_form = False

    def shaped(self, more: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**self.body, **more}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        said = self.shaped(change)
        body = urlencode(said).encode() if self.is_form else json.dumps(said).encode()
        return Posted(body, (FORM if self.is_form else JSON) | {"X-Tasuki-Secret": secret})

    def unmapped(self, secret: str, at_s: float) -> Posted:
        return self.valid(secret, at_s, {"shoe_size": 42})

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return posted._replace(body=body)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert lead_values(lead) == {
            "email": "mei@acme.co.jp",
            "last_name": "山田",
            "first_name": "芽衣",
            "company_name": "株式会社アクメ",
        }
        self.check_more(lead)

    def check_more(self, lead: Mapping[str, Any]) -> None:
        """What else the lead must be."""


class TestJson(Unsigned):
    provider = "json"
    body: ClassVar = {
        "email": "mei@acme.co.jp",
        "name": {"family": "山田", "given": "芽衣"},
        "company_name": "株式会社アクメ",
    }
    settings: ClassVar = {"fields": {"name.family": "last_name", "name.given": "first_name"}}


class TestZapier(TestJson):
    provider = "zapier"


class TestHtmlForm(Unsigned):
    provider = "html_form"
    is_form = True
    body: ClassVar = {"email": "mei@acme.co.jp", "姓": "山田", "名": "芽衣", "company_name": "株式会社アクメ"}
    settings: ClassVar = {"fields": {"姓": "last_name", "名": "first_name"}}


class TestGravityForms(Unsigned):
    provider = "gravity_forms"
    body: ClassVar = {
        "id": "1",
        "form_id": "1",
        "date_created": "2026-11-20 14:17:14",
        "date_updated": "2026-11-20 14:17:14",
        "ip": "192.0.2.1",
        "user_agent": "Mozilla/5.0",
        "status": "active",
        "1.3": "芽衣",
        "1.6": "山田",
        "2": "mei@acme.co.jp",
        "3": "株式会社アクメ",
        "4": "",
    }
    settings: ClassVar = {"fields": {"1.3": "first_name", "1.6": "last_name", "2": "email", "3": "company_name"}}

    def check_more(self, lead: Mapping[str, Any]) -> None:
        assert lead["created_at"] == "2026-11-20T14:17:14Z"


class TestGoogleForms(Unsigned):
    provider = "google_forms"
    body: ClassVar = {
        "メールアドレス": ["mei@acme.co.jp"],
        "お名前": ["山田", ""],
        "名": ["芽衣"],
        "会社名": ["株式会社アクメ"],
        "Timestamp": ["2026/11/20 12:00:00"],
    }
    settings: ClassVar = {
        "fields": {"メールアドレス": "email", "お名前": "last_name", "名": "first_name", "会社名": "company_name"}
    }

    def shaped(self, more: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"namedValues": {**self.body, **{name: [value] for name, value in more.items()}}, "authMode": {}}


class TestSalesforceWebToLead(Unsigned):
    provider = "salesforce_web_to_lead"
    is_form = True
    body: ClassVar = {
        "oid": "00D000000000000",
        "retURL": "https://example.com/thanks",
        "email": "mei@acme.co.jp",
        "last_name": "山田",
        "first_name": "芽衣",
        "company": "株式会社アクメ",
        "g-recaptcha-response": "03AFcWeA5",
    }


class TestMarketo(Unsigned):
    provider = "marketo"
    body: ClassVar = {
        "leadId": 4711,
        "email": "mei@acme.co.jp",
        "lastName": "山田",
        "firstName": "芽衣",
        "company": "株式会社アクメ",
        "phone": "",
    }

    def check_more(self, lead: Mapping[str, Any]) -> None:
        assert lead["external_ids"] == ["marketo:4711"]


class TestMarketoForm(TestMarketo):
    is_form = True


async def test_a_secret_may_be_told_in_three_places(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_SECRET_NOW", SECRET)
    door.runtime.config.sources["source"] = Source(id="source", provider="json", secret_env="TASUKI_SECRET_NOW")
    for path, headers, status in (
        ("/v1/webhooks/source", {"X-Tasuki-Secret": SECRET}, 202),
        ("/v1/webhooks/source", {"Authorization": f"Bearer {SECRET}"}, 202),
        (f"/v1/webhooks/source?secret={SECRET}", {"Authorization": ""}, 202),
        ("/v1/webhooks/source", {"Authorization": f"Basic {SECRET}"}, 401),
        ("/v1/webhooks/source?secret=", {"Authorization": ""}, 401),
    ):
        assert (await door.post(path, {"email": "a@acme.co.jp"}, headers=headers)).status_code == status, path


def test_the_given_entry_of_gravity_forms() -> None:
    form = only(read("gravity_forms", given("gravity-forms/entry.captured_redacted.body")), Form)
    said = {name: value for name, value in form.values.items() if value}
    assert said == {
        "source_url": "http://example.com/form-page/",
        "2.3": "Foo",
        "2.6": "Bar",
        "8.1": "Search engine",
        "9": "30-40",
        "12": "Member",
        "13": ["Finding a parent"],
        "14": "Just testing this out",
        "6": "(555) 010-0000",
        "4": "foo@example.com",
    }
    assert form.observed_at is not None
    assert form.observed_at.isoformat() == "2020-09-30T14:17:14+00:00"


def test_the_given_event_of_google_forms() -> None:
    form = only(read("google_forms", given("google-forms/on_form_submit_event.captured.body")), Form)
    said = {name: value for name, value in form.values.items() if value}
    assert said == {"Subject": "1057", "Timestamp": "11/02/2017 10:57:28"}
    assert form.id is None


def test_the_given_form_of_salesforce() -> None:
    headers = given_json("salesforce-web-to-lead/lead.constructed.headers.json")["headers"]
    body = given("salesforce-web-to-lead/lead.constructed.body")
    form = only(read("salesforce_web_to_lead", body, headers["content-type"]), Form)
    assert form.values == {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.com",
        "company": "Analytical Engines K.K. 株式会社",
        "title": "CTO",
        "phone": "+81 3-0000-0000",
        "industry": "Technology",
        "employees": "250",
        "city": "Tokyo",
        "country": "JP",
        "URL": "https://example.com",
        "lead_source": "Web",
        "description": "Need a demo & pricing",
        "00N5Y00000UB3YS": "custom value",
    }


def test_what_a_script_sends_instead_of_the_event_of_google_forms() -> None:
    assert only(read("google_forms", b'{"Mail": "a@b.jp", "Many": ["x", "y"]}'), Form).values == {
        "Mail": "a@b.jp",
        "Many": ["x", "y"],
    }


@pytest.mark.parametrize(
    ("provider", "good"),
    [
        ("json", [TestJson.body]),
        ("zapier", TestZapier.body),
        ("gravity_forms", TestGravityForms.body),
        ("google_forms", {"namedValues": TestGoogleForms.body}),
        ("marketo", TestMarketo.body),
    ],
)
@examples
@any_of(data=st.data())
def test_any_form(provider: Provider, good: Any, data: st.DataObject) -> None:
    read(provider, json.dumps(data.draw(bent(good))).encode())


@examples
@any_of(st.text())
def test_any_web_to_lead(body: str) -> None:
    read("salesforce_web_to_lead", body.encode("utf-8", "surrogatepass"), "application/x-www-form-urlencoded")
