"""POST /v1/webhooks/{source}: three encodings, names mapped, nothing lost."""

import asyncio
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from shared.config.sources import Source
from shared.web.keys import create_key
from tests.ingest.door import FORM, NOW, Door, open_door

MULTIPART = {"Content-Type": "multipart/form-data; boundary=limit"}


def multipart(**values: str) -> bytes:
    parts = [f'--limit\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in values.items()]
    return ("".join(parts) + "--limit--\r\n").encode()


async def test_a_form_post_of_a_browser(door: Door) -> None:
    body = urlencode(
        {"メールアドレス": "a@acme.co.jp", "従業員数": "350名", "last_name": "山田", "memo": "至急", "名": ""}
    )
    answer = await door.post("/v1/webhooks/website", body.encode(), headers=FORM)
    assert answer.status_code == 202
    receipt = answer.json()
    assert receipt["duplicate"] is False
    lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
    assert {n: f["value"] for n, f in lead["fields"].items()} == {
        "email": "a@acme.co.jp",
        "employees": 350,
        "last_name": "山田",
    }
    assert lead["fields"]["email"]["source"] == "website"
    (told,) = await door.outbox("lead-fields")
    assert told.id == receipt["event_id"]
    page = (await door.get(f"/v1/leads/{receipt['lead_id']}/observations")).json()
    assert page["unmapped"] == [
        {"name": "memo", "value": "至急", "source": "website", "observed_at": "2026-11-24T03:00:00Z"}
    ]


async def test_a_repetition_is_a_duplicate_within_its_day(door: Door) -> None:
    body = urlencode({"email": "a@acme.co.jp", "title": "部長"}).encode()
    first = (await door.post("/v1/webhooks/website", body, headers=FORM)).json()
    again = (await door.post("/v1/webhooks/website", body, headers=FORM)).json()
    assert again == first | {"duplicate": True}
    door.clock.at = NOW.replace(day=25)
    tomorrow = (await door.post("/v1/webhooks/website", body, headers=FORM)).json()
    assert tomorrow["lead_id"] == first["lead_id"]
    assert tomorrow["duplicate"] is False


async def test_no_key_is_asked_for(door: Door) -> None:
    headers = FORM | {"Authorization": ""}
    answer = await door.post("/v1/webhooks/website", b"email=a%40acme.co.jp", headers=headers)
    assert answer.status_code == 202


async def test_multipart_and_other_charsets(door: Door) -> None:
    answer = await door.post(
        "/v1/webhooks/website", multipart(会社名="アクメ", email="a@acme.co.jp"), headers=MULTIPART
    )
    assert answer.status_code == 202, answer.text
    sjis = urlencode({"company_name": "アクメ", "email": "b@acme.co.jp"}, encoding="cp932").encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=Shift_JIS"}
    other = await door.post("/v1/webhooks/website", sjis, headers=headers)
    bare = "email=c@acme.co.jp&company_name=アクメ".encode()  # as curl and many tools send it
    raw = await door.post("/v1/webhooks/website", bare, headers=FORM)
    for receipt in (answer.json(), other.json(), raw.json()):
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert lead["company"] == {"domain": "acme.co.jp", "name": "アクメ"}


@pytest.mark.parametrize(
    ("named", "charset"), [("Shift_JIS", "cp932"), ("EUC-JP", "euc-jp"), ("ISO-2022-JP", "iso-2022-jp")]
)
async def test_an_encoding_is_named_by_the_content_type_or_as_browsers_do_by_the_form(
    door: Door, named: str, charset: str
) -> None:
    def fields(n: int, **more: str) -> dict[str, str]:
        return {"company_name": "表参道ソフト", "役職": "部長", "email": f"a{n}@acme.co.jp", **more}

    def form(fields: dict[str, str]) -> bytes:
        return urlencode(fields, encoding=charset).encode()

    def parts(fields: dict[str, str]) -> bytes:
        return multipart(**fields).decode().encode(charset)

    for body, content_type in (
        (form(fields(0)), f"{FORM['Content-Type']}; charset={named}"),
        (form(fields(1, _charset_=named)), FORM["Content-Type"]),
        (parts(fields(2)), f"{MULTIPART['Content-Type']}; charset={named}"),
        (parts(fields(3, _charset_=named)), MULTIPART["Content-Type"]),
    ):
        answer = await door.post("/v1/webhooks/website", body, headers={"Content-Type": content_type})
        assert answer.status_code == 202, answer.text
        lead_id = answer.json()["lead_id"]
        lead = (await door.get(f"/v1/leads/{lead_id}")).json()
        assert (lead["fields"]["company_name"]["value"], lead["fields"]["title"]["value"]) == ("表参道ソフト", "部長")
        assert (await door.get(f"/v1/leads/{lead_id}/observations")).json()["unmapped"] == []
    if charset != "iso-2022-jp":  # whose bytes are ASCII, too
        for body, headers in ((form(fields(4)), FORM), (parts(fields(5)), MULTIPART)):
            answer = await door.post("/v1/webhooks/website", body, headers=headers)
            assert answer.status_code == 422, "it is kept, and not taken for another encoding"


async def test_json_with_names_of_ours_and_what_it_says_of_itself(door: Door) -> None:
    body = {"email": "a@acme.co.jp", "employees": 12, "external_id": 77, "observed_at": "2026-11-20T09:00:00+09:00"}
    answer = await door.post("/v1/webhooks/web-json", body | {"campaign": "spring-webinar"})
    lead = (await door.get(f"/v1/leads/{answer.json()['lead_id']}")).json()
    assert lead["external_ids"] == ["77"]
    assert lead["created_at"] == "2026-11-20T00:00:00Z"
    assert lead["campaign"] == "spring-webinar"


async def test_how_other_tools_write_offsets_is_understood(door: Door) -> None:
    body = {"email": "a@acme.co.jp", "observed_at": "2026-11-20T09:00:00+0900"}
    answer = await door.post("/v1/webhooks/web-json", body)
    lead = (await door.get(f"/v1/leads/{answer.json()['lead_id']}")).json()
    assert lead["created_at"] == "2026-11-20T00:00:00Z"


async def test_a_batch_answers_each(door: Door) -> None:
    batch = [{"email": "a@acme.co.jp"}, {"employees": "many"}, 7, {"email": "b@acme.co.jp"}, {"email": "a@acme.co.jp"}]
    answer = await door.post("/v1/webhooks/web-json", batch)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [r.get("duplicate") for r in results] == [False, None, None, False, True]
    assert results[1]["errors"][0]["pointer"] == "/employees"
    kept = (await door.get("/v1/quarantine")).json()["items"]
    assert [k["body"] for k in kept] == ["7", '{"employees":"many"}']


async def test_one_bad_value_does_not_lose_the_lead(door: Door) -> None:
    answer = await door.post("/v1/webhooks/web-json", {"email": "a@acme.co.jp", "employees": "many", "budget": "yes"})
    assert answer.status_code == 202
    page = (await door.get(f"/v1/leads/{answer.json()['lead_id']}/observations")).json()
    assert [o["field"] for o in page["items"]] == ["email"]
    assert [(u["name"], u["value"]) for u in page["unmapped"]] == [("employees", "many"), ("budget", "yes")]
    assert all(u["reason"] for u in page["unmapped"])


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"memo=x", FORM),
        (b"", FORM),
        (b"email=%00", FORM),
        (b"email=%ff", FORM),
        (b"\xff\xfe", FORM),
        (b"--x", MULTIPART),
        (b"{", {"Content-Type": "application/json"}),
        (b"[]", {"Content-Type": "application/json"}),
        (b"[[]]", {"Content-Type": "application/json"}),
        (b'{"email": NaN}', {"Content-Type": "application/json"}),
        (b'{"email": "\\u0000"}', {"Content-Type": "application/json"}),
        (b'{"email": "\\ud800"}', {"Content-Type": "application/json"}),
        (b"[" * 100_000, {"Content-Type": "application/json"}),
        (b"email=a%40acme.co.jp", {"Content-Type": "application/x-www-form-urlencoded; charset=klingon"}),
        (b"a=1&" * 600, FORM),
    ],
)
async def test_what_cannot_be_used_is_kept_with_its_bytes(door: Door, body: bytes, headers: dict[str, str]) -> None:
    answer = await door.post("/v1/webhooks/website", body, headers=headers)
    assert answer.status_code == 422
    (kept,) = await door.rows("select * from ingest.quarantine")
    assert kept["body"] == (body if body != b"[[]]" else b"[]")
    assert await door.outbox() == []
    shown = (await door.get("/v1/quarantine")).json()["items"][0]
    assert shown["errors"]
    retried = await door.post(f"/v1/quarantine/{shown['id']}/retry", b"")
    assert retried.status_code == 422
    assert (await door.get("/v1/quarantine")).json()["items"][0]["attempts"] == 2


