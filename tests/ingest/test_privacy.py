"""Consent is kept and told; erasure leaves nothing of the person in what ingest holds or tells."""

from typing import Any

from shared.events import LeadConsent, LeadErased
from tests.ingest.door import FORM, Door, call

CANARY = "canary-mei"


async def consent(door: Door, lead: str, status: int = 201, **form: Any) -> dict[str, Any]:
    answer = await door.post(f"/v1/leads/{lead}/consent", {"basis": "consent", "evidence": "名刺交換"} | form)
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def erase(door: Door, lead: str, status: int = 200) -> dict[str, Any]:
    answer = await door.post(f"/v1/leads/{lead}/erase", {"reason": "本人の請求"})
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_the_basis_told_last_holds_and_an_opt_out_binds_whatever_the_basis(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    assert (await door.get(f"/v1/leads/{lead}/consent")).json() == {
        "lead_id": lead,
        "basis": None,
        "opted_out": [],
        "history": [],
    }
    await consent(door, lead, channels=["email", "newsletter"])
    await consent(door, lead, basis="relationship", opted_out_at="2026-11-20T00:00:00Z", channels=["newsletter"])
    now = await consent(door, lead, basis="published", evidence="https://acme.co.jp/contact")
    assert now["basis"] == "published"
    assert now["opted_out"] == [{"channel": "newsletter", "since": "2026-11-20T00:00:00Z"}]
    assert [entry["basis"] for entry in now["history"]] == ["published", "relationship", "consent"]
    assert now["history"][0]["said_by"] == "admin"
    told = await door.outbox("lead-consent")
    assert [event.data.basis for event in told if isinstance(event.data, LeadConsent)] == [
        "consent",
        "relationship",
        "published",
    ]


async def test_opting_out_of_everything_and_mistakes(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    everywhere = await consent(door, lead, opted_out_at="2026-11-20T00:00:00Z")
    assert everywhere["opted_out"] == [{"channel": None, "since": "2026-11-20T00:00:00Z"}]
    for wrong in (
        {"basis": "hope"},
        {"evidence": ""},
        {"opted_out_at": "2027-01-01T00:00:00Z"},
        {"opted_out_at": "2026-11-20"},
        {"channels": ["pigeon"]},
    ):
        await consent(door, lead, 422, **wrong)
    await consent(door, "nobody", 404)


async def test_a_repeated_request_is_one_consent(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    body = {"basis": "consent", "evidence": "form"}
    for _ in range(2):
        await door.post(f"/v1/leads/{lead}/consent", body, headers={"Idempotency-Key": "once"})
        await door.rows("delete from access.idempotency")  # as if the process had died before it stored its answer
    assert len((await door.get(f"/v1/leads/{lead}/consent")).json()["history"]) == 1
    assert len(await door.outbox("lead-consent")) == 1


async def test_nothing_personal_stands_in_the_log_in_plain_text(door: Door) -> None:
    await everything(door)
    rows = await door.rows("select value, headers from ingest.outbox")
    assert not any(CANARY.encode() in row["value"] or CANARY.encode() in row["headers"] for row in rows)
    assert any(CANARY in str(event.data) for event in await door.outbox()), "but it is there"


async def test_erasing_leaves_nothing_of_the_person_and_tells_the_log(door: Door) -> None:
    lead, other = await everything(door)
    assert await holding(door), "else the test finds nothing because it looks nowhere"
    answer = await erase(door, lead)
    assert answer == {"lead_id": lead, "erased_at": "2026-11-24T03:00:00Z"}
    assert await holding(door) == []
    assert await erase(door, other) == answer | {"lead_id": other}, "what was merged is one person"
    for path in ("", "/observations", "/consent"):
        assert (await door.get(f"/v1/leads/{lead}{path}")).status_code == 410
    assert (await door.post(f"/v1/leads/{lead}/consent", {"basis": "consent", "evidence": "x"})).status_code == 410
    assert (await door.get("/v1/leads", email=f"{CANARY}@acme.co.jp")).json()["items"] == []
    told = await door.outbox("lead-erased")
    assert sorted(event.subject for event in told) == sorted([lead, other])
    assert {event.data for event in told} == {LeadErased(reason="本人の請求")}
    assert not any(CANARY in str(event.data) for event in await door.outbox()), "no key opens it any more"


async def test_who_comes_again_after_an_erasure_is_somebody_new(door: Door) -> None:
    lead = (await door.lead({"email": f"{CANARY}@acme.co.jp"}))["lead_id"]
    await erase(door, lead)
    again = await door.lead({"email": f"{CANARY}@acme.co.jp"}, observed_at="2026-11-24T02:00:00Z")
    assert again["lead_id"] != lead
    assert (await door.post("/v1/activities", call(lead_id=lead))).status_code == 422
    await erase(door, "nobody", 404)


async def everything(door: Door) -> tuple[str, str]:
    """A person of whom something stands in every table that may hold it, as two leads that are one."""
    lead = (await door.lead({"email": f"{CANARY}@acme.co.jp", "last_name": CANARY}, external_id=f"crm:{CANARY}"))[
        "lead_id"
    ]
    other = (await door.lead({"email": f"{CANARY}2@acme.co.jp"}))["lead_id"]
    await door.post(
        f"/v1/leads/{lead}/hearings",
        {
            "rep": "ito",
            "heard_at": "2026-11-20T00:00:00Z",
            "channel": "call",
            "answers": {"needs": {"status": "confirmed", "quote": CANARY}},
        },
        headers={"Idempotency-Key": "heard"},
    )
    await consent(door, lead, evidence=CANARY)
    await door.post("/v1/webhooks/website", f"email={CANARY}%40acme.co.jp&memo={CANARY}".encode(), headers=FORM)
    await door.post(
        "/v1/webhooks/web-json",
        f'{{"memo": "{CANARY}@acme.co.jp"}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    appointment = {
        "type": "appointment",
        "id": "a1",
        "appointment_id": "a1",
        "status": "set",
        "rep": "ito",
        "occurred_at": "2026-11-20T00:00:00Z",
        "lead_id": lead,
        "note": CANARY,
        "accepted_by": {"name": CANARY},
    }
    await door.post("/v1/activities", appointment)
    await door.post(f"/v1/leads/{other}/merge", {"into": lead})
    return lead, other


async def holding(door: Door) -> list[str]:
    """The tables of the whole database in which the canary can be read."""
    tables = await door.rows(
        "select table_schema || '.' || table_name as name from information_schema.tables"
        " where table_schema in ('ingest', 'access', 'log') and table_type = 'BASE TABLE'"
    )
    found = []
    for table in tables:
        rows = await door.rows(f"select * from {table['name']}")  # noqa: S608 - names of the catalogue
        if any(
            CANARY.encode() in (v if isinstance(v, bytes) else str(v).encode()) for row in rows for v in row.values()
        ):
            found.append(table["name"])
    return found
