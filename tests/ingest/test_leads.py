"""Typed forms, hearings, tool results; the lead that is answered."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from shared.events import LeadCreated, LeadFields
from tests.ingest.door import NOW, Door, call

FIELDS = {"email": "Taro@Example.co.jp", "company_name": "株式会社テスト", "employees": "２，００１名"}


async def hear(door: Door, lead_id: str, answers: dict[str, Any], **more: Any) -> Any:
    body = {"rep": "tanaka", "heard_at": "2026-11-20T10:00:00+09:00", "channel": "call", "answers": answers} | more
    return await door.post(f"/v1/leads/{lead_id}/hearings", body)


async def tool(door: Door, lead_id: str, fields: dict[str, Any], **more: Any) -> Any:
    body = {"tool": "company-data", "observed_at": "2026-11-20T10:00:00+09:00", "fields": fields} | more
    return await door.post(f"/v1/leads/{lead_id}/tool-results", body)


async def test_a_form_is_a_lead(door: Door) -> None:
    body = {"external_id": "hubspot:1", "fields": FIELDS, "observed_at": "2026-11-20T09:00:00+09:00"}
    made = await door.post("/v1/leads", body | {"campaign": "spring-webinar"})
    assert made.status_code == 201
    lead = made.json()
    fields = lead.pop("fields")
    lead_id = lead.pop("lead_id")
    assert made.headers["Location"] == f"/v1/leads/{lead_id}"
    assert lead == {
        "external_ids": ["hubspot:1"],
        "stage": "Awareness",
        "created_at": "2026-11-20T00:00:00Z",
        "campaign": "spring-webinar",
        "company": {"domain": "example.co.jp", "name": "株式会社テスト"},
    }
    assert {name: answer["value"] for name, answer in fields.items()} == {
        "email": "taro@example.co.jp",
        "company_name": "株式会社テスト",
        "employees": 2001,
    }
    assert fields["email"]["method"] == "form"
    assert fields["email"]["observed_at"] == "2026-11-20T00:00:00Z"
    created, told = await door.outbox()
    assert isinstance(created.data, LeadCreated)
    assert created.data.external_ids == ["hubspot:1"]
    assert (created.data.campaign, created.data.via) == ("spring-webinar", "fields")
    assert isinstance(told.data, LeadFields)
    assert {o.observation_id for o in told.data.observations} == {f["observation_id"] for f in fields.values()}
    assert created.key == told.key == lead_id
    assert created.time == told.time == told.data.observations[0].observed_at
    assert (await door.get(f"/v1/leads/{lead_id}")).json()["fields"] == fields


@pytest.mark.parametrize("lead_id", ["crm/42", "顧客-1", "a?b#c", "é"])
async def test_a_lead_is_found_by_whatever_its_id_is(door: Door, lead_id: str) -> None:
    assert (await door.post("/v1/activities", call(lead_id=lead_id))).status_code == 202
    heard = await hear(door, quote(lead_id, safe=""), {"website": {"value": "https://acme.co.jp"}})
    assert (heard.status_code, heard.json()["lead_id"]) == (201, lead_id)
    assert (await door.get(heard.headers["Location"])).json() == heard.json()
    asked = await door.post(f"/v1/leads/{quote(lead_id, safe='')}/tag-scan", b"")
    assert (asked.status_code, asked.json()["lead_id"]) == (202, lead_id)
    assert (await door.get(asked.headers["Location"])).json() == asked.json()


async def test_the_same_request_again_changes_nothing(door: Door) -> None:
    first, again = [
        await door.post("/v1/leads", {"fields": FIELDS}, headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len(await door.outbox("lead-fields")) == 1
    await door.rows("delete from access.idempotency")  # as if the process had died before it stored its answer
    known = await door.post("/v1/leads", {"fields": FIELDS}, headers={"Idempotency-Key": "once"})
    assert (known.status_code, known.json()) == (200, first.json())
    assert len(await door.outbox("lead-fields")) == 1


async def test_what_is_said_again_counts_again(door: Door) -> None:
    """Without an Idempotency-Key each request is a submission of its own, whatever was said before."""
    for minute, title in enumerate(("課長", "部長", "課長")):
        door.clock.at = NOW + timedelta(minutes=minute)
        lead = await door.lead({"email": "a@example.co.jp", "title": title})
    assert lead["fields"]["title"]["value"] == "課長"
    assert lead["fields"]["title"]["observed_at"] == "2026-11-24T03:02:00Z"
    assert len(await door.outbox("lead-created")) == 1


async def test_nobody_is_known_by_what_a_form_says_alone(door: Door) -> None:
    form = {"fields": {"last_name": "山田", "company_name": "株式会社例"}}
    one, other = [await door.post("/v1/leads", form) for _ in range(2)]
    assert (one.status_code, other.status_code) == (201, 201)
    assert one.json()["lead_id"] != other.json()["lead_id"]


async def test_who_was_erased_and_writes_again_is_a_new_lead(door: Door) -> None:
    before = await door.lead(FIELDS)
    await door.post(f"/v1/leads/{before['lead_id']}/erase", {"reason": "本人の請求"})
    again = await door.post("/v1/leads", {"fields": FIELDS})
    assert again.status_code == 201
    assert again.json()["lead_id"] != before["lead_id"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"fields": {"employees": "many"}}, "/fields/employees"),
        ({"fields": {"shoe/size": 1}}, "/fields/shoe~1size"),
        ({"fields": {"budget": "confirmed"}}, "/fields/budget"),
        ({"fields": {}}, "/fields"),
        ({"fields": {"email": " "}}, "/fields"),
        ({"fields": FIELDS, "observed_at": "2026-11-20T09:00:00"}, "/observed_at"),
        ({"fields": FIELDS, "observed_at": "2026-11-20T09:00:00+0900"}, "/observed_at"),
        ({"fields": FIELDS, "observed_at": "2026-11-24T03:05:01Z"}, "/observed_at"),
        ({"fields": FIELDS, "external_id": "a b"}, "/external_id"),
        ({"fields": [1]}, "/fields"),
        ({}, ""),
    ],
)
async def test_a_wrong_form_is_refused_whole(door: Door, body: dict[str, Any], pointer: str) -> None:
    answer = await door.post("/v1/leads", body)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
    assert await door.outbox() == []


async def test_a_hearing_is_believed_before_a_form_and_keeps_the_words(door: Door) -> None:
    lead = await door.lead(FIELDS)
    answer = await hear(
        door,
        lead["lead_id"],
        {
            "employees": {"value": 350, "quote": "350名です"},
            "budget": {"status": "confirmed", "quote": "来期に確保済み"},
        },
    )
    assert answer.status_code == 201
    fields = answer.json()["fields"]
    assert fields["employees"]["value"] == 350
    assert (fields["employees"]["method"], fields["employees"]["by"], fields["employees"]["source"]) == (
        "hearing",
        "tanaka",
        "call",
    )
    assert fields["budget"]["status"] == "confirmed"
    assert fields["budget"]["quote"] == "来期に確保済み"
    assert "value" not in fields["budget"]
    assert answer.json()["created_at"] == "2026-11-20T01:00:00Z"
    again = await hear(
        door,
        lead["lead_id"],
        {
            "employees": {"value": 350, "quote": "350名です"},
            "budget": {"status": "confirmed", "quote": "来期に確保済み"},
        },
    )
    assert again.status_code == 201
    assert len(await door.outbox("lead-fields")) == 2
    assert [i["lead_id"] for i in (await door.get("/v1/leads", rep="tanaka")).json()["items"]] == [lead["lead_id"]]


@pytest.mark.parametrize(
    ("answers", "pointer"),
    [
        ({"budget": {"quote": "はい"}}, "/answers/budget"),
        ({"budget": {"status": "maybe"}}, "/answers/budget/status"),
        ({"employees": {"status": "confirmed"}}, "/answers/employees"),
        ({"website_tags": {"value": ["gtm"]}}, "/answers/website_tags"),
        ({"shoe_size": {"value": 1}}, "/answers/shoe_size"),
        ({}, "/answers"),
    ],
)
async def test_a_wrong_hearing_is_refused(door: Door, answers: dict[str, Any], pointer: str) -> None:
    lead = await door.lead(FIELDS)
    answer = await hear(door, lead["lead_id"], answers)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_what_was_asked_and_is_not_known_is_on_record_and_hides_nothing(door: Door) -> None:
    registry = door.runtime.config.fields
    asked = [field.id for field in registry if "hearing" in field.precedence]
    assert {registry.get(field).type for field in asked} >= {"text", "integer", "confirmation", "email", "url"}
    lead = await door.lead({"email": "a@example.co.jp", "employees": 350, "website": "https://example.co.jp/"})
    answer = await hear(door, lead["lead_id"], {field: {"status": "unknown"} for field in asked})
    assert answer.status_code == 201, answer.text
    now = answer.json()
    assert {field: now["fields"][field] for field in lead["fields"]} == lead["fields"]
    known = {field for field in now["fields"] if registry.get(field).type != "confirmation"}
    assert known == set(lead["fields"]), "and nothing is known by it"
    page = (await door.get(f"/v1/leads/{lead['lead_id']}/observations")).json()
    (said,) = [o for o in page["items"] if o["field"] == "employees" and o["method"] == "hearing"]
    assert (said["status"], said["winner"], "value" in said) == ("unknown", False, False)
    later = await hear(door, lead["lead_id"], {"employees": {"value": 400}})
    assert later.json()["fields"]["employees"]["value"] == 400
    assert await door.rows("select from ingest.leads where merged_into is not null") == []


@pytest.mark.parametrize(("length", "status"), [(0, 201), (200, 201), (201, 422)])
async def test_the_channel_of_a_hearing_is_told_on_as_it_is(door: Door, length: int, status: int) -> None:
    lead = await door.lead({"email": "a@example.co.jp"})
    answer = await hear(door, lead["lead_id"], {"needs": {"status": "confirmed"}}, channel="x" * length)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["errors"][0]["pointer"] == "/channel"
    else:
        assert answer.json()["fields"]["needs"]["source"] == ("x" * length or "hearing")


async def test_a_tool_result(door: Door) -> None:
    lead = await door.lead({"email": "a@example.co.jp"})
    answer = await tool(door, lead["lead_id"], {"employees": 2500, "website_tags": ["ga4", "gtm"]})
    assert answer.status_code == 201
    assert answer.json()["fields"]["employees"]["value"] == 2500
    assert answer.json()["fields"]["website_tags"]["value"] == ["ga4", "gtm"]
    wrong = await tool(door, lead["lead_id"], {"needs": "yes"})
    assert wrong.json()["errors"][0]["pointer"] == "/fields/needs"


@pytest.mark.parametrize(("seconds", "accepted"), [(299, True), (301, False), (-299, True), (-301, True)])
async def test_reliability_21_timestamps_of_forms_hearings_and_tools(door: Door, seconds: int, accepted: bool) -> None:
    at = (NOW + timedelta(seconds=seconds)).isoformat()
    lead_id = (await door.lead({"email": "a@example.co.jp"}))["lead_id"]
    answers = {
        "/observed_at": [
            await door.post("/v1/leads", {"fields": {"email": "b@example.co.jp"}, "observed_at": at}),
            await tool(door, lead_id, {"employees": 2500}, observed_at=at),
        ],
        "/heard_at": [await hear(door, lead_id, {"budget": {"status": "denied"}}, heard_at=at)],
    }
    for pointer, found in answers.items():
        for answer in found:
            assert answer.status_code == (201 if accepted else 422), answer.text
            assert accepted or answer.json()["errors"][0]["pointer"] == pointer


async def test_a_lead_that_nobody_knows(door: Door) -> None:
    assert (await hear(door, "nobody", {"budget": {"status": "denied"}})).status_code == 404
    assert (await tool(door, "nobody", {"employees": 1})).status_code == 404
    assert (await door.get("/v1/leads/nobody")).status_code == 404
    assert (await door.get("/v1/leads/nobody/observations")).status_code == 404
    assert await door.outbox() == []


async def test_an_erased_lead_is_gone(door: Door) -> None:
    lead = await door.lead(FIELDS)
    await door.rows("update ingest.leads set erased_at = now()")
    assert (await door.get(f"/v1/leads/{lead['lead_id']}")).status_code == 410
    assert (await hear(door, lead["lead_id"], {"budget": {"status": "denied"}})).status_code == 410
    refused = await door.post("/v1/activities", call(lead_id=lead["lead_id"]))
    assert refused.status_code == 422


async def test_a_merged_lead_answers_its_survivor(door: Door) -> None:
    kept, merged = await door.lead({"email": "a@example.co.jp"}), await door.lead({"email": "b@example.co.jp"})
    await door.rows("update ingest.leads set merged_into = $1 where lead_id = $2", kept["lead_id"], merged["lead_id"])
    assert (await door.get(f"/v1/leads/{merged['lead_id']}")).json()["lead_id"] == kept["lead_id"]
    answer = await door.post("/v1/activities", call(lead_id=merged["lead_id"]))
    assert answer.json()["results"][0]["lead_id"] == kept["lead_id"]
    assert (await door.lead({"email": "b@example.co.jp", "title": "部長"}))["lead_id"] == kept["lead_id"]


async def test_the_campaign_is_that_of_the_earliest_submission_that_has_one(door: Door) -> None:
    email = {"email": "a@example.co.jp"}
    await door.lead(email, observed_at="2026-11-20T00:00:00Z", campaign="late")
    await door.lead(email, observed_at="2026-11-18T00:00:00Z")
    lead = await door.lead(email, observed_at="2026-11-19T00:00:00Z", campaign="early")
    assert lead["campaign"] == "early"
    assert lead["created_at"] == "2026-11-18T00:00:00Z"


async def test_a_form_that_gives_an_id_alone_made_the_lead_known(door: Door) -> None:
    lead = await door.lead({}, external_id="hubspot:1", observed_at="2026-11-21T00:00:00Z")
    await door.post("/v1/activities", call(lead_id=lead["lead_id"]))
    assert (await door.get(f"/v1/leads/{lead['lead_id']}")).json()["created_at"] == "2026-11-21T00:00:00Z"


async def test_observations_tell_all_and_mark_the_winners(door: Door) -> None:
    lead = await door.lead({"employees": 100, "email": "a@example.co.jp"}, observed_at="2026-11-19T00:00:00Z")
    await door.lead({"employees": 200, "email": "a@example.co.jp"}, observed_at="2026-11-20T00:00:00Z")
    page = (await door.get(f"/v1/leads/{lead['lead_id']}/observations")).json()
    assert [(o["field"], o["value"], o["winner"]) for o in page["items"] if o["field"] == "employees"] == [
        ("employees", 200, True),
        ("employees", 100, False),
    ]
    assert page["unmapped"] == []
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        part = (await door.get(f"/v1/leads/{lead['lead_id']}/observations", **query)).json()
        seen += [o["observation_id"] for o in part["items"]]
        cursor = part["next_cursor"]
        if cursor is None:
            break
    assert seen == [o["observation_id"] for o in page["items"]]


async def test_the_field_registry(door: Door) -> None:
    items = {item["id"]: item for item in (await door.get("/v1/fields")).json()["items"]}
    assert items["employees"]["precedence"] == ["hearing", "tool", "form"]
    assert items["employees"]["label"] == {"ja": "従業員数", "en": "Employees"}


@pytest.mark.parametrize(
    "path", ["/v1/leads", "/v1/leads/x", "/v1/leads/x/observations", "/v1/fields", "/v1/quarantine"]
)
async def test_reading_needs_a_key(door: Door, path: str) -> None:
    answer = await door.http.get(path, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
