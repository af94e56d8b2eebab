"""LinkedIn lead gen forms."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given as any_of

from services.ingest.providers import PROVIDERS, Access, Form, Nothing, Thin, Verdict
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

CODE = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
BODY: dict[str, Any] = {
    "type": "LEAD_ACTION",
    "leadGenFormResponse": "urn:li:leadGenFormResponse:1a2b3c-4",
    "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:1,1)",
    "owner": {"organization": "urn:li:organization:123"},
    "leadType": "SPONSORED",
    "leadAction": "CREATED",
    "occurredAt": 1795143600000,
}
LEAD: dict[str, Any] = {
    "id": "1a2b3c-4",
    "submittedAt": 1795143590000,
    "testLead": False,
    "formResponse": {
        "answers": [
            {"questionId": 1, "answerDetails": {"textQuestionAnswer": {"answer": "mei@acme.co.jp"}}},
            {"questionId": 2, "answerDetails": {"textQuestionAnswer": {"answer": "山田"}}},
            {"questionId": 3, "answerDetails": {"multipleChoiceAnswer": {"options": [12]}}},
            {"questionId": 9, "answerDetails": {"textQuestionAnswer": {"answer": "42"}}},
        ]
    },
    "form": {
        "hiddenFields": [{"name": "campaign", "value": "spring-webinar"}],
        "content": {
            "questions": [
                {"questionId": 1, "predefinedField": "EMAIL", "name": "E-mail"},
                {"questionId": 2, "predefinedField": "LAST_NAME"},
                {
                    "questionId": 3,
                    "name": "size",
                    "question": {"localized": {"ja_JP": "従業員数は？"}},
                    "questionDetails": {
                        "multipleChoiceQuestionDetails": {
                            "options": [
                                {"id": 11, "text": {"localized": {"ja_JP": "50"}}},
                                {"id": 12, "text": {"localized": {"ja_JP": "350"}}},
                            ]
                        }
                    },
                },
            ]
        },
    },
}


def signed(body: bytes, secret: str) -> Posted:
    signature = hmac.new(secret.encode(), b"hmacsha256=" + body, hashlib.sha256).hexdigest()
    return Posted(body, {"X-LI-Signature": signature, "Content-Type": "application/json"})


class TestLinkedIn(ProviderContract):
    provider = "linkedin"
    signs_time = False

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return signed(json.dumps(BODY).encode(), secret)

    def unmapped(self, secret: str, at_s: float) -> None:
        return None

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        (notice,) = await door.rows("select id, reference::text from ingest.fetches")
        assert notice["id"] == "urn:li:leadGenFormResponse:1a2b3c-4 CREATED 1795143600000"
        assert json.loads(notice["reference"])["response"] == "urn:li:leadGenFormResponse:1a2b3c-4"

    async def test_the_challenge(self, door: Door, source: Source) -> None:
        answer = await door.get("/v1/webhooks/source", challengeCode=CODE)
        expected = hmac.new(SECRET.encode(), CODE.encode(), hashlib.sha256).hexdigest()
        assert answer.status_code == 200
        assert answer.json() == {"challengeCode": CODE, "challengeResponse": expected}
        body = json.dumps(BODY)
        for forged in (body, "hmacsha256=" + body, "", "{}", "a" * 101, "é"):
            assert (await door.get("/v1/webhooks/source", challengeCode=forged)).status_code == 403, forged
        assert (await door.get("/v1/webhooks/source")).status_code == 403


def test_the_given_delivery_in_each_reading_of_its_signature() -> None:
    vector = given_json("linkedin/lead_action_synthetic.headers.json")
    body, verify, secret = (
        given("linkedin/lead_action_synthetic.body"),
        PROVIDERS["linkedin"].verify,
        vector["client_secret"],
    )
    for name in ("x-li-signature_docs_reading", "x-li-signature_plain_body_reading"):
        for prefix in ("", "hmacsha256="):
            posted = Posted(body, {"x-li-signature": prefix + vector[name]})
            assert verify(delivery(posted), [secret]) is Verdict.GENUINE
            assert verify(delivery(posted), ["other"]) is Verdict.WRONG
            assert verify(delivery(posted._replace(body=body + b" ")), [secret]) is Verdict.WRONG
    notice = only(read("linkedin", body), Thin)
    assert notice.id == "urn:li:leadGenFormResponse:1a2b3c-4 CREATED 1756051200"


def test_the_given_challenge() -> None:
    vector = given_json("linkedin/challenge_docs.json")
    query = dict(parse_qsl(urlsplit(vector["request"].split(" ")[1]).query))
    reply = PROVIDERS["linkedin"].answer_get(query, ["secret"], None)
    assert reply is not None
    assert reply.media_type == "application/json"
    assert reply.body.keys() == vector["response_200_application_json"].keys()
    assert reply.body["challengeCode"] == vector["response_200_application_json"]["challengeCode"]
    assert PROVIDERS["linkedin"].answer_get(query, [], None) is None


async def test_a_response_is_fetched() -> None:
    async with serving((200, LEAD)) as api, httpx.AsyncClient() as client:
        reference = {"response": BODY["leadGenFormResponse"], "at": BODY["occurredAt"]}
        form = await PROVIDERS["linkedin"].fetch(client, reference, Access("secret-token", api.url))
    (asked,) = api.asked
    assert asked.path.startswith("/leadFormResponses/1a2b3c-4?fields=id,")
    assert "form:(hiddenFields,name,id,content)" in asked.path
    assert asked.headers["authorization"] == "Bearer secret-token"
    assert asked.headers["x-restli-protocol-version"] == "2.0.0"
    assert asked.headers["linkedin-version"].isdigit()
    assert isinstance(form, Form)
    assert form.values == {
        "EMAIL": "mei@acme.co.jp",
        "LAST_NAME": "山田",
        "campaign": "spring-webinar",
        "size": ["350"],
        "9": "42",
    }
    assert form.also["size"] == ["従業員数は？", "3"]
    assert form.external_id == "linkedin:1a2b3c-4"
    assert form.observed_at is not None
    assert form.observed_at.isoformat() == "2026-11-20T02:59:50+00:00"


async def test_a_test_lead_has_no_effect() -> None:
    entry = await fetched("linkedin", {"response": "1"}, json.dumps(LEAD | {"testLead": True}).encode())
    assert isinstance(entry, Nothing)


@pytest.mark.parametrize("change", [{"leadAction": "DELETED"}, {"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS"}])
def test_other_notices_have_no_effect(change: dict[str, Any]) -> None:
    only(read("linkedin", json.dumps(BODY | change).encode()), Nothing)


@examples
@any_of(bent(BODY))
def test_any_form(body: Any) -> None:
    read("linkedin", json.dumps(body).encode())


@examples
@any_of(bent(LEAD), bent(1795143600000))
def test_any_lead(lead: Any, at: Any) -> None:
    asyncio.run(fetched("linkedin", {"response": "urn:1", "at": at}, json.dumps(lead).encode()))
