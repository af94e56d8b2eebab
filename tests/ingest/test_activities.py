"""POST /v1/activities: each judged alone, identities for ever, leads that become known."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.events import Correction
from tests.ingest.door import NOW, Door, call, open_door


async def test_an_activity_is_told_to_the_log_as_it_was_sent(door: Door) -> None:
    answer = await door.post("/v1/activities", call())
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 1,
        "duplicates": 0,
        "results": [{"index": 0, "status": "accepted", "event_id": "c1", "lead_id": "lead-1"}],
    }
    created, told = await door.outbox()
    assert (created.name, created.key, created.source) == ("lead-created", "lead-1", "tasuki.ingest")
    assert (told.name, told.identity, told.key, told.subject) == ("call", ("dialer", "c1"), "lead-1", "lead-1")
    assert told.time == datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
    assert told.recorded_at == NOW


async def test_reliability_1_the_same_event_100_times_at_once(door: Door) -> None:
    answers = await asyncio.gather(*(door.post("/v1/activities", call()) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    results = [answer.json()["results"][0] for answer in answers]
    assert {(r["event_id"], r["lead_id"]) for r in results} == {("c1", "lead-1")}
    assert sorted(r["status"] for r in results) == ["accepted"] + ["duplicate"] * 99
    assert len(await door.outbox("call")) == 1
    assert len(await door.rows("select from ingest.events")) == 1


async def test_reliability_2_the_same_identity_with_other_content(door: Door) -> None:
    await door.post("/v1/activities", call())
    before = await door.outbox()
    single = await door.post("/v1/activities", call(duration_s=61))
    assert single.status_code == 409
    assert single.json()["type"].endswith("identity-conflict")
    array = await door.post("/v1/activities", [call(duration_s=61), call(outcome="busy")])
    assert array.status_code == 409
    assert [r["status"] for r in array.json()["results"]] == ["rejected", "rejected"]
    mixed = await door.post("/v1/activities", [call(duration_s=61), call(2), {"type": "call"}])
    assert mixed.status_code == 202
    assert [r["status"] for r in mixed.json()["results"]] == ["rejected", "accepted", "rejected"]
    assert "identity conflict" in mixed.json()["results"][0]["errors"][0]["detail"]
    none = await door.post("/v1/activities", [call(duration_s=61), {"type": "call"}])
    assert none.status_code == 422
    assert [e.id for e in await door.outbox()] == [*(e.id for e in before), "c2"]


async def test_a_contradiction_makes_no_lead_known(door: Door) -> None:
    await door.post("/v1/activities", call())
    assert (await door.post("/v1/activities", call(lead_id="somebody-else"))).status_code == 409
    assert (await door.get("/v1/leads/somebody-else")).status_code == 404


async def test_in_one_array_the_first_of_an_identity_counts(door: Door) -> None:
    answer = await door.post("/v1/activities", [call(), call(), call(duration_s=1)])
    assert [r["status"] for r in answer.json()["results"]] == ["accepted", "duplicate", "rejected"]
    assert answer.json()["accepted"] == 1
    assert answer.json()["duplicates"] == 1


async def test_the_way_of_writing_makes_no_other_content(door: Door) -> None:
    await door.post("/v1/activities", call())
    same = dict(reversed(call(occurred_at="2026-11-20T01:00:00Z", a_field_we_do_not_know=1).items()))
    answer = await door.post("/v1/activities", same)
    assert answer.json()["duplicates"] == 1


async def test_an_id_is_made_from_the_content_where_none_is_given(door: Door) -> None:
    bare = {name: value for name, value in call().items() if name not in ("id", "source")}
    first = await door.post("/v1/activities", bare)
    again = await door.post("/v1/activities", bare)
    assert again.json()["duplicates"] == 1
    assert again.json()["results"][0]["event_id"] == first.json()["results"][0]["event_id"]
    keyed = await door.post("/v1/activities", bare, headers={"Idempotency-Key": "k1"})
    assert keyed.json()["accepted"] == 1
    replayed = await door.post("/v1/activities", bare, headers={"Idempotency-Key": "k1"})
    assert replayed.json() == keyed.json()
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert {e.source for e in await door.outbox("call")} == {"api"}


@pytest.mark.parametrize(("seconds", "status"), [(299, 202), (301, 422), (-299, 202), (-301, 202)])
async def test_reliability_21_timestamps(door: Door, seconds: int, status: int) -> None:
    at = (NOW + timedelta(seconds=seconds)).isoformat()
    answer = await door.post("/v1/activities", call(occurred_at=at))
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["errors"][0]["pointer"] == "/occurred_at"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"occurred_at": "2026-11-20T10:00:00"}, "/occurred_at"),
        ({"occurred_at": "2026-11-20T10:00:00+0900"}, "/occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+09:00"}, "/occurred_at"),
        ({"occurred_at": "9999-12-31T23:59:59-09:00"}, "/occurred_at"),
        ({"type": "fax"}, "/type"),
        ({"outcome": "maybe"}, "/outcome"),
        ({"duration_s": "60"}, "/duration_s"),
        ({"lead_id": "with space"}, "/lead_id"),
        ({"lead_id": ""}, "/lead_id"),
        ({"lead_id": "x" * 201}, "/lead_id"),
        ({"lead_id": 7}, "/lead_id"),
        ({"lead_id": None}, "/lead_id"),
        ({"lead_id": None, "lead": "lead-1"}, "/lead"),
        ({"lead_id": None, "lead": {}}, "/lead"),
        ({"lead_id": None, "lead": {"email": "nobody"}}, "/lead/email"),
        ({"lead_id": None, "lead": {"phone": "x"}}, "/lead/phone"),
        ({"lead_id": None, "lead": {"domain": "co.jp"}}, "/lead/domain"),
        ({"lead": {"email": "a@example.co.jp"}}, "/lead"),
        ({"id": ""}, "/id"),
        ({"source": "tasuki.ingest"}, "/source"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(door: Door, wrong: dict[str, Any], pointer: str) -> None:
    answer = await door.post("/v1/activities", call(**wrong))
    assert answer.status_code == 422, answer.text
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
    array = await door.post("/v1/activities", [call(**wrong)])
    assert array.json()["errors"][0]["pointer"] == f"/0{pointer}"
    assert await door.outbox() == []


@pytest.mark.parametrize("body", [[], [call(n) for n in range(1001)], 7, "call", [7]])
async def test_bodies_that_are_no_activities(door: Door, body: Any) -> None:
    assert (await door.post("/v1/activities", body)).status_code == 422


async def test_1000_activities_in_one_request(door: Door) -> None:
    answer = await door.post("/v1/activities", [call(n, lead_id=f"lead-{n % 100}") for n in range(1000)])
    assert answer.json()["accepted"] == 1000
    assert len(await door.outbox("call")) == 1000
    assert len(await door.outbox("lead-created")) == 100


async def test_contract_and_spend_have_no_lead(door: Door) -> None:
    money = {"value": "1200000", "currency": "JPY"}
    at = "2026-11-20T10:00:00+09:00"
    contract: dict[str, Any] = {
        "id": "k1",
        "source": "crm",
        "type": "contract",
        "occurred_at": at,
        "contract_id": "K",
        "status": "started",
    }
    contract |= {"company": "acme.co.jp", "effective_on": "2026-12-01", "arr": money}
    spend: dict[str, Any] = {
        "id": "s1",
        "source": "ads",
        "type": "spend",
        "occurred_at": at,
        "amount": money,
        "category": "marketing",
    }
    spend |= {"spent_on": "2026-11-20"}
    answer = await door.post("/v1/activities", [contract, spend, spend | {"id": "s2", "campaign": "spring-webinar"}])
    assert answer.json()["accepted"] == 3
    assert all("lead_id" not in result for result in answer.json()["results"])
    assert [(e.key, e.subject) for e in await door.outbox()] == [
        ("acme.co.jp", ""),
        ("marketing", ""),
        ("spring-webinar", ""),
    ]


def correction(n: int, corrects: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"x{n}",
        "source": "dialer",
        "type": "correction",
        "occurred_at": "2026-11-21T10:00:00+09:00",
        "corrects": {"source": "dialer", "id": corrects},
        "action": "void",
    } | more


async def test_a_correction_goes_the_way_of_what_it_corrects(door: Door) -> None:
    answer = await door.post("/v1/activities", [correction(1, "c1"), call(), correction(2, "x1")])
    assert answer.json()["accepted"] == 3
    assert {r["lead_id"] for r in answer.json()["results"]} == {"lead-1"}
    assert [(e.id, e.key) for e in await door.outbox("correction")] == [("x1", "lead-1"), ("x2", "lead-1")]


async def test_a_correction_that_comes_first_waits(door: Door) -> None:
    replacement = {
        name: v for name, v in call(duration_s=90).items() if name in ("rep", "direction", "outcome", "duration_s")
    }
    first = await door.post("/v1/activities", correction(1, "c1", action="replace", data=replacement))
    assert first.status_code == 202
    assert "lead_id" not in first.json()["results"][0]
    await door.post("/v1/activities", correction(2, "x1"))
    assert await door.outbox() == []
    again = await door.post("/v1/activities", correction(1, "c1", action="replace", data=replacement))
    assert again.json()["duplicates"] == 1
    await door.post("/v1/activities", call())
    told = await door.outbox()
    assert [(e.id, e.key) for e in told[1:]] == [("c1", "lead-1"), ("x1", "lead-1"), ("x2", "lead-1")]
    replaced = told[2].data
    assert isinstance(replaced, Correction)
    assert replaced.data is not None
    assert bytes(replaced.data["duration_s"]) == b"90"
    late = await door.post("/v1/activities", correction(1, "c1", action="replace", data=replacement))
    assert late.json()["results"][0]["lead_id"] == "lead-1"
    assert await door.rows("select from ingest.waiting_corrections") == []


async def test_a_correction_with_a_lead_goes_at_once_and_must_agree(door: Door) -> None:
    await door.post("/v1/activities", call(9))
    early = await door.post("/v1/activities", correction(1, "c1", lead_id="lead-1"))
    assert early.json()["accepted"] == 1
    assert [e.key for e in await door.outbox("correction")] == ["lead-1"]
    await door.post("/v1/activities", call())
    other = await door.post("/v1/activities", correction(2, "c1", lead_id="lead-2"))
    assert other.status_code == 422
    assert other.json()["errors"][0]["pointer"] == "/lead_id"
    assert (await door.get("/v1/leads/lead-2")).status_code == 404
    assert (await door.post("/v1/activities", correction(3, "c1", lead_id="lead-1"))).status_code == 202


@pytest.mark.parametrize("named", [{"lead_id": "lead-1"}, {"lead": {"email": "a@acme.co.jp"}}])
async def test_a_correction_makes_no_lead_known(door: Door, named: dict[str, Any]) -> None:
    early = await door.post("/v1/activities", correction(1, "c1", **named))
    assert "lead_id" not in early.json()["results"][0]
    assert (await door.get("/v1/leads")).json()["items"] == []
    await door.post("/v1/activities", call(lead_id=named.get("lead_id"), lead=named.get("lead")))
    assert [e.name for e in await door.outbox()] == ["lead-created", "call", "correction"]
    assert len({e.key for e in await door.outbox()}) == 1


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (None, "/data"),
        ({"rep": "sato", "direction": "outbound"}, "/data"),
        ({"rep": "sato", "direction": "outbound", "outcome": "maybe"}, "/data/outcome"),
        ({"channel": "email", "direction": "outbound", "rep": "sato"}, "/data"),
        (
            {"rep": "sato", "direction": "outbound", "outcome": "busy", "occurred_at": "2026-11-25T00:00:00Z"},
            "/data/occurred_at",
        ),
        ({"rep": "sato", "direction": "outbound", "outcome": "busy", "occurred_at": "yesterday"}, "/data/occurred_at"),
        (
            {"rep": "sato", "direction": "outbound", "outcome": "busy", "occurred_at": "2026-11-20T10:00:00+0900"},
            "/data/occurred_at",
        ),
    ],
)
async def test_a_replacement_must_fit_what_it_replaces(door: Door, data: Any, pointer: str) -> None:
    await door.post("/v1/activities", call())
    answer = await door.post("/v1/activities", correction(1, "c1", action="replace", data=data))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_when_an_appointment_is_to_be_is_a_time_like_others(door: Door) -> None:
    appointment = {"id": "a1", "source": "calendar", "type": "appointment", "lead_id": "lead-1", "rep": "tanaka"}
    appointment |= {"occurred_at": "2026-11-20T10:00:00+09:00", "appointment_id": "a1", "status": "set"}
    refused = await door.post("/v1/activities", appointment | {"scheduled_for": "2026-12-01T10:00:00+0900"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/scheduled_for")
    assert "+09:00" in refused.json()["errors"][0]["detail"]
    taken = await door.post("/v1/activities", appointment | {"scheduled_for": "2026-12-01T10:00:00+09:00"})
    assert taken.status_code == 202


async def test_a_lead_known_from_activities_alone(door: Door) -> None:
    early, late = "2026-11-18T10:00:00+09:00", "2026-11-20T10:00:00+09:00"
    await door.post("/v1/activities", call(1, occurred_at=late, rep="sato"))
    await door.post("/v1/activities", call(2, occurred_at=early, rep="tanaka"))
    lead = (await door.get("/v1/leads/lead-1")).json()
    assert lead["created_at"] == "2026-11-18T01:00:00Z"
    assert lead["fields"] == {}
    assert lead["stage"] == "Awareness"
    assert [i["lead_id"] for i in (await door.get("/v1/leads", rep="sato")).json()["items"]] == ["lead-1"]
    assert (await door.get("/v1/leads", rep="tanaka")).json()["items"] == []


@pytest.mark.parametrize(
    "reference", [{"phone": "03-1234-5678"}, {"domain": "www.acme.co.jp"}, {"external_id": "hubspot:1"}]
)
async def test_the_same_reference_is_the_same_lead(door: Door, reference: dict[str, str]) -> None:
    posted = [call(n, lead=reference) | {"lead_id": None} for n in range(3)]
    first = await door.post("/v1/activities", posted[:1])
    rest = await door.post("/v1/activities", posted[1:])
    ids = {r["lead_id"] for answer in (first, rest) for r in answer.json()["results"]}
    assert len(ids) == 1
    assert len(await door.outbox("lead-created")) == 1


async def test_no_correction_misses_what_it_waits_for_however_they_meet(database_url: str) -> None:
    async with open_door(database_url) as one, open_door(database_url) as two:
        jobs = []
        for n in range(40):
            there, here = (one, two) if n % 2 else (two, one)
            jobs.append(there.post("/v1/activities", correction(n, f"c{n}")))
            jobs.append(here.post("/v1/activities", call(n, lead_id=f"lead-{n}")))
            jobs.append(here.post("/v1/activities", correction(100 + n, f"x{n}")))
        answers = await asyncio.gather(*jobs)
        assert {answer.status_code for answer in answers} == {202}
        assert await one.rows("select from ingest.waiting_corrections") == []
        told = {event.id: event.key for event in await one.outbox("correction")}
        assert told == {f"x{n}": f"lead-{n % 100}" for n in [*range(40), *range(100, 140)]}
