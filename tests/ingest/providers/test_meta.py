"""Meta lead ads."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from hypothesis import given as any_of

from services.ingest.providers import PROVIDERS, Access, Broken, Form, Nothing, Thin, Verdict
from shared.config.sources import Source
from tests.ingest.api import serving
from tests.ingest.door import Door
from tests.ingest.providers.bent import bent, examples, fetched, read
from tests.ingest.providers.provider_contract import (
    SECRET,
    Posted,
    ProviderContract,
    delivery,
    given,
    given_json,
    only,
)

VALUE = {"form_id": "172036", "leadgen_id": "233370042045345", "created_time": 1795143600, "page_id": "138124"}
CHANGE = {"field": "leadgen", "value": VALUE}
BODY: dict[str, Any] = {
    "object": "page",
    "entry": [{"id": "138124", "time": 1795143601, "changes": [CHANGE]}],
}
LEAD: dict[str, Any] = {
    "id": "233370042045345",
    "created_time": "2026-11-20T03:00:00+0000",
    "form_id": "172036",
    "field_data": [
        {"name": "full_name", "values": ["山田 芽衣"]},
        {"name": "email", "values": ["mei@home.example.jp"]},
        {"name": "work_email", "values": ["mei@acme.co.jp"]},
        {"name": "interests", "values": ["a", "b"]},
    ],
}


def signed(body: bytes, secret: str) -> Posted:
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Posted(body, {"X-Hub-Signature-256": signature, "Content-Type": "application/json"})


class TestMeta(ProviderContract):
    provider = "meta"
    signs_time = False

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        page = BODY["entry"][0] | {"time": int(at_s)}
        return signed(json.dumps(BODY | {"entry": [page]}).encode(), secret)

    def unmapped(self, secret: str, at_s: float) -> None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        (notice,) = await door.rows("select id, reference::text, state from ingest.fetches")
        assert notice["id"] == "233370042045345"
        assert json.loads(notice["reference"]) == {"leadgen_id": "233370042045345", "at": 1795143600}

    async def test_the_challenge(self, door: Door, source: Source) -> None:
        given_ = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": SECRET}
        answer = await door.get("/v1/webhooks/source", **given_)
        assert (answer.status_code, answer.text) == (200, "1158201444")
        assert answer.headers["content-type"].startswith("text/plain")
        for wrong in (
            {"hub.verify_token": "other"},
            {"hub.verify_token": "é"},
            {"hub.mode": "x"},
            {"hub.challenge": ""},
        ):
            assert (await door.get("/v1/webhooks/source", **given_ | wrong)).status_code == 403
        assert (await door.get("/v1/webhooks/source")).status_code == 403

    async def test_a_batch(self, door: Door, source: Source) -> None:
        other = {"field": "leadgen", "value": VALUE | {"leadgen_id": 2}}
        page = BODY["entry"][0] | {"changes": [CHANGE, other, {"field": "feed"}, {"field": "leadgen"}]}
        answer = await self.post(door, signed(json.dumps(BODY | {"entry": [page]}).encode(), SECRET))
        results = answer.json()["results"]
        assert [r.get("duplicate") for r in results] == [False, False, None, None]
        assert [bool(r.get("errors")) for r in results] == [False, False, False, True]
        (kept,) = (await door.get("/v1/quarantine")).json()["items"]
        assert json.loads(kept["body"])["entry"][0]["changes"] == [{"field": "leadgen"}]


def test_the_vectors() -> None:
    verify = PROVIDERS["meta"].verify
    for name in ("vector1_thirdparty", "vector2_github_docs"):
        vector = given_json(f"meta-leadgen/{name}.headers.json")
        posted = Posted(given(f"meta-leadgen/{name}.body"), vector["headers"])
        secret = vector.get("app_secret") or vector["secret"]
        if name.endswith("docs"):
            posted = posted._replace(body=posted.body.removesuffix(b"\n"))
        assert verify(delivery(posted), [secret]) is Verdict.GENUINE
        assert verify(delivery(posted), ["other"]) is Verdict.WRONG
        assert verify(delivery(posted._replace(body=posted.body + b" ")), [secret]) is Verdict.WRONG


def test_the_given_challenge() -> None:
    vector = given_json("meta-leadgen/verify_get.json")
    query = dict(parse_qsl(urlsplit(vector["request"].split(" ")[1]).query))
    reply = PROVIDERS["meta"].answer_get(query, ["app-secret"], vector["verify_token"])
    assert reply is not None
    assert (reply.body, reply.media_type) == (vector["expected_body_text_plain"], "text/plain")
    assert PROVIDERS["meta"].answer_get(query, [vector["verify_token"]], "another") is None
    assert PROVIDERS["meta"].answer_get(query, [], None) is None


def test_the_given_deliveries() -> None:
    one = only(read("meta", given("meta-leadgen/leadgen.body")), Thin)
    assert (one.id, one.reference["at"]) == ("233370042045345", 1630087926)
    batch = read("meta", given("meta-leadgen/leadgen_batch_docs.body"))
    assert batch is not None
    assert batch.is_batch
    assert [e.id for e in batch.entries if isinstance(e, Thin)] == ["123123123123", "123123123124"]
    for entry in batch.entries:
        alone = only(read("meta", json.dumps(entry.raw).encode()), Thin)
        assert alone == entry
    only(read("meta", given("meta-leadgen/vector1_thirdparty.body")), Nothing)


async def test_the_given_lead_is_fetched() -> None:
    lead = given_json("meta-leadgen/graph_lead_response_docs.json")
    async with serving((200, lead)) as api, httpx.AsyncClient() as client:
        reference = {"leadgen_id": "123123123123", "at": 1440120384}
        form = await PROVIDERS["meta"].fetch(client, reference, Access("secret-token", api.url + "/v24.0/"))
    (asked,) = api.asked
    assert asked.path.startswith("/v24.0/123123123123?fields=created_time%2Cfield_data")
    assert "secret-token" not in asked.path
    assert asked.headers["authorization"] == "Bearer secret-token"
    assert isinstance(form, Form)
    assert form.external_id == "meta:123123123123"
    assert form.observed_at is not None
    assert form.observed_at.isoformat() == "2015-02-28T08:49:14+00:00"
    assert form.values == {
        "email": ["joe@example.com"],
        "car_make": ["Honda"],
        "full_name": ["Joe Example"],
        "selected_dealer": ["99213450"],
        "ad_id": "<AD_ID>",
        "form_id": "<FORM_ID>",
    }


async def test_the_address_at_work_is_preferred() -> None:
    form = await fetched("meta", {"leadgen_id": "1"}, json.dumps(LEAD).encode())
    assert isinstance(form, Form)
    assert next(iter(form.values)) == "work_email"


def test_a_notice_without_id_is_broken() -> None:
    page = BODY["entry"][0] | {"changes": [{"field": "leadgen", "value": {"leadgen_id": True}}]}
    only(read("meta", json.dumps(BODY | {"entry": [page]}).encode()), Broken)


@examples
@any_of(bent(BODY))
def test_any_form(body: Any) -> None:
    read("meta", json.dumps(body).encode())


@examples
@any_of(bent(LEAD), bent(1440120384))
def test_any_lead(lead: Any, at: Any) -> None:
    asyncio.run(fetched("meta", {"leadgen_id": "1", "at": at}, json.dumps(lead).encode()))
