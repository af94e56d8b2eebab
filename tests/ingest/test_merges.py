"""Merging leads and undoing it: everybody sees the survivor, and nothing is moved for good."""

import random
from typing import Any

import pytest

from services.ingest import store
from shared.events import LeadMerged, LeadUnmerged
from shared.merges import survivors
from tests.ingest.door import Door, call


async def merge(door: Door, lead: str, into: str, status: int = 200, key: str | None = None) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await door.post(f"/v1/leads/{lead}/merge", {"into": into}, headers=headers)
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def unmerge(door: Door, lead: str, status: int = 200, key: str | None = None) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await door.http.post(f"/v1/leads/{lead}/unmerge", headers=headers)
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def seen(door: Door, lead: str) -> dict[str, Any]:
    answer = await door.get(f"/v1/leads/{lead}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def two(door: Door) -> tuple[str, str]:
    """Mei, who is to survive, and May, who is the same."""
    mei = await door.lead(
        {"email": "mei@acme.co.jp", "title": "課長"}, external_id="crm:1", observed_at="2026-11-02T00:00:00Z"
    )
    may = await door.lead(
        {"email": "may@acme.co.jp", "title": "部長", "industry": "IT"},
        external_id="crm:2",
        observed_at="2026-11-01T00:00:00Z",
    )
    return mei["lead_id"], may["lead_id"]


async def test_everybody_sees_the_survivor(door: Door) -> None:
    mei, may = await two(door)
    merged = await merge(door, may, mei)
    assert merged == await seen(door, mei) == await seen(door, may)
    assert merged["lead_id"] == mei
    assert merged["external_ids"] == ["crm:1", "crm:2"]
    values = {name: field["value"] for name, field in merged["fields"].items()}
    assert values == {"email": "mei@acme.co.jp", "title": "課長", "industry": "IT"}, "its own first"
    assert merged["created_at"] == "2026-11-01T00:00:00Z"
    for query in ({"email": "may@acme.co.jp"}, {"q": "部長"}, {"domain": "acme.co.jp"}):
        assert [item["lead_id"] for item in (await door.get("/v1/leads", **query)).json()["items"]] == [mei], query
    page = (await door.get(f"/v1/leads/{mei}/observations")).json()["items"]
    assert {o["value"]: o["winner"] for o in page if o["field"] == "title"} == {"課長": True, "部長": False}


async def test_undoing_gives_back_what_each_had_also_of_what_came_in_between(door: Door) -> None:
    mei, may = await two(door)
    await merge(door, may, mei)
    of_mei = await door.lead({"email": "mei@acme.co.jp", "usage": "本社"}, observed_at="2026-11-03T00:00:00Z")
    of_may = await door.lead({"email": "may@acme.co.jp", "usage": "支社"}, observed_at="2026-11-04T00:00:00Z")
    assert of_mei["lead_id"] == of_may["lead_id"] == mei
    posted = call(lead={"email": "may@acme.co.jp"})
    del posted["lead_id"]
    (result,) = (await door.post("/v1/activities", posted)).json()["results"]
    assert result["lead_id"] == mei
    (told,) = await door.outbox("call")
    assert told.subject == may, "what comes by its keys is kept with it"
    apart = await unmerge(door, may)
    assert apart["lead_id"] == may
    values = {name: field["value"] for name, field in apart["fields"].items()}
    assert values == {"email": "may@acme.co.jp", "title": "部長", "industry": "IT", "usage": "支社"}
    assert apart["external_ids"] == ["crm:2"]
    values = {name: field["value"] for name, field in (await seen(door, mei))["fields"].items()}
    assert values == {"email": "mei@acme.co.jp", "title": "課長", "usage": "本社"}
    assert [(e.subject, e.data) for e in await door.outbox() if e.name in ("lead-merged", "lead-unmerged")] == [
        (may, LeadMerged(into=mei)),
        (may, LeadUnmerged(from_=mei)),
    ]


async def test_who_opts_out_while_merged_has_opted_out_when_they_part(door: Door) -> None:
    mei, may = await two(door)
    await merge(door, may, mei)
    said = {"basis": "relationship", "evidence": "配信停止の申し出", "opted_out_at": "2026-11-20T00:00:00Z"}
    told = await door.post(f"/v1/leads/{may}/consent", said)
    assert (told.status_code, told.json()["lead_id"], len(told.json()["opted_out"])) == (201, mei, 1)
    assert [event.subject for event in await door.outbox("lead-consent")] == [may]
    await unmerge(door, may)
    out = [(await door.get(f"/v1/leads/{lead}/consent")).json()["opted_out"] for lead in (mei, may)]
    assert [len(one) for one in out] == [0, 1]


@pytest.mark.parametrize("asked", ["one", "many"])
async def test_who_reads_beside_a_merge_sees_the_lead(door: Door, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """The merge commits after the lead was found, and before it is read."""
    lead, other = [(await door.lead({"email": f"{name}@acme.co.jp"}))["lead_id"] for name in "ab"]
    merged: list[Any] = []

    def merging_first(read: Any) -> Any:
        async def after_the_merge(*given: Any) -> Any:
            if not merged:
                merged.append(lead)
                await merge(door, lead, other)
            return await read(*given)

        return after_the_merge

    monkeypatch.setattr(store, "read_leads", merging_first(store.read_leads))
    if asked == "one":
        assert (await seen(door, lead))["lead_id"] in (lead, other)
    else:
        first = (await door.get("/v1/leads", limit=1)).json()
        assert [item["lead_id"] for item in first["items"]] == [other]
        assert first["next_cursor"] is not None, "else the list ends too early"
    assert merged


async def test_a_correction_may_name_any_of_the_leads_that_are_one(door: Door) -> None:
    """Whoever told of the call is answered the survivor's id, and so corrects the call of that lead."""
    mei, may = await two(door)
    await door.post("/v1/activities", [call(1, lead_id=may), call(2, lead_id=mei)])
    await merge(door, may, mei)

    def void(n: int, of: int, lead: str) -> dict[str, Any]:
        corrects = {"source": "dialer", "id": f"c{of}"}
        same = {
            name: value for name, value in call(n, lead_id=lead).items() if name in ("source", "occurred_at", "lead_id")
        }
        return same | {"id": f"x{n}", "type": "correction", "corrects": corrects, "action": "void"}

    for n, (of, named) in enumerate([(1, mei), (1, may), (2, may)]):
        answer = await door.post("/v1/activities", void(n, of, named))
        assert answer.status_code == 202, answer.text
    assert [event.subject for event in await door.outbox("correction")] == [may, may, mei], "each as what it corrects"
    await unmerge(door, may)
    assert (await door.post("/v1/activities", void(9, 1, mei))).status_code == 422, "they are two again"


async def test_chains_end_at_the_survivor_and_rings_are_refused(door: Door) -> None:
    a, b, c = [(await door.lead({"email": f"{name}@acme.co.jp"}))["lead_id"] for name in "abc"]
    await merge(door, a, b)
    assert (await merge(door, b, c))["lead_id"] == c
    assert (await seen(door, a))["lead_id"] == c
    assert (await merge(door, c, a, 409))["type"].endswith("merge-ring")
    await unmerge(door, b)
    assert (await seen(door, a))["lead_id"] == b
    assert (await seen(door, c))["lead_id"] == c
    assert (await unmerge(door, b, 409))["type"].endswith("not-merged")
    await merge(door, a, c)
    assert (await seen(door, a))["lead_id"] == c, "what is merged may be merged elsewhere"


async def test_mistakes_say_what_is_wrong(door: Door) -> None:
    mei, _ = await two(door)
    assert (await merge(door, mei, mei, 422))["errors"][0]["pointer"] == "/into"
    assert (await merge(door, mei, "nobody", 422))["errors"][0]["pointer"] == "/into"
    await merge(door, "nobody", mei, 404)
    await unmerge(door, "nobody", 404)


async def test_repetitions_tell_the_log_once(door: Door) -> None:
    mei, may = await two(door)
    for _ in range(2):
        await merge(door, may, mei)
    await unmerge(door, may, key="undo")
    await door.rows("delete from access.idempotency")  # as if the process had died before it stored its answer
    await unmerge(door, may, key="undo")
    assert [e.name for e in await door.outbox() if "merged" in e.name] == ["lead-merged", "lead-unmerged"]


async def test_a_request_is_done_once_whatever_comes_after_it(door: Door) -> None:
    mei, may = await two(door)
    other = (await door.lead({"email": "other@acme.co.jp"}))["lead_id"]
    await merge(door, may, mei, key="one")
    await unmerge(door, may, key="undo")
    await door.rows("delete from access.idempotency")  # as when the stored answers have expired
    assert (await merge(door, may, mei, key="one"))["lead_id"] == mei
    assert (await seen(door, may))["lead_id"] == may
    await door.rows("delete from access.idempotency")
    assert (await merge(door, may, other, key="one"))["lead_id"] == other
    await door.rows("delete from access.idempotency")
    await unmerge(door, may, key="undo")
    assert (await seen(door, may))["lead_id"] == other
    told = [e.name for e in await door.outbox() if "merged" in e.name]
    assert told == ["lead-merged", "lead-unmerged", "lead-merged"]


async def test_leads_that_share_an_address_or_a_phone_are_offered_until_they_are_merged(door: Door) -> None:
    a = (await door.lead({"email": "a@acme.co.jp", "phone": "03-1234-5678"}, external_id="crm:1"))["lead_id"]
    b = (await door.lead({"email": "a@acme.co.jp"}, external_id="crm:2"))["lead_id"]
    assert a == b, "an unknown external id is one more of a lead whose e-mail is known"
    c = (await door.lead({"email": "c@else.co.jp", "phone": "03-1234-5678"}))["lead_id"]
    await door.lead({"last_name": "山田", "email": "d@acme.co.jp"})
    await door.lead({"last_name": "山田", "email": "e@acme.co.jp"})
    page = (await door.get("/v1/duplicates")).json()
    assert page["items"] == [{"shared": "phone", "value": "+81312345678", "lead_ids": sorted([a, c])}]
    await merge(door, c, a)
    assert (await door.get("/v1/duplicates")).json() == {"items": [], "next_cursor": None}


async def test_any_merges_and_unmerges_agree_with_the_rule_of_the_log(door: Door) -> None:
    """What ingest shows is what everybody makes of its events (shared/merges.py)."""
    leads = [(await door.lead({"email": f"{n}@acme.co.jp"}))["lead_id"] for n in range(6)]
    chance = random.Random(6)  # noqa: S311 - no secret
    for _ in range(60):
        lead, into = chance.sample(leads, 2)
        path = f"/v1/leads/{lead}/unmerge" if chance.random() < 0.3 else f"/v1/leads/{lead}/merge"
        answer = await door.http.post(path, json={"into": into} if path.endswith("/merge") else None)
        assert answer.status_code in (200, 409)
    told: dict[str, Any] = {}
    for event in sorted((e for e in await door.outbox() if "merged" in e.name), key=lambda e: e.order):
        told[event.subject] = (event.order, event.data)
    ends = survivors({lead: (order, d.into) for lead, (order, d) in told.items() if isinstance(d, LeadMerged)})
    shown = {lead: (await seen(door, lead))["lead_id"] for lead in leads}
    assert shown == {lead: ends.get(lead, lead) for lead in leads}
    assert len(ends) > 1
