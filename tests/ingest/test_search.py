"""Finding leads: by what is known of them, by what people type, page by page."""

import base64
import json
from typing import Any

import pytest

from tests.ingest.door import Door, call

FIELDS = {"email": "taro@example.co.jp", "company_name": "株式会社テスト"}


async def test_a_search_box(door: Door) -> None:
    taro = {"last_name": "山田", "first_name": "太郎", "phone": "03-1234-5678", "website": "https://acme.co.jp"}
    lead_id = (await door.lead(taro, external_id="HubSpot:1"))["lead_id"]
    other = (await door.lead({"last_name": "山田", "first_name": "花子"}))["lead_id"]
    await door.post("/v1/activities", call(lead_id="Lead-1"))

    async def found(q: str) -> list[str]:
        return [item["lead_id"] for item in (await door.get("/v1/leads", q=q)).json()["items"]]

    assert await found("山田") == [other, lead_id]
    assert await found("太郎　山田") == await found("山田 acme") == [lead_id]
    assert await found("太郎 花子") == []
    for phone in ("(03) 1234-5678", "０３１２３４５６７８", "+81 3 1234 5678"):
        assert await found(phone) == [lead_id]
    assert await found("HubSpot:1") == await found(f" {lead_id} ") == [lead_id]
    assert await found("Lead-1") == ["Lead-1"]
    assert await found("") == await found("　") == ["Lead-1", other, lead_id]
    assert await found("a " * 250) == []
    merged = await door.post(f"/v1/leads/{lead_id}/merge", {"into": other})
    assert merged.status_code == 200
    assert await found("太郎 花子") == await found("HubSpot:1") == await found("0312345678") == [other]


@pytest.mark.parametrize("path", ["leads", "leads/{lead}/observations", "quarantine", "imports", "audit", "duplicates"])
@pytest.mark.parametrize(
    "position", [10**30, 2**63, -1, ["2026-11-20T10:00:00", "x"], ["0001-01-01T00:00:00+14:00", "x"], "x", None, {}]
)
async def test_a_cursor_that_we_never_gave(door: Door, path: str, position: Any) -> None:
    lead = await door.lead(FIELDS)
    cursor = base64.urlsafe_b64encode(json.dumps(position).encode()).decode()
    answer = await door.get(f"/v1/{path.format(lead=lead['lead_id'])}", cursor=cursor)
    assert answer.status_code in (200, 422), answer.text


async def test_search(door: Door) -> None:
    ids = [
        (await door.lead({"email": f"p{n}@acme{n % 2}.co.jp", "company_name": f"アクメ{n} 100%"}))["lead_id"]
        for n in range(5)
    ]

    async def found(**query: Any) -> list[str]:
        answer = await door.get("/v1/leads", **query)
        assert answer.status_code == 200, answer.text
        return [item["lead_id"] for item in answer.json()["items"]]

    assert await found(email="P3@ACME1.co.jp") == [ids[3]]
    assert await found(domain="www.acme1.co.jp") == [ids[3], ids[1]]
    assert await found(q="ｱｸﾒ2") == [ids[2]]
    assert await found(q="0%") == ids[::-1]
    assert await found(q="_0%") == []
    assert await found(stage="Awareness", domain="acme0.co.jp", q="アクメ4") == [ids[4]]
    assert await found(stage="Customer") == []
    assert (await door.get("/v1/leads", email="x")).status_code == 422
    assert (await door.get("/v1/leads", domain="x")).status_code == 422
    assert (await door.get("/v1/leads", limit=201)).status_code == 422
    assert (await door.get("/v1/leads", cursor="AAAA")).status_code == 422
    first = (await door.get("/v1/leads", limit=3)).json()
    second = (await door.get("/v1/leads", limit=3, cursor=first["next_cursor"])).json()
    assert [i["lead_id"] for i in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert first["items"][0] == (await door.get(f"/v1/leads/{ids[4]}")).json()
