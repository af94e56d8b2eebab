"""HubSpot."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given as any_of

from services.ingest.providers import PROVIDERS, Access, Broken, Form, Happened, Nothing, Thin, Verdict
from services.ingest.providers.base import Entry
from shared.config.sources import Source
from tests.ingest.api import serving
from tests.ingest.door import Door
from tests.ingest.providers.bent import bent, examples, fetched, read
from tests.ingest.providers.provider_contract import (
    ADDRESS,
    SECRET,
    Posted,
    ProviderContract,
    delivery,
    given,
    given_json,
    lead_values,
    only,
)

EVENT: dict[str, Any] = {
    "eventId": 3816279340,
    "subscriptionId": 25,
    "portalId": 33,
    "occurredAt": 1795143600000,
    "subscriptionType": "contact.creation",
    "attemptNumber": 0,
    "objectId": 1246965,
}
CONTACT: dict[str, Any] = {
    "id": "1246965",
    "properties": {
        "email": "mei@acme.co.jp",
        "firstname": "芽衣",
        "lastname": "山田",
        "mobilephone": "090-1234-5678",
        "phone": "03-1234-5678",
        "company": "株式会社アクメ",
        "industry": None,
        "shoe_size": "42",
    },
    "updatedAt": "2026-11-20T03:00:00Z",
}
CALL: dict[str, Any] = {
    "objectTypeId": "0-48",
    "objectId": 4711,
    "properties": {
        "hs_timestamp": {"value": "1795484400000"},
        "hs_call_direction": {"value": "OUTBOUND"},
        "hs_call_disposition": {"value": "f240bbac-87c9-4f6e-bf70-924b57d47db7"},
        "hs_call_status": {"value": "COMPLETED"},
        "hs_call_duration": {"value": "60400"},
        "hs_call_to_number": {"value": "090-1234-5678"},
        "hs_call_from_number": {"value": "03-0000-0000"},
        "hubspot_owner_id": {"value": "77"},
    },
}
PERSON: dict[str, Any] = {
    "vid": 251,
    "properties": {"email": {"value": "mei@acme.co.jp"}, "lastname": {"value": "山田"}},
    "associated-company": {"properties": {"name": {"value": "株式会社アクメ"}, "phone": {"value": "03-0000-0000"}}},
}


def signed(body: bytes, secret: str, at_s: float, url: str = ADDRESS) -> Posted:
    stamp = str(int(at_s * 1000))
    text = f"POST{url}".encode() + body + stamp.encode()
    signature = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": stamp}
    return Posted(body, headers | {"Content-Type": "application/json"})


class TestHubSpot(ProviderContract):
    provider = "hubspot"
    batches = True

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        attempt = int(at_s) % 10  # a repetition counts its attempts
        return signed(json.dumps([EVENT | {"attemptNumber": attempt} | dict(change)]).encode(), secret, at_s)

    def unmapped(self, secret: str, at_s: float) -> None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret, at_s)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        (notice,) = await door.rows("select id, reference::text, state from ingest.fetches")
        assert json.loads(notice["reference"]) == {"contact": "1246965", "at": 1795143600000}
        assert notice["state"] == "waiting"

    async def test_a_contact_and_a_company_of_workflows(self, door: Door, source: Source) -> None:
        at_s = self.now_s(door)
        answer = await self.post(door, signed(json.dumps(PERSON).encode(), SECRET, at_s))
        lead = (await door.get(f"/v1/leads/{answer.json()['lead_id']}")).json()
        assert lead["external_ids"] == ["hubspot:251"]
        assert lead_values(lead) == {"email": "mei@acme.co.jp", "last_name": "山田", "company_name": "株式会社アクメ"}
        company = {
            "objectType": "COMPANY",
            "objectId": 251,
            "properties": {"name": {"value": "アクメ"}, "numberofemployees": {"value": "350"}},
        }
        first = (await self.post(door, signed(json.dumps(company).encode(), SECRET, at_s))).json()
        company["properties"]["numberofemployees"]["value"] = "400"  # type: ignore[index]
        again = (await self.post(door, signed(json.dumps(company).encode(), SECRET, at_s))).json()
        assert first["lead_id"] == again["lead_id"] != lead["lead_id"]
        of_company = (await door.get(f"/v1/leads/{first['lead_id']}")).json()
        assert of_company["external_ids"] == ["hubspot:company:251"]
        assert of_company["fields"]["company_name"]["value"] == "アクメ"

    async def test_a_call_of_a_workflow_is_one_of_the_contact_whom_we_know(self, door: Door, source: Source) -> None:
        at_s = self.now_s(door)
        lead = (await self.post(door, signed(json.dumps(PERSON).encode(), SECRET, at_s))).json()["lead_id"]
        callee = {"hs_call_callee_object_id": {"value": "251"}, "hs_call_callee_object_type_id": {"value": "0-1"}}
        said = CALL | {"properties": CALL["properties"] | callee}
        first = (await self.post(door, signed(json.dumps(said).encode(), SECRET, at_s))).json()
        assert (first["lead_id"], first["duplicate"]) == (lead, False)
        said["properties"]["hs_call_duration"] = {"value": "70000"}
        again = (await self.post(door, signed(json.dumps(said).encode(), SECRET, at_s))).json()
        assert again == first | {"duplicate": True}

    async def test_a_batch_is_judged_event_by_event(self, door: Door, source: Source) -> None:
        changed = EVENT | {"eventId": 2, "subscriptionType": "contact.propertyChange", "propertyName": "email"}
        gone = EVENT | {"eventId": 3, "subscriptionType": "contact.deletion"}
        batch = [EVENT, changed, gone, {"eventId": 4, "subscriptionType": "contact.creation"}, 7, EVENT]
        answer = await self.post(door, signed(json.dumps(batch).encode(), SECRET, self.now_s(door)))
        assert answer.status_code == 202
        results = answer.json()["results"]
        assert [r.get("duplicate") for r in results[:2]] == [False, False]
        assert "ignored" in results[2]
        assert [bool(r.get("errors")) for r in results] == [False, False, False, True, True, False]
        assert results[0]["event_id"] == results[5]["event_id"]
        assert results[5]["duplicate"] is True
        assert [row["id"] for row in await door.rows("select id from ingest.fetches order by id")] == [
            "2 1246965",
            "3816279340 1246965",
        ]

    async def test_of_what_changed_no_value_is_kept_with_the_notice(self, door: Door, source: Source) -> None:
        changed = {
            "subscriptionType": "contact.propertyChange",
            "propertyName": "email",
            "propertyValue": "mei@acme.co.jp",
        }
        self.receipt(await self.post(door, self.valid(SECRET, self.now_s(door), changed)))
        (notice,) = await door.rows("select raw::text from ingest.fetches")
        kept = json.loads(notice["raw"])
        assert kept == {name: said for name, said in (EVENT | changed).items() if name != "propertyValue"}


def test_the_vector() -> None:
    vector, body = given_json("hubspot/vector_v1_v2_v3.headers.json"), given("hubspot/vector_v1_v2_v3.body")
    verify, secret, url = PROVIDERS["hubspot"].verify, vector["client_secret"], vector["url"]
    v1, v2, v3 = ({k: v for k, v in vector[n].items() if k.startswith("x-")} for n in ("v1", "v2", "v3"))
    at_s = vector["v3"]["freeze_clock_ms"] / 1000
    for headers in (v1, v2, v3):
        assert verify(delivery(Posted(body, headers), at_s, url), [secret]) is Verdict.GENUINE
        assert verify(delivery(Posted(body, headers), at_s, url), ["other", secret]) is Verdict.GENUINE
        assert verify(delivery(Posted(body, headers), at_s, url), ["other"]) is Verdict.WRONG
        assert verify(delivery(Posted(body + b" ", headers), at_s, url), [secret]) is Verdict.WRONG
    for headers in (v2, v3):
        assert verify(delivery(Posted(body, headers), at_s, url + "?a=1"), [secret]) is Verdict.WRONG
    assert verify(delivery(Posted(body, v3), at_s + 301, url), [secret]) is Verdict.STALE
    assert verify(delivery(Posted(body, v2), at_s + 301, url), [secret]) is Verdict.GENUINE, "it signs no time"
    assert verify(delivery(Posted(body, v2 | v3), at_s + 301, url), [secret]) is Verdict.STALE
    swapped = v2 | {"x-hubspot-signature-version": "v1"}
    assert verify(delivery(Posted(body, swapped), at_s, url), [secret]) is Verdict.WRONG


def test_some_characters_of_the_address_are_signed_decoded() -> None:
    decoded = "https://leads.example.co.jp/v1/webhooks/hubspot?team=a/b@c&q=%E3%81%82"
    encoded = "https://leads.example.co.jp/v1/webhooks/hubspot?team=a%2Fb%40c&q=%E3%81%82"
    verify = PROVIDERS["hubspot"].verify
    for url in (decoded, encoded):
        assert verify(delivery(signed(b"[]", "key", 1.7e9, url), 1.7e9, encoded), ["key"]) is Verdict.GENUINE
    assert verify(delivery(signed(b"[]", "key", 1.7e9, decoded + "x"), 1.7e9, encoded), ["key"]) is Verdict.WRONG


@pytest.mark.parametrize("name", ["docs_contact_events_eventType.body", "docs_contact_events_subscriptionType.body"])
def test_the_events_of_the_documentation(name: str) -> None:
    payload = read("hubspot", given(f"hubspot/{name}"))
    assert payload is not None
    assert payload.is_batch
    notices = [entry for entry in payload.entries if isinstance(entry, Thin)]
    assert [(n.id, n.reference) for n in notices] == [
        ("3816279340 1246965", {"contact": "1246965", "at": 1462216307945}),
        ("3816279480 1246978", {"contact": "1246978", "at": 1462216307945}),
    ]


def test_the_given_objects_of_workflows() -> None:
    contact = only(read("hubspot", given("hubspot/workflow_webhook_contact.captured.body")), Form)
    assert contact.external_id == "hubspot:251"
    assert {name: contact.values[name] for name in ("email", "firstname", "lastname", "jobtitle", "company")} == {
        "email": "kovatif642@cyclesat.com",
        "firstname": "Kovat",
        "lastname": "Tif",
        "jobtitle": "Writer",
        "company": "Cyclesat",
    }
    assert contact.observed_at is not None
    assert contact.observed_at.isoformat() == "2023-04-02T15:08:42.728000+00:00"
    company = only(read("hubspot", given("hubspot/workflow_webhook_company.captured.body")), Form)
    assert company.external_id == "hubspot:company:7298894071"
    names = ("company", "website", "industry", "numberofemployees", "phone")
    assert {name: company.values[name] for name in names} == {
        "company": "Google",
        "website": "google.com",
        "industry": "COMPUTER_SOFTWARE",
        "numberofemployees": "10000",
        "phone": "+1 650-253-0000",
    }


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"subscriptionType": "object.creation", "objectTypeId": "0-1"}, Thin),
        ({"subscriptionType": "object.creation", "objectTypeId": "0-2"}, Nothing),
        ({"subscriptionType": "contact.privacyDeletion"}, Nothing),
        ({"subscriptionType": "company.creation"}, Nothing),
        ({"subscriptionType": None}, Broken),
        ({"eventId": "a b"}, Broken),
        ({"objectId": [1]}, Broken),
    ],
)
def test_kinds_of_events(event: dict[str, Any], kind: type) -> None:
    only(read("hubspot", json.dumps(EVENT | event).encode()), kind)


def call_with(**change: str) -> Entry:
    properties = CALL["properties"] | {f"hs_call_{name}": {"value": value} for name, value in change.items()}
    payload = read("hubspot", json.dumps(CALL | {"properties": properties}).encode())
    assert payload is not None
    return payload.entries[0]


@pytest.mark.parametrize(
    ("disposition", "outcome"),
    [
        ("f240bbac-87c9-4f6e-bf70-924b57d47db7", "conversation"),
        ("A4C4C377-D246-4B32-A13B-75A56A4CD0FF", "gatekeeper"),
        ("b2cf5968-551e-4856-9783-52b3da59a7d0", "voicemail"),
        ("73a0d17f-1163-4015-bdd5-ec830791da20", "no_answer"),
        ("9d9162e7-6cf3-4944-bf63-4dff82258764", "busy"),
        ("17b47fee-58de-441e-a44c-c6300d46f273", "invalid_number"),
    ],
)
def test_what_a_rep_says_of_a_call_is_its_outcome(disposition: str, outcome: str) -> None:
    is_talk = outcome in ("conversation", "gatekeeper")
    said = call_with(disposition=disposition)
    assert isinstance(said, Happened)
    assert said.activity == {
        "id": "call 4711",
        "type": "call",
        "occurred_at": datetime(2026, 11, 24, 1, 40, tzinfo=UTC),
        "lead": {"phone": "090-1234-5678"},
        "rep": "77",
        "direction": "outbound",
        "outcome": outcome,
        "duration_s": 60 if is_talk else None,
    }


def test_what_the_telephone_says_counts_where_no_rep_has_said_anything() -> None:
    for status, outcome in (("COMPLETED", "gatekeeper"), ("BUSY", "busy"), ("MISSED", "no_answer")):
        said = call_with(disposition="", status=status, direction="INBOUND")
        assert isinstance(said, Happened)
        assert said.activity["outcome"] == outcome
        assert (said.activity["direction"], said.activity["lead"]) == ("inbound", {"phone": "03-0000-0000"})
    for status in ("RINGING", "IN_PROGRESS", ""):
        assert isinstance(call_with(disposition="of-their-own", status=status), Nothing)
    without = CALL | {"properties": CALL["properties"] | {"hs_call_direction": None}}
    assert read("hubspot", json.dumps(without).encode()) is None, "whose call it was is not guessed"


async def test_a_contact_is_fetched_with_the_properties_that_are_mapped() -> None:
    async with serving((200, CONTACT)) as api, httpx.AsyncClient() as client:
        access = Access("secret-token", api.url, {"shoe_size": "usage", "email": "email"})
        form = await PROVIDERS["hubspot"].fetch(client, {"contact": "1246965", "at": 1795143600000}, access)
    (asked,) = api.asked
    assert asked.path.startswith("/crm/v3/objects/contacts/1246965?properties=")
    assert "shoe_size" in asked.path
    assert "secret-token" not in asked.path
    assert asked.headers["authorization"] == "Bearer secret-token"
    assert isinstance(form, Form)
    assert form.external_id == "hubspot:1246965"
    assert form.observed_at is not None
    assert form.observed_at.isoformat() == "2026-11-20T03:00:00+00:00"
    assert list(form.values).index("phone") < list(form.values).index("mobilephone")
    assert "industry" not in form.values


@examples
@any_of(bent([EVENT, EVENT | {"subscriptionType": "contact.propertyChange"}]) | bent(PERSON) | bent(CALL))
def test_any_form(body: Any) -> None:
    read("hubspot", json.dumps(body).encode())


@examples
@any_of(bent(CONTACT), bent(1795143600000))
def test_any_contact(contact: Any, at: Any) -> None:
    asyncio.run(fetched("hubspot", {"contact": "1246965", "at": at}, json.dumps(contact).encode()))
