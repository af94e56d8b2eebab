"""Who read and changed what of a lead is on record before anybody is answered, and nothing of the person is."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from shared.audit import LEADS_MAX, AuditEvent, By, by_group
from shared.db import dsn
from shared.web import create_key
from tests.ingest.door import FORM, Door, call, open_door
from tests.ingest.imports.files import brought_in, leads, table

CANARY = "canary-mei"
NEEDS = {"status": "confirmed", "quote": "すぐに欲しい"}


async def on_record(door: Door, **query: Any) -> list[dict[str, Any]]:
    answer = await door.get("/v1/audit", **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def told(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Who did what, in the order in which it happened."""
    return [(item["who"], item["operation"]) for item in reversed(items)]


async def test_all_that_is_read_and_changed_of_a_lead(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    other = (await door.lead({"email": "kei@beta.co.jp"}))["lead_id"]
    reader = {"Authorization": f"Bearer {await create_key(door.runtime.engine, 'crm', ['leads:read'])}"}
    for path in ("", "/observations", "/consent", "/export"):
        await door.http.get(f"/v1/leads/{lead}{path}", headers=reader)
    await door.get("/v1/leads", domain="acme.co.jp")
    await door.get("/v1/leads", domain="beta.co.jp")
    await door.get("/v1/companies", domain="acme.co.jp")
    heard = {"rep": "tanaka", "channel": "call", "heard_at": "2026-11-23T10:00:00+09:00", "answers": {"needs": NEEDS}}
    await door.post(f"/v1/leads/{lead}/hearings", heard)
    await door.post("/v1/activities", [call(1, lead_id=lead), call(2, lead_id=other), call(3, lead_id=lead)])
    await door.post(f"/v1/leads/{lead}/consent", {"basis": "consent", "evidence": "名刺交換"})
    assert told(await on_record(door, lead_id=lead)) == [
        ("admin", "POST /v1/leads"),
        ("crm", "GET /v1/leads/{id}"),
        ("crm", "GET /v1/leads/{id}/observations"),
        ("crm", "GET /v1/leads/{id}/consent"),
        ("crm", "GET /v1/leads/{id}/export"),
        ("admin", "GET /v1/leads"),
        ("admin", "GET /v1/companies"),
        ("admin", "POST /v1/leads/{id}/hearings"),
        ("admin", "POST /v1/activities"),
        ("admin", "POST /v1/leads/{id}/consent"),
    ]
    (posted,) = [item for item in await on_record(door) if item["operation"] == "POST /v1/activities"]
    assert posted["lead_ids"] == sorted([lead, other])


async def test_by_caller_and_by_time_page_by_page(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    reader = {"Authorization": f"Bearer {await create_key(door.runtime.engine, 'crm', ['leads:read'])}"}
    for _ in range(5):
        await door.http.get(f"/v1/leads/{lead}", headers=reader)
    first = (await door.get("/v1/audit", who="crm", limit=3)).json()
    rest = (await door.get("/v1/audit", who="crm", limit=3, cursor=first["next_cursor"])).json()
    numbers = [item["number"] for item in first["items"] + rest["items"]]
    assert len(numbers) == 5
    assert numbers == sorted(numbers, reverse=True)
    assert rest["next_cursor"] is None
    newest = first["items"][0]["at"]
    assert len(await on_record(door, who="crm", since=newest)) == 1
    assert len(await on_record(door, who="crm", until=newest)) == 4


async def test_what_is_about_no_lead_is_on_record_too(door: Door) -> None:
    spent = {"id": "s1", "source": "ads", "type": "spend", "occurred_at": "2026-11-20T10:00:00+09:00"}
    answer = await door.post(
        "/v1/activities",
        spent
        | {
            "campaign": "autumn",
            "category": "marketing",
            "spent_on": "2026-11-20",
            "amount": {"value": "1000", "currency": "JPY"},
        },
    )
    assert answer.status_code == 202, answer.text
    (entry,) = await on_record(door)
    assert (entry["operation"], entry["lead_ids"]) == ("POST /v1/activities", [])


async def test_what_comes_without_a_key_names_its_source(door: Door) -> None:
    answer = await door.post("/v1/webhooks/website", b"email=mei%40acme.co.jp&submission_id=s1", headers=FORM)
    assert answer.status_code == 202, answer.text
    assert told(await on_record(door)) == [("webhook:website", "POST /v1/webhooks/{source}")]


async def test_a_refused_or_unknown_request_is_no_access(door: Door) -> None:
    await door.get("/v1/leads/nobody")
    await door.post("/v1/leads", {"fields": {"employee_count": "many"}})
    await door.post("/v1/activities", [call(1, type="dance")])
    await door.http.get("/v1/leads", headers={"Authorization": "Bearer wrong"})
    assert await on_record(door) == []


async def test_a_repeated_request_is_answered_with_the_lead_so_it_is_on_record_again(door: Door) -> None:
    for _ in range(2):
        await door.post("/v1/leads", {"fields": {"email": "mei@acme.co.jp"}}, headers={"Idempotency-Key": "once"})
    await door.post("/v1/leads", {"fields": {"email": "mei@acme.co.jp"}})
    assert told(await on_record(door)) == [("admin", "POST /v1/leads")] * 3


async def test_whoever_asks_for_the_survivor_sees_what_was_done_with_those_merged_into_it(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    other = (await door.lead({"email": "mei@gmail.com"}))["lead_id"]
    await door.post(f"/v1/leads/{other}/merge", {"into": lead})
    assert told(await on_record(door, lead_id=lead)) == [
        ("admin", "POST /v1/leads"),
        ("admin", "POST /v1/leads"),
        ("admin", "POST /v1/leads/{id}/merge"),
    ]


async def test_an_import_is_its_makers_and_its_rows_are_its_own(door: Door) -> None:
    await brought_in(door, table(leads(1)), dry_run="true")
    import_id = (await brought_in(door, table(leads(1))))["id"]
    (lead,) = (await door.get("/v1/leads")).json()["items"]
    (row,) = await on_record(door, who=f"import:{import_id}")
    assert row["lead_ids"] == [lead["lead_id"]]
    made = [item["subject"] for item in await on_record(door, who="admin") if item["operation"] == "POST /v1/imports"]
    assert made[0] == import_id
    assert {item["who"] for item in await on_record(door)} == {"admin", f"import:{import_id}"}, "a dry run does nothing"


async def test_nothing_of_the_person_is_on_record_and_an_erasure_leaves_it(door: Door) -> None:
    lead = (await door.lead({"email": f"{CANARY}@acme.co.jp", "last_name": CANARY}))["lead_id"]
    await door.get("/v1/leads", email=f"{CANARY}@acme.co.jp")
    await door.get("/v1/leads", q=CANARY)
    await door.post(f"/v1/leads/{lead}/erase", {"reason": CANARY})
    kept = await on_record(door, lead_id=lead)
    assert kept[0]["operation"] == "POST /v1/leads/{id}/erase"
    assert len(kept) == 4
    assert CANARY not in str(await door.rows("select * from access.audit"))


async def test_who_cannot_be_put_on_record_is_not_answered(emptied_database_url: str) -> None:
    async with open_door(emptied_database_url, statement_timeout_s=1) as door:
        await _not_put_on_record(door)


async def _not_put_on_record(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    hinderer = await asyncpg.connect(dsn(door.url))
    try:
        async with hinderer.transaction():
            await hinderer.execute("lock table access.audit in access exclusive mode")
            read, written = await asyncio.gather(
                door.get(f"/v1/leads/{lead}"), door.post("/v1/activities", call(1, lead_id=lead))
            )
    finally:
        await hinderer.close()
    assert (read.status_code, written.status_code) == (503, 503)
    assert await door.rows("select from ingest.events where source = 'dialer'") == []
    assert (await door.get(f"/v1/leads/{lead}")).status_code == 200


async def test_many_at_once_are_each_on_record(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    answers: list[httpx.Response] = await asyncio.gather(*(door.get(f"/v1/leads/{lead}") for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}
    (row,) = await door.rows("select count(*) as n from access.audit where operation = 'GET /v1/leads/{id}'")
    assert row["n"] == 60


async def test_every_endpoint_is_audited_but_those_that_are_open_to_all(door: Door) -> None:
    assert {e.operation for e in door.service.endpoints if not e.audited} == {
        "GET /v1/webhooks/{source}",
        "POST /v1/webhooks/{source}",
    }


@pytest.mark.parametrize(("about", "sizes"), [(0, []), (1, [1]), (LEADS_MAX, [LEADS_MAX]), (2_500, [1000, 1000, 500])])
def test_an_entry_is_of_bounded_size(about: int, sizes: list[int]) -> None:
    by, other = By("import:1", "POST /v1/imports"), By("crm", "POST /v1/leads")
    assert by_group([(by, None)]) == [AuditEvent(by, [])]
    events = by_group([(by, f"lead-{n % about:04}") for n in range(about * 2)] + [(other, "lead-0")])
    assert events[0] == AuditEvent(other, ["lead-0"])
    assert [len(event.lead_ids) for event in events[1:]] == sizes
    assert [lead for event in events[1:] for lead in event.lead_ids] == [f"lead-{n:04}" for n in range(about)]