async def test_a_retry_after_a_change_of_the_mapping(database_url: str) -> None:
    async with open_door(database_url) as door:
        await door.post("/v1/webhooks/web-json", {"q3_name": {"first": "花子"}, "mail": "a@acme.co.jp"})
        entry = (await door.get("/v1/quarantine")).json()["items"][0]
        mended = Source(
            id="web-json", provider="json", unsigned=True, fields={"mail": "email", "q3_name.first": "first_name"}
        )
        door.runtime.config.sources["web-json"] = mended
        door.clock.at = NOW.replace(hour=9)
        done = await door.post(f"/v1/quarantine/{entry['id']}/retry", b"")
        assert done.status_code == 200
        (result,) = done.json()["results"]
        lead = (await door.get(f"/v1/leads/{result['lead_id']}")).json()
        assert {n: f["value"] for n, f in lead["fields"].items()} == {"email": "a@acme.co.jp", "first_name": "花子"}
        assert lead["created_at"] == "2026-11-24T03:00:00Z"
        again = await door.post(f"/v1/quarantine/{entry['id']}/retry", b"")
        assert again.json() == done.json()
        assert (await door.post("/v1/quarantine/999/retry", b"")).status_code == 404
        assert (await door.post("/v1/quarantine/x/retry", b"")).status_code == 404


