"""Who unsubscribes has opted out of e-mail, however that is told."""

from typing import Any

import pytest

from shared.events import LeadConsent
from tests.ingest.door import Door
from tests.ingest.test_elsewhere import take, written

DECLINED: dict[str, Any] = {"channel": "auto_email", "direction": "outbound", "outcome": "declined"}
EMAIL = "mei@acme.co.jp"


async def post(door: Door, **other: Any) -> str:
    """The lead of a touch."""
    said = DECLINED | {"type": "touch", "id": "u1", "occurred_at": "2026-11-20T01:00:00Z", "lead": {"email": EMAIL}}
    answer = await door.post("/v1/activities", said | other)
    assert answer.status_code == 202, answer.text
    lead_id: str = answer.json()["results"][0]["lead_id"]
    return lead_id


async def consent(door: Door, lead: str) -> Any:
    return (await door.get(f"/v1/leads/{lead}/consent")).json()


@pytest.mark.parametrize("channel", ["auto_email", "newsletter"])
async def test_it_is_on_record_and_told_once(door: Door, channel: str) -> None:
    lead = await post(door, channel=channel)
    assert await post(door, channel=channel) == lead
    now = await consent(door, lead)
    assert now["opted_out"] == [{"channel": "email", "since": "2026-11-20T01:00:00Z"}]
    assert (now["basis"], now["bases"]) == (None, [])
    (entry,) = now["history"]
    assert (entry["basis"], entry["evidence"]) == (None, "unsubscribed: api u1")
    (told,) = await door.outbox("lead-consent")
    assert isinstance(told.data, LeadConsent)
    assert (told.subject, told.data.channels, told.data.basis) == (lead, ["email"], None)


async def test_a_basis_stays_what_it_was_and_a_correction_takes_nothing_back(door: Door) -> None:
    lead = (await door.lead({"email": EMAIL}))["lead_id"]
    told = await door.post(f"/v1/leads/{lead}/consent", {"basis": "notified", "evidence": "名刺", "channels": ["call"]})
    assert told.status_code == 201
    assert await post(door) == lead
    correction = {"type": "correction", "id": "v1", "corrects": {"source": "api", "id": "u1"}, "action": "void"}
    assert (await door.post("/v1/activities", correction | {"occurred_at": "2026-11-21T01:00:00Z"})).status_code == 202
    now = await consent(door, lead)
    assert (now["basis"], now["bases"]) == ("notified", [{"channel": "call", "basis": "notified"}])
    assert [out["channel"] for out in now["opted_out"]] == ["email"]


def replaced(**more: Any) -> dict[str, Any]:
    """A correction that makes a touch one of somebody who unsubscribes."""
    corrects = {"source": "api", "id": "u1"}
    correction = {"type": "correction", "id": "v1", "corrects": corrects, "action": "replace", "data": DECLINED | more}
    return correction | {"occurred_at": "2026-11-21T01:00:00Z"}


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("said", [{}, {"occurred_at": "2026-11-20T10:00:00+09:00"}])
async def test_a_touch_that_becomes_one_by_a_correction(door: Door, said: dict[str, str], waits: bool) -> None:
    lead = await post(door, id="u0", outcome="sent")
    jobs = [lambda: door.post("/v1/activities", replaced(**said)), lambda: post(door, outcome="sent")]
    for job in jobs if waits else reversed(jobs):
        await job()
    now = await consent(door, lead)
    since = "2026-11-20T01:00:00Z" if said else "2026-11-21T01:00:00Z"
    assert now["opted_out"] == [{"channel": "email", "since": since}]
    assert now["history"][0]["evidence"] == "unsubscribed: api v1"
    assert len(await door.outbox("lead-consent")) == 1


async def test_a_correction_of_an_erased_lead_opts_nobody_out(door: Door) -> None:
    lead = await post(door, outcome="sent")
    assert (await door.post(f"/v1/leads/{lead}/erase", {"reason": "asked for"})).is_success
    answer = await door.post("/v1/activities", replaced())
    assert answer.status_code == 202, answer.text
    assert await door.outbox("lead-consent") == []


@pytest.mark.parametrize("other", [{"channel": "email"}, {"channel": "seminar"}, {"outcome": "bounced"}])
async def test_what_is_no_unsubscribing(door: Door, other: dict[str, str]) -> None:
    lead = await post(door, **other)
    assert (await consent(door, lead))["opted_out"] == []


async def test_what_another_program_wrote_to_the_log(door: Door) -> None:
    await take(door, written("u1", name="touch", **DECLINED))
    assert [out["channel"] for out in (await consent(door, "lead-1"))["opted_out"]] == ["email"]
    assert [event.name for event in await door.outbox()] == ["lead-created", "lead-consent"]
