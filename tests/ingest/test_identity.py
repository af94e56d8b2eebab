"""Who is the same lead, at the door: also when many ask at once."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.migrate import migrate
from tests.ingest.door import Door, call, open_door

PHONE, SITE = "03-1234-5678", "https://www.acme.co.jp/"


async def lead_id(door: Door, fields: dict[str, Any], external_id: str | None = None) -> str:
    more = {"external_id": external_id} if external_id else {}
    found: str = (await door.lead(fields, **more))["lead_id"]
    return found


async def test_external_id_before_email(door: Door) -> None:
    a = await lead_id(door, {"email": "a@acme.co.jp"}, "crm:1")
    b = await lead_id(door, {"email": "b@acme.co.jp"}, "crm:2")
    assert a != b
    assert await lead_id(door, {"email": "b@acme.co.jp", "title": "部長"}, "crm:1") == a
    assert await lead_id(door, {"email": "b@acme.co.jp", "title": "課長"}) == b


async def test_new_keys_become_those_of_the_found_lead(door: Door) -> None:
    a = await lead_id(door, {"email": "a@acme.co.jp"})
    assert await lead_id(door, {"email": "a@acme.co.jp"}, "crm:1") == a
    assert await lead_id(door, {"email": "new@acme.co.jp"}, "crm:1") == a
    assert await lead_id(door, {"email": "new@acme.co.jp", "title": "部長"}) == a
    assert (await door.get(f"/v1/leads/{a}")).json()["external_ids"] == ["crm:1"]


async def test_phone_counts_only_with_the_domain(door: Door) -> None:
    a = await lead_id(door, {"phone": PHONE, "website": SITE})
    assert await lead_id(door, {"phone": "+81 3 1234 5678", "website": "http://acme.co.jp", "title": "部長"}) == a
    assert await lead_id(door, {"phone": PHONE, "website": "https://other.co.jp"}) != a
    assert await lead_id(door, {"phone": PHONE, "last_name": "山田"}) != a
    assert await lead_id(door, {"last_name": "山田", "company_name": "ACME"}) != await lead_id(
        door, {"last_name": "山田", "company_name": "ACME", "title": "部長"}
    )


async def test_an_extension_is_no_part_of_the_phone(door: Door) -> None:
    a = await lead_id(door, {"phone": f"{PHONE} 内線12", "website": SITE})
    assert (await door.get(f"/v1/leads/{a}")).json()["fields"]["phone"]["value"] == "+81312345678"
    assert await lead_id(door, {"phone": PHONE, "website": SITE, "title": "部長"}) == a
    assert await lead_id(door, {"phone": "0081-3-1234-5678", "website": SITE, "title": "課長"}) == a


async def test_leads_that_were_stored_with_an_extension_are_found_without_it(door: Door) -> None:
    """Releases before this one kept `+81312345678;ext=12`."""
    a, b, c = [await lead_id(door, {"last_name": name}) for name in "ABC"]
    old = [("phone_domain", "+81312345678;ext=12 acme.co.jp", a), ("phone_domain", "+81312345678;ext=13 acme.co.jp", b)]
    for kind, value, of in [*old, ("phone_only", "+81312345678;ext=12", c)]:
        await door.rows("insert into ingest.lead_keys (kind, value, lead_id) values ($1, $2, $3)", kind, value, of)
        await door.rows(
            "insert into ingest.lead_terms (lead_id, kind, value) values ($1, 'phone', $2)", of, value.split(" ")[0]
        )
    await door.rows("update ingest.alembic_version set version_num = '0008'")
    await asyncio.to_thread(migrate, door.url, ["ingest"])
    for phone in (PHONE, f"{PHONE} 内線12", f"{PHONE} 内線14"):
        assert await lead_id(door, {"phone": phone, "website": SITE, "title": phone}) == a, "the first of them"
    alone = {name: v for name, v in call(lead={"phone": f"{PHONE} 内線12"}).items() if name != "lead_id"}
    assert (await door.post("/v1/activities", alone)).json()["results"][0]["lead_id"] == c
    shared = (await door.get("/v1/duplicates")).json()["items"]
    assert {"shared": "phone", "value": "+81312345678", "lead_ids": sorted([a, b, c])} in shared


async def test_phone_and_domain_may_come_one_after_the_other(door: Door) -> None:
    a = await lead_id(door, {"phone": PHONE}, "crm:1")
    await lead_id(door, {"website": SITE}, "crm:1")
    assert await lead_id(door, {"phone": PHONE, "website": SITE, "title": "部長"}) == a


async def test_what_a_rep_hears_identifies_too(door: Door) -> None:
    a = await lead_id(door, {"company_name": "ACME", "website": SITE})
    body = {"rep": "tanaka", "heard_at": "2026-11-20T10:00:00+09:00", "channel": "call"}
    heard = await door.post(f"/v1/leads/{a}/hearings", body | {"answers": {"email": {"value": "x@acme.co.jp"}}})
    assert heard.status_code == 201, heard.text
    assert await lead_id(door, {"email": "x@acme.co.jp", "title": "部長"}) == a


async def test_an_activity_refers_by_the_same_rules(door: Door) -> None:
    a = await lead_id(door, {"email": "a@acme.co.jp", "phone": PHONE}, "crm:1")
    references: list[dict[str, str]] = [
        {"external_id": "crm:1"},
        {"email": "A@acme.co.jp"},
        {"phone": PHONE, "domain": "acme.co.jp"},
        {"external_id": "unknown", "email": "a@acme.co.jp"},
    ]
    posted = [call(n, lead=reference) | {"lead_id": None} for n, reference in enumerate(references)]
    posted = [{name: v for name, v in activity.items() if v is not None} for activity in posted]
    answer = await door.post("/v1/activities", posted)
    assert {r["lead_id"] for r in answer.json()["results"]} == {a}
    assert len(await door.outbox("lead-created")) == 1


references = st.fixed_dictionaries(
    {},
    optional={
        "external_id": st.sampled_from(["crm:1", "crm:2"]),
        "email": st.sampled_from(["a@acme.co.jp", "b@gmail.com"]),
        "phone": st.sampled_from([PHONE, "03-9876-5432"]),
        "domain": st.sampled_from(["acme.co.jp", "beta.co.jp"]),
    },
).filter(bool)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(references, max_size=3), batch=st.lists(references, min_size=2, max_size=5))
@example(
    before=[],
    batch=[
        {"external_id": "crm:1", "phone": PHONE},
        {"external_id": "crm:1", "domain": "acme.co.jp"},
        {"phone": PHONE, "domain": "acme.co.jp"},
    ],
)
@example(
    before=[{"external_id": "crm:1", "phone": PHONE}],
    batch=[{"external_id": "crm:1", "domain": "acme.co.jp"}, {"phone": PHONE, "domain": "acme.co.jp"}],
)
async def test_a_batch_means_the_leads_that_its_activities_mean_one_by_one(
    door: Door, before: list[dict[str, str]], batch: list[dict[str, str]]
) -> None:
    posted = [
        {name: value for name, value in call(n, lead=reference).items() if name != "lead_id"}
        for n, reference in enumerate([*before, *batch])
    ]
    alone, rest = posted[: len(before)], posted[len(before) :]

    async def leads(*requests: list[dict[str, Any]]) -> list[int]:
        """Of each activity the first one of the same lead."""
        await door.rows("truncate ingest.leads, ingest.events, ingest.outbox, access.idempotency cascade")
        answers = [await door.post("/v1/activities", request) for request in requests]
        ids = [result["lead_id"] for answer in answers for result in answer.json()["results"]]
        return [ids.index(lead) for lead in ids]

    assert await leads(*([one] for one in alone), rest) == await leads(*([one] for one in posted))


async def test_an_activity_makes_a_lead_known_that_a_form_then_fills(door: Door) -> None:
    activity = {name: v for name, v in call(lead={"email": "a@acme.co.jp"}).items() if name != "lead_id"}
    known = (await door.post("/v1/activities", activity)).json()["results"][0]["lead_id"]
    again = await door.post("/v1/leads", {"fields": {"email": "a@acme.co.jp", "title": "部長"}})
    assert again.status_code == 200
    assert again.json()["lead_id"] == known
    assert again.json()["created_at"] == "2026-11-24T03:00:00Z"


async def test_one_new_lead_50_times_at_once(door: Door) -> None:
    forms = [door.post("/v1/leads", {"fields": {"email": "a@acme.co.jp", "employees": n + 1}}) for n in range(25)]
    activities = [
        door.post(
            "/v1/activities", {k: v for k, v in call(n, lead={"email": "a@acme.co.jp"}).items() if k != "lead_id"}
        )
        for n in range(25)
    ]
    answers = await asyncio.gather(*(job for pair in zip(forms, activities, strict=True) for job in pair))
    assert {a.status_code for a in answers} <= {200, 201, 202}
    ids = {a.json().get("lead_id") or a.json()["results"][0]["lead_id"] for a in answers}
    assert len(ids) == 1
    assert len(await door.outbox("lead-created")) == 1
    assert len(await door.rows("select from ingest.leads")) == 1
    assert len(await door.outbox("lead-fields")) == 25


async def test_two_replicas_make_one_lead(database_url: str) -> None:
    async with open_door(database_url) as one, open_door(database_url) as two:
        jobs = []
        for n in range(20):
            for door in (one, two):
                jobs.append(door.post("/v1/leads", {"fields": {"email": f"p{n}@acme.co.jp", "title": str(id(door))}}))
                jobs.append(door.post("/v1/activities", call(n, lead_id=f"lead-{n}")))
        answers = await asyncio.gather(*jobs)
        assert {a.status_code for a in answers} <= {200, 201, 202}
        assert len(await one.rows("select from ingest.leads")) == 40
        assert len(await one.outbox("lead-created")) == 40
        assert len(await one.outbox("call")) == 20


async def test_who_has_many_phones_and_domains_is_soon_told_from_others(door: Door) -> None:
    """As where a tool sends all calls under one id of its own: each phone with each domain would be a million keys."""
    phones = [f"03-{n // 10000:04}-{n % 10000:04}" for n in range(10_000_000, 10_001_000)]
    told = [
        {
            name: value
            for name, value in call(n, lead={"external_id": "crm:all", key: value}).items()
            if name != "lead_id"
        }
        for key, values in (("phone", phones), ("domain", [f"company-{n}.co.jp" for n in range(1000)]))
        for n, value in enumerate(values, 0 if key == "phone" else 1000)
    ]
    for batch in (told[:1000], told[1000:]):
        assert (await door.post("/v1/activities", batch)).json()["accepted"] == 1000
    (held,) = await door.rows("select count(*) from ingest.lead_keys where kind = 'phone_domain'")
    assert held["count"] == 50_000
