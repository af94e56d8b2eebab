"""What people read in Slack."""

import json
from datetime import timedelta
from typing import Any

from services.handoff.overdue import tell
from shared.db import transaction
from tests.handoff.desk import Desk, created, fields
from tests.handoff.webhooks.telling import PACKAGE, slack, telling
from tests.website import Website


def texts(site: Website) -> list[list[str]]:
    """The lines of each message; nothing but its text is sent."""
    messages: list[dict[str, Any]] = [json.loads(body) for body in site.bodies]
    assert all(set(message) == {"text"} for message in messages)
    return [message["text"].split("\n") for message in messages]


async def all_of_it(desk: Desk, site: Website, **more: Any) -> tuple[list[list[str]], str]:
    """The texts of a handoff that is made, overdue, and given back; and its id."""
    office = await telling(desk, slack(site.url, **more))
    await desk.deliver(fields("L1", "form", email="canary-mei@acme.co.jp", last_name="canary-name"))
    handoff = await desk.hand_over(await desk.ready_lead("L1"), reason="canary-reason")
    desk.clock.at += timedelta(days=7)
    async with transaction(desk.engine) as conn:
        await tell(conn, desk.rules, desk.clock.now())
    form = {"sales_rep": "suzuki", "reason": "no_need", "comment": "<!channel> & 電話に\n出ない"}
    await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/return", form, 200)
    await office.send("sales")
    return texts(site), handoff["handoff_id"]


async def test_in_japanese(desk: Desk, site: Website) -> None:
    (created, overdue, returned), handoff_id = await all_of_it(desk, site)
    about = ["リード: L1", "セグメント: エンタープライズ", "担当: 鈴木", "インサイドセールス: 田中"]
    due = ["回答期限: 2026-11-20 14:00 (Asia/Tokyo)", "満たした条件: ニーズ確認済み"]
    link = [f"<{PACKAGE}{handoff_id}|パッケージを開く>"]
    assert created == ["*営業へのパス*", *about, *due, *link]
    assert overdue == ["*パスが期限までに受諾されていません*", *about, *due, *link]
    assert returned == ["*営業がパスを差し戻しました*", *about, "営業: 鈴木", "理由: ニーズなし", *link]


async def test_in_english_with_what_may_be_shown(desk: Desk, site: Website) -> None:
    more = {
        "language": "en",
        "fields": ["company_name", "employees", "industry"],
        "comments": True,
        "link": "https://crm.acme.co.jp/{lead_id}/{handoff_id}?a=1&b=2",
    }
    (created, _, returned), handoff_id = await all_of_it(desk, site, **more)
    about = ["Lead: L1", "Company: 株式会社テスト", "Employees: 5000", "Segment: Enterprise"]
    link = f"<https://crm.acme.co.jp/L1/{handoff_id}?a=1&amp;b=2|Open the package>"
    assert created[:5] == ["*A lead for sales*", *about]
    assert created[7:] == ["Answer until: 2026-11-20 14:00 (Asia/Tokyo)", "Criteria met: Needs confirmed", link]
    comment = "Comment: &lt;!channel&gt; &amp; 電話に 出ない"
    assert returned[7:] == ["Sales: 鈴木", "Reason: no need", comment, link], "it calls nobody together"


async def test_nothing_of_the_person_is_told_unless_it_is_named(desk: Desk, site: Website) -> None:
    said, _ = await all_of_it(desk, site)
    assert "canary" not in str(said)
    assert "株式会社テスト" not in str(said)


async def test_an_override_and_an_acceptance(desk: Desk, site: Website) -> None:
    office = await telling(desk, slack(site.url, language="en"))
    await desk.deliver(created("L1"), fields("L1", "form", employees=5000))
    handoff = await desk.hand_over("L1", override={"reason": "canary-of-the-override"})
    await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", {"sales_rep": "suzuki"}, 200)
    await office.send("sales")
    made, accepted = texts(site)
    assert made[-3:-1] == ["Criteria met: -", "handed over although it is not ready"]
    assert (accepted[0], accepted[-2]) == ("*Sales took the lead*", "Sales: 鈴木")
    assert "canary" not in str(texts(site))


async def test_a_stage(desk: Desk, site: Website) -> None:
    office = await telling(desk, slack(site.url, events=["stage-changed"]))
    await desk.ready_lead("L1")
    await office.send("sales")
    first, second = texts(site)
    assert first[:2] == ["*ステージ変更*", "リード: L1"]
    assert second[2].startswith("ステージ: ")
    assert " → " in second[2]
    assert len(second) == 3
