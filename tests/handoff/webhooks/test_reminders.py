"""Sales is reminded of what it has not answered, once and in time; and whoever is given a handoff hears of it."""

import asyncio
from datetime import timedelta
from typing import Any

from services.handoff.overdue import Overdue, remind
from shared.db import transaction
from shared.events import LeadErased
from tests.handoff.desk import NOW, Desk, Response, made
from tests.handoff.webhooks.telling import slack, standard, telling, told
from tests.website import Website

REMIND = NOW + timedelta(hours=3)
DUE = NOW + timedelta(hours=4)
SOON = ["handoff-due-soon"]


async def with_reminders(desk: Desk, hours: float = 1) -> Response:
    """Have the policy remind so many hours before the end."""
    (said,) = (await desk.get("/v1/policies"))["items"]
    within = {"hours": 4, "calendar": "business", "remind_hours_before": hours}
    return await desk.call("PUT", "/v1/policies/default", said | {"accept_within": within})


async def look(desk: Desk) -> int:
    async with transaction(desk.engine) as conn:
        return await remind(conn, desk.clock.now())


async def handed_over(desk: Desk, lead_id: str = "L1") -> str:
    handoff_id: str = (await desk.hand_over(await desk.ready_lead(lead_id)))["handoff_id"]
    return handoff_id


async def test_it_is_told_once_when_little_time_is_left(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, events=SOON))
    await with_reminders(desk)
    handoff_id = await handed_over(desk)
    desk.clock.at = REMIND - timedelta(seconds=1)
    assert await look(desk) == 0
    desk.clock.at = REMIND + timedelta(minutes=1)
    assert [await look(desk), await look(desk)] == [1, 0]
    await office.send()
    (event,) = told(site)
    assert (event["type"], event["subject"]) == ("tasuki.handoff-due-soon.v1", "L1")
    assert event["data"] == {"handoff_id": handoff_id, "owner": "suzuki", "due_at": "2026-11-20T05:00:00Z"}
    assert event["time"].startswith("2026-11-20T04:00:00"), "when it was to be told, however late somebody looks"
    assert {told.name for told in await desk.told()} == {"stage-changed", "handoff-created"}, "the log is not told"


async def test_nobody_is_reminded_of_what_is_decided_due_already_or_of_an_erased_lead(
    desk: Desk, site: Website
) -> None:
    await telling(desk, standard(site.url, events=SOON))
    await with_reminders(desk)
    decided = await handed_over(desk)
    await desk.post(f"/v1/handoffs/{decided}/accept", {"sales_rep": "suzuki"}, 200)
    await handed_over(desk, "L2")
    await desk.deliver(made("lead-erased", "L2", LeadErased(reason="x"), NOW, "gone"))
    desk.clock.at = REMIND
    assert await look(desk) == 0
    desk.clock.at = NOW
    await handed_over(desk, "L3")
    desk.clock.at = DUE  # handoff was down when it was to remind
    assert await look(desk) == 0


async def test_without_the_setting_nobody_is_reminded(desk: Desk) -> None:
    await handed_over(desk)
    desk.clock.at = DUE - timedelta(seconds=1)
    assert await look(desk) == 0


async def test_the_task_reminds_in_time(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, events=SOON))
    await with_reminders(desk)
    await handed_over(desk)
    desk.clock.at = REMIND - timedelta(seconds=0.2)
    stop = asyncio.Event()
    task = asyncio.create_task(Overdue(desk.engine, desk.rules, desk.clock).run(stop))
    await asyncio.sleep(0.1)
    assert await office.rows() == []
    desk.clock.at += timedelta(seconds=0.2)
    for _ in range(100):
        if await office.rows():
            break
        await asyncio.sleep(0.05)
    assert [row["name"] for row in await office.rows()] == SOON
    stop.set()
    async with asyncio.timeout(2):
        await task


async def test_who_is_given_a_handoff_hears_of_it_and_is_reminded_by_the_new_time(desk: Desk, site: Website) -> None:
    events = ["handoff-reassigned", *SOON]
    office = await telling(desk, standard(site.url, events=events, owners=["sato"]))
    await with_reminders(desk)
    handoff_id = await handed_over(desk)
    desk.clock.at = NOW + timedelta(hours=2)
    form: dict[str, Any] = {"owner": "sato", "reason": "出張", "extend": True}
    await desk.post(f"/v1/handoffs/{handoff_id}/reassign", form, 200)
    desk.clock.at = REMIND
    assert await look(desk) == 0, "the time began anew"
    desk.clock.at = NOW + timedelta(hours=5)
    assert await look(desk) == 1
    await office.send()
    given, soon = [event["data"] for event in told(site)]
    assert given == {
        "handoff_id": handoff_id, "owner": "sato", "previous_owner": "suzuki", "due_at": "2026-11-20T07:00:00Z",
    }  # fmt: skip
    assert (soon["owner"], soon["due_at"]) == ("sato", "2026-11-20T07:00:00Z")


async def test_each_time_that_it_is_given_away_is_told(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, events=["handoff-reassigned"]))
    handoff_id = await handed_over(desk)
    for owner in ("sato", "suzuki", "sato"):
        await desk.post(f"/v1/handoffs/{handoff_id}/reassign", {"owner": owner, "reason": "x"}, 200)
    await office.send()
    assert [event["data"]["owner"] for event in told(site)] == ["sato", "suzuki", "sato"]


async def test_slack_is_told_in_words(desk: Desk, site: Website) -> None:
    office = await telling(desk, slack(site.url, language="en", events=SOON))
    await with_reminders(desk)
    await handed_over(desk)
    desk.clock.at = REMIND
    await look(desk)
    (row,) = await office.rows("sales")
    await office.send("sales")
    text = told(site)[0]["text"]
    assert row["name"] == "handoff-due-soon"
    assert text.startswith("*A handoff is due soon*")
    assert "Answer until: 2026-11-20 14:00" in text


async def test_a_reminder_must_lie_within_the_time(desk: Desk) -> None:
    answer = await with_reminders(desk, 4)
    assert answer.status == 422
    assert "remind_hours_before" in str(answer.body)


async def test_the_change_of_the_policy_is_told_in_words(desk: Desk) -> None:
    await with_reminders(desk, 0.5)
    (change,) = (await desk.get("/v1/policies/default/versions/2/changes"))["changes"]
    assert change["text"]["ja"] == "受諾の期限: 4営業時間以内（0.5営業時間前にリマインド）"
    assert change["text"]["en"] == "Sales decides within 4 business hours, and is reminded 0.5 business hours before"