async def test_what_stands_in_a_body_is_shown_to_admins_alone(door: Door) -> None:
    """Some tools write their secret there."""
    await door.post("/v1/webhooks/web-json", {"google_key": "canary-secret", "memo": "mei@acme.co.jp"})
    await door.post("/v1/webhooks/web-json", b"\xff canary-secret", headers={"Content-Type": "application/json"})
    lead = (await door.lead({"email": "mei@acme.co.jp"}))["lead_id"]
    scopes = ["leads:read", "leads:write"]
    reader = {"Authorization": f"Bearer {await create_key(door.runtime.engine, 'crm', scopes)}"}
    shown = (await door.get("/v1/quarantine")).json()["items"]
    withheld = (await door.http.get("/v1/quarantine", headers=reader)).json()["items"]
    assert [(one["encoding"], bool(one["body"])) for one in shown] == [("base64", True), ("utf-8", True)]
    assert withheld == [one | {"encoding": "withheld", "body": ""} for one in shown], "all else is the same"
    held = await door.http.get(f"/v1/leads/{lead}/export", headers=reader)
    assert [one["encoding"] for one in held.json()["unusable"]] == ["withheld"]
    door.runtime.config.sources["web-json"] = Source(
        id="web-json", provider="json", unsigned=True, fields={"memo": "email"}
    )
    again = [await door.post(f"/v1/quarantine/{shown[1]['id']}/retry", b"", headers=reader) for _ in range(2)]
    assert [one.status_code for one in again] == [200, 200]
    assert not any("canary-secret" in one.text for one in (held, *again))


