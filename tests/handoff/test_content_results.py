"""Which content precedes replies and appointments."""

from datetime import datetime, timedelta
from typing import Any

from shared.events import Appointment, ContentUsed, Event, LeadMerged, Touch
from tests.handoff.desk import NOW, Desk, correction, created, made

DAY = timedelta(days=1)


def used(lead: str, what: str, content: str, when: datetime, kind: Any = "template") -> Event:
    return made("content-used", lead, ContentUsed(rep="tanaka", content=content, kind=kind, language="ja"), when, what)


def replied(lead: str, what: str, when: datetime) -> Event:
    return made("touch", lead, Touch(channel="email", direction="inbound", outcome="replied"), when, what)


def appointed(lead: str, what: str, when: datetime, status: Any = "set") -> Event:
    data = Appointment(appointment_id=what, status=status, rep="tanaka")
    return made("appointment", lead, data, when, what)


async def lines(desk: Desk, query: str = "") -> dict[str, tuple[Any, ...]]:
    found = await desk.get(f"/v1/content/results{query}")
    names = ("uses", "leads", "replied", "appointments", "reply_rate")
    return {f"{line['kind']} {line['content']}": tuple(line[name] for name in names) for line in found["items"]}


async def test_what_follows_a_use_within_the_days_counts(desk: Desk) -> None:
    await desk.deliver(
        *(created(lead) for lead in ("L1", "L2", "L3")),
        used("L1", "u1", "first-mail", NOW),
        used("L1", "u2", "first-mail", NOW + 2 * DAY),  # the reply counts for both
        replied("L1", "r1", NOW + 3 * DAY),
        used("L2", "u3", "first-mail", NOW),
        replied("L2", "r2", NOW + 14 * DAY),  # at the end of the days
        appointed("L2", "a1", NOW + 13 * DAY),
        used("L3", "u4", "first-mail", NOW),
        replied("L3", "r3", NOW),  # at the same moment: nobody answers what has not come
        replied("L3", "r4", NOW + 14 * DAY + timedelta(seconds=1)),
        appointed("L3", "a2", NOW + DAY, "cancelled"),
        used("L3", "u5", "platform", NOW, "talk"),
    )
    assert await lines(desk) == {"template first-mail": (4, 3, 3, 1, 0.75), "talk platform": (1, 1, 0, 0, 0.0)}
    assert (await lines(desk, "?within_days=15"))["template first-mail"] == (4, 3, 4, 1, 1.0)
    assert (await lines(desk, "?within_days=1"))["template first-mail"] == (4, 3, 1, 0, 0.25)
    assert await lines(desk, "?from=2026-11-22") == {"template first-mail": (1, 1, 1, 0, 1.0)}
    assert await lines(desk, "?to=2026-11-19") == {}
    assert (await desk.call("GET", "/v1/content/results?within_days=0")).status == 422


async def test_corrections_and_merges_are_seen(desk: Desk) -> None:
    await desk.deliver(created("A"), created("B"), used("A", "u1", "first-mail", NOW), replied("B", "r1", NOW + DAY))
    assert await lines(desk) == {"template first-mail": (1, 1, 0, 0, 0.0)}
    await desk.deliver(made("lead-merged", "B", LeadMerged(into="A"), NOW, "m"))
    assert await lines(desk) == {"template first-mail": (1, 1, 1, 0, 1.0)}
    await desk.deliver(correction("B", "x1", "r1", "void"))
    assert await lines(desk) == {"template first-mail": (1, 1, 0, 0, 0.0)}
    await desk.deliver(correction("A", "x2", "u1", "void"))
    assert await lines(desk) == {}
