"""Consent is kept and told; erasure leaves nothing of the person in what ingest holds or tells."""

from typing import Any

import pytest

from services.ingest import privacy, record_activities, record_submissions
from services.ingest.mentions import names
from shared.events import LeadConsent, LeadErased
from tests.ingest.door import FORM, Door, call
from tests.ingest.imports.files import brought_in

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
        "bases": [],
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


async def test_a_basis_told_for_channels_is_shown_to_hold_for_those(door: Door) -> None:
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    called = await consent(door, lead, channels=["call"])
    assert called["bases"] == [{"channel": "call", "basis": "consent"}]
    out = await consent(door, lead, basis="notified", opted_out_at="2026-11-20T00:00:00Z", channels=["email"])
    assert out["bases"] == [{"channel": "call", "basis": "notified"}]
    everywhere = await consent(door, lead, basis="relationship")
    assert everywhere["bases"] == [{"channel": None, "basis": "relationship"}]
    mailed = await consent(door, lead, basis="published", channels=["email"])
    assert mailed["bases"] == [{"channel": None, "basis": "relationship"}, {"channel": "email", "basis": "published"}]


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


async def test_nothing_personal_reaches_logs_labels_or_traces(door: Door) -> None:
    """By every door, through every answer that shows it, and in what goes wrong."""
    lead, other = await everything(door)
    await consent(door, lead, 422, basis=CANARY)
    await door.post("/v1/leads", {"fields": {"email": CANARY, "shoe_size": CANARY}})
    await door.post("/v1/activities", call(lead_id=lead, outcome=CANARY))
    await door.post(f"/v1/webhooks/{CANARY}", b"email=a", headers=FORM | {"traceparent": CANARY})
    for path in (f"/v1/leads/{lead}", f"/v1/leads/{other}/observations", "/v1/quarantine", f"/v1/{CANARY}"):
        assert (await door.get(path)).status_code in (200, 404)
    assert (await door.get("/v1/leads", email=f"{CANARY}@acme.co.jp")).json()["items"]
    assert (await door.get(f"/v1/leads/{lead}/export")).status_code == 200
    await erase(door, lead)
    logged, scraped = door.logged.getvalue(), await door.runtime.telemetry.render()
    assert logged.count('"request"') >= 18, "else nothing was logged at all"
    assert b'route="/v1/leads/{id}/export"' in scraped
    assert CANARY not in logged
    assert CANARY.encode() not in scraped
    traces = [row["headers"] for row in await door.rows("select headers from ingest.outbox")]
    assert traces
    assert not any(CANARY.encode() in trace for trace in traces)


async def test_an_export_has_all_that_is_held(door: Door) -> None:
    lead, other = await everything(door)
    held = (await door.get(f"/v1/leads/{other}/export")).json()
    assert held["lead"] == (await door.get(f"/v1/leads/{lead}")).json()
    assert held["merged_ids"] == [other]
    assert {o["field"] for o in held["observations"]} == {"email", "last_name", "needs"}
    assert [o["quote"] for o in held["observations"] if o["field"] == "needs"] == [CANARY]
    assert [item["name"] for item in held["unmapped"]] == ["memo"]
    assert [entry["evidence"] for entry in held["consent"]["history"]] == [CANARY]
    assert [(entry["source"], entry["body"]) for entry in held["unusable"]] == [
        ("web-json", f'{{"memo": "{CANARY}@acme.co.jp"}}')
    ]
    assert held["rejected_rows"] == []
    await erase(door, lead)
    assert (await door.get(f"/v1/leads/{lead}/export")).status_code == 410


async def test_an_export_has_the_rows_of_files_that_were_not_taken(door: Door) -> None:
    lead = (await door.lead({"email": f"{CANARY}@acme.co.jp"}))["lead_id"]
    await brought_in(door, f"email,title\n{CANARY}@acme.co.jp\nother@acme.co.jp\n".encode())
    (row,) = (await door.get(f"/v1/leads/{lead}/export")).json()["rejected_rows"]
    assert (row["row"], row["cells"]) == (2, [f"{CANARY}@acme.co.jp"])
    assert row["errors"][0]["detail"] == "has 1 cells where the header has 2"