@pytest.mark.parametrize(
    ("path", "content_type", "status"),
    [
        ("nowhere", "application/json", 404),
        ("website", "text/plain", 415),
        ("website", "", 415),
        ("website", f'application/json; x="{";" * 1000}"', 415),
    ],
)
async def test_deliveries_that_are_turned_away(door: Door, path: str, content_type: str, status: int) -> None:
    answer = await door.post(f"/v1/webhooks/{path}", b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert (await door.get("/v1/quarantine")).json()["items"] == []


async def test_a_source_with_a_secret(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    source: dict[str, Any] = {"secret_env": "TASUKI_SECRET_X", "previous_secret_env": "TASUKI_SECRET_Y"}
    door.runtime.config.sources["safe"] = Source(id="safe", provider="json", **source)
    monkeypatch.setenv("TASUKI_SECRET_X", "new-secret")
    monkeypatch.setenv("TASUKI_SECRET_Y", "old-secret")

    async def status(**headers: Any) -> int:
        body = {"email": "a@acme.co.jp"}
        return (await door.post("/v1/webhooks/safe", body, headers={"Authorization": "", **headers})).status_code

    assert await status() == 401
    assert await status(**{"X-Tasuki-Secret": "wrong"}) == 401
    assert await status(**{"X-Tasuki-Secret": b"\xe9"}) == 401
    assert await status(Authorization="Bearer ") == 401
    assert await status(**{"X-Tasuki-Secret": "new-secret"}) == 202
    assert await status(**{"X-Tasuki-Secret": "old-secret"}) == 202
    assert await status(Authorization="Bearer new-secret") == 202
    figures = (await door.get("/metrics")).text
    assert 'tasuki_webhooks_total{result="unauthorized",source="safe"} 4.0' in figures
    assert 'tasuki_webhooks_total{result="accepted",source="safe"} 1.0' in figures


async def test_a_key_answers_nobody_who_does_not_prove_who_he_is(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.runtime.config.sources["safe"] = Source(id="safe", provider="json", secret_env="TASUKI_SECRET_X")
    monkeypatch.setenv("TASUKI_SECRET_X", "secret")

    async def post(secret: str, **body: str) -> httpx.Response:
        headers = {"Authorization": "", "X-Tasuki-Secret": secret, "Idempotency-Key": "row-7"}
        return await door.post("/v1/webhooks/safe", {"email": "a@acme.co.jp", **body}, headers=headers)

    assert (await post("wrong", title="forged")).status_code == 401
    assert (await post("wrong")).status_code == 401
    first = await post("secret")
    assert first.status_code == 202, "neither refusal holds the key"
    again = await post("secret")
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    replayed = await post("wrong")
    assert (replayed.status_code, "lead_id" in replayed.text) == (401, False)


async def test_a_secret_in_the_address_is_not_kept_with_the_key(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.runtime.config.sources["safe"] = Source(id="safe", provider="json", secret_env="TASUKI_SECRET_X")
    monkeypatch.setenv("TASUKI_SECRET_X", "canary-secret")
    headers, address = {"Authorization": "", "Idempotency-Key": "row-8"}, "/v1/webhooks/safe?secret=canary-secret"
    answers = [await door.post(address, {"email": "a@acme.co.jp"}, headers=headers) for _ in range(2)]
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true"]
    assert "canary" not in str(await door.rows("select * from access.idempotency"))


async def test_the_same_form_50_times_at_once(door: Door) -> None:
    body = b"email=a%40acme.co.jp"
    answers = await asyncio.gather(*(door.post("/v1/webhooks/website", body, headers=FORM) for _ in range(50)))
    assert {a.status_code for a in answers} == {202}
    assert sorted(a.json()["duplicate"] for a in answers) == [False] + [True] * 49
    assert len({a.json()["lead_id"] for a in answers}) == 1
    assert len(await door.outbox("lead-fields")) == 1


async def test_a_source_with_a_limit_is_told_to_wait_and_others_go_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree("config", tmp_path / "config"))
    text = (folder / "sources.yaml").read_text(encoding="utf-8")
    limited = text.replace("    provider: json\n", "    provider: json\n    rate_limit: 2/h\n", 1)
    (folder / "sources.yaml").write_text(limited, encoding="utf-8")
    monkeypatch.setenv("TASUKI_CONFIG_DIR", str(folder))
    async with open_door(database_url) as door:
        for n in range(2):
            assert (await door.post("/v1/webhooks/web-json", {"email": f"a{n}@acme.co.jp"})).status_code == 202
        headers = {"Idempotency-Key": "k"}
        for _ in range(2):
            late = await door.post("/v1/webhooks/web-json", {"email": "a3@acme.co.jp"}, headers=headers)
            assert late.status_code == 429
            assert late.json()["type"] == "urn:tasuki:problem:too-many-requests"
            assert 1 <= int(late.headers["retry-after"]) <= 1800
            assert "idempotent-replayed" not in late.headers, "a refusal that passes is no answer to keep"
        assert (await door.post("/v1/webhooks/website", b"email=a4%40acme.co.jp", headers=FORM)).status_code == 202
        assert len(await door.rows("select 1 from ingest.leads")) == 3