async def test_erasing_leaves_nothing_of_the_person_and_tells_the_log(door: Door) -> None:
    lead, other = await everything(door)
    assert await holding(door), "else the test finds nothing because it looks nowhere"
    answer = await erase(door, lead)
    assert answer == {"lead_id": lead, "erased_at": "2026-11-24T03:00:00Z"}
    assert await holding(door) == []
    assert await erase(door, other) == answer | {"lead_id": other}, "what was merged is one person"
    for path in ("", "/observations", "/consent", "/export"):
        assert (await door.get(f"/v1/leads/{lead}{path}")).status_code == 410
    assert (await door.post(f"/v1/leads/{lead}/consent", {"basis": "consent", "evidence": "x"})).status_code == 410
    assert (await door.get("/v1/leads", email=f"{CANARY}@acme.co.jp")).json()["items"] == []
    told = await door.outbox("lead-erased")
    assert sorted(event.subject for event in told) == sorted([lead, other])
    assert {event.data for event in told} == {LeadErased(reason="本人の請求")}
    assert not any(CANARY in str(event.data) for event in await door.outbox()), "no key opens it any more"


@pytest.mark.parametrize(
    "body",
    [
        b'{"mail": "mei+news@acme.co.jp", "broken',
        b'\x00\xff {"mail": "Mei+News@ACME.co.jp", "broken',
        b"mail=mei%2Bnews%40acme.co.jp&broken",
        b"mail=Mei%2bNews%40Acme.co.jp&broken",
        b"mail=mei+news%40acme.co.jp&broken",
        b'{"mail": "mei\\u002Bnews@acme.co.jp"}',
        b'{"mail": "Mei\\u002bNews\\u0040acme.co.jp"}',
    ],
)
async def test_an_erasure_reaches_bodies_that_could_not_be_used(door: Door, body: bytes) -> None:
    lead = (await door.lead({"email": "mei+news@acme.co.jp"}))["lead_id"]
    add = (
        "insert into ingest.quarantine (source, received_at, content_type, body, errors)"
        " values ('website', now(), 'application/json', $1, '[]')"
    )
    await door.rows(add, body)
    others = [
        b"mail=kei%40acme.co.jp",
        b'{"mail": "kimei+news@acme.co.jp"}',
        b"mail=mei%2Bnews%40acme.co.jp.example.com",
    ]
    for other in others:
        await door.rows(add, other)
    held = (await door.get(f"/v1/leads/{lead}/export")).json()["unusable"]
    assert len(held) == 1, "of nobody else anything is handed out"
    await erase(door, lead)
    assert [row["body"] for row in await door.rows("select body from ingest.quarantine order by id")] == others


@pytest.mark.parametrize(
    "body",
    [
        '{"memo": "mei@日本語.jp"}'.encode(),
        b'{"memo": "mei@\\u65e5\\u672c\\u8a9e.jp"}',
        b'{"memo": "mei@xn--wgv71a119e.jp"}',
    ],
)
async def test_an_erasure_reaches_an_address_however_its_domain_is_written(door: Door, body: bytes) -> None:
    lead = (await door.lead({"email": "mei@日本語.jp"}))["lead_id"]
    await door.post("/v1/webhooks/web-json", body, headers={"Content-Type": "application/json"})
    assert len((await door.get("/v1/quarantine")).json()["items"]) == 1
    assert len((await door.get(f"/v1/leads/{lead}/export")).json()["unusable"]) == 1
    await erase(door, lead)
    assert (await door.get("/v1/quarantine")).json()["items"] == []


async def test_an_erasure_leaves_the_rows_of_those_with_a_longer_address(door: Door) -> None:
    lead = (await door.lead({"email": "ito@acme.co.jp"}))["lead_id"]
    await brought_in(door, b"email,title\nito@acme.co.jp\nsaito@acme.co.jp\nito@acme.co.jp.test\n")
    (row,) = (await door.get(f"/v1/leads/{lead}/export")).json()["rejected_rows"]
    assert row["cells"] == ["ito@acme.co.jp"]
    await erase(door, lead)
    left = await door.rows("select cells::text from ingest.import_rejects order by row_number")
    assert [row["cells"] for row in left] == ['["saito@acme.co.jp"]', '["ito@acme.co.jp.test"]']


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ito@acme.co.jp", True),
        ("担当はito@acme.co.jp。", True),
        ('{"memo": "from\\nito@acme.co.jp\\n"}', True),
        ('{"mail": "Ito\\u0040Acme.co.jp"}', True),
        ("memo=%22ito%40acme.co.jp%22", True),
        ("mail=ito@acme.co.jp&x=1", True),
        ("to <ito@acme.co.jp>, ito@acme.co.jp.", True),
        ("a" + "\u0301" * 40 + " Ito@acme.co.jp", True),
        ("saito@acme.co.jp", False),
        ("k.ito@acme.co.jp", False),
        ("mail=sa%69to%40acme.co.jp", False),
        ("ito@acme.co.jp.example.com", False),
        ("ito@acme.co.jpx", False),
        ("", False),
    ],
)
def test_whom_a_text_names(text: str, named: bool) -> None:
    assert names(text, ["ito@acme.co.jp", "other@acme.co.jp"]) is named
    assert not names(text, [])


async def test_who_comes_again_after_an_erasure_is_somebody_new(door: Door) -> None:
    lead = (await door.lead({"email": f"{CANARY}@acme.co.jp"}))["lead_id"]
    await erase(door, lead)
    again = await door.lead({"email": f"{CANARY}@acme.co.jp"}, observed_at="2026-11-24T02:00:00Z")
    assert again["lead_id"] != lead
    assert (await door.post("/v1/activities", call(lead_id=lead))).status_code == 422
    await erase(door, "nobody", 404)


@pytest.mark.parametrize("what", ["hearing", "activity", "consent"])
async def test_what_is_said_while_a_lead_is_erased_is_not_kept(
    door: Door, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The erasure commits after the lead was found, and before anything is written of it."""
    lead = (await door.lead({"email": "mei@acme.co.jp"}, external_id="crm:1"))["lead_id"]
    other = (await door.lead({"email": "other@acme.co.jp"}))["lead_id"]
    erasing: list[Any] = []

    def erasing_first(write: Any) -> Any:
        async def after_the_erasure(*given: Any) -> Any:
            if not erasing:
                erasing.append(await erase(door, lead))
            return await write(*given)

        return after_the_erasure

    module, name = {
        "hearing": (record_submissions, "_store"),
        "activity": (record_activities, "add_terms"),
        "consent": (privacy, "add_consent"),
    }[what]
    monkeypatch.setattr(module, name, erasing_first(getattr(module, name)))
    if what == "hearing":
        answers = {"title": {"value": CANARY, "quote": CANARY}}
        body = {"rep": "ito", "heard_at": "2026-11-20T00:00:00Z", "channel": "call", "answers": answers}
        answer = await door.post(f"/v1/leads/{lead}/hearings", body)
    elif what == "activity":  # the address is another lead's key, so nothing but a term is written of this one
        body = call(lead={"external_id": "crm:1", "email": "other@acme.co.jp"})
        del body["lead_id"]
        answer = await door.post("/v1/activities", body)
    else:
        answer = await door.post(f"/v1/leads/{lead}/consent", {"basis": "consent", "evidence": CANARY})
    assert erasing, f"else it was not beside the erasure: {answer.text}"
    if what == "activity":
        (result,) = answer.json()["results"]
        assert result["lead_id"] == other, "the external id is nobody's any more"
    else:
        assert answer.status_code == 410, answer.text
        assert await holding(door) == []
    for table in ("observations", "lead_terms", "lead_keys", "consents"):
        assert await door.rows(f"select * from ingest.{table} where lead_id = $1", lead) == [], table  # noqa: S608


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
    refused = {"phone": {"value": CANARY}}
    await door.post(
        f"/v1/leads/{lead}/hearings",
        {"rep": "ito", "heard_at": "2026-11-20T00:00:00Z", "channel": "call", "answers": refused},
        headers={"Idempotency-Key": "misheard"},
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


async def test_an_erasure_leaves_the_answers_to_requests_about_others(door: Door) -> None:
    async def consented(lead_id: str) -> bool:
        """Whether it was answered before."""
        said = {"basis": "consent", "evidence": "form"}
        key = {"Idempotency-Key": f"consent of {lead_id}"}
        answer = await door.post(f"/v1/leads/{lead_id}/consent", said, headers=key)
        return "Idempotent-Replayed" in answer.headers

    for lead_id in ("lead-1", "lead-10", "l"):
        await door.post("/v1/activities", call(id=f"of {lead_id}", lead_id=lead_id))
        assert not await consented(lead_id)
    for lead_id in ("lead-1", "l"):
        assert (await door.post(f"/v1/leads/{lead_id}/erase", {"reason": "asked"})).status_code == 200
        assert not await consented(lead_id)
    assert await consented("lead-10")
