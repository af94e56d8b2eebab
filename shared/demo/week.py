"""The events of a week, from a seed. Pure: no clock, no randomness of its own, no input or output.

Ids are made of the seed and the week, and lead 7 lives through the same however many leads there are: telling a week
twice adds nothing, telling it with more leads adds those leads.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.config.campaigns import Campaign
from shared.demo.fates import story_of
from shared.demo.hours import moments
from shared.demo.stories import Activity, Frame, Hearing, Pass, Submission, ToolResult
from shared.demo.world import Crew, random_of
from shared.periods import period_of

_SPEND = (("marketing", 300_000, 900_000, 4), ("inside_sales", 80_000, 300_000, 2), ("sales", 100_000, 400_000, 2))
"""Category, least and most in yen, how often."""


class Week(NamedTuple):
    """A week, in the order in which it is told; `activities` come before the handoffs, `outcomes` after."""

    monday: date
    key: str
    leads: tuple[Submission, ...]
    tool_results: tuple[ToolResult, ...]
    hearings: tuple[Hearing, ...]
    activities: tuple[Activity, ...]
    passes: tuple[Pass, ...]
    outcomes: tuple[Activity, ...]

    @property
    def sunday(self) -> date:
        return self.monday + timedelta(days=6)


def generate(
    seed: int,
    monday: date,
    leads: int,
    crews: Sequence[Crew],
    zone: ZoneInfo,
    campaigns: Mapping[str, Campaign] | None = None,
) -> Week:
    """The week that begins with `monday`, with so many leads."""
    frame = frame_of(seed, monday, crews, zone, campaigns or {})
    told = [story_of(frame, number) for number in range(leads)]
    stories = [story for _, story in told]
    return Week(
        monday=monday,
        key=frame.key,
        leads=tuple(submission for submission, _ in told),
        tool_results=tuple(result for story in stories for result in story.tool_results),
        hearings=tuple(hearing for story in stories for hearing in story.hearings),
        activities=_in_order([activity for story in stories for activity in story.activities]),
        passes=tuple(wish for story in stories for wish in story.passes),
        outcomes=_in_order([*(a for story in stories for a in story.later), *_spend(frame), *_older_contracts(frame)]),
    )


def frame_of(
    seed: int, monday: date, crews: Sequence[Crew], zone: ZoneInfo, campaigns: Mapping[str, Campaign]
) -> Frame:
    """What the stories of this week share."""
    sunday = monday + timedelta(days=6)
    running: dict[str, str] = {c.channel: c.id for c in campaigns.values() if c.from_ <= sunday and monday <= c.to}
    return Frame(f"{seed}-{period_of(monday, 'week').label}", monday, tuple(crews), zone, running)


def _spend(frame: Frame) -> list[Activity]:
    rng = random_of(frame.key, "spend")
    made: list[Activity] = []
    for category, least, most, times in _SPEND:
        for at in moments(rng, frame.days, times, frame.zone):
            campaign = rng.choice([*frame.campaigns.values(), None]) if category == "marketing" else None
            made.append(
                _of_nobody(
                    frame,
                    f"spend-{len(made)}",
                    "spend",
                    at=at,
                    amount={"value": str(rng.randrange(least, most, 1_000)), "currency": "JPY"},
                    category=category,
                    spent_on=at.date(),
                    **({"campaign": campaign} if campaign else {}),
                )
            )
    return made


def _older_contracts(frame: Frame) -> list[Activity]:
    """Customers of earlier times: a contract grows, one ends."""
    rng = random_of(frame.key, "contracts")
    made: list[Activity] = []
    for number, end in enumerate(("changed", "ended")):
        began = moments(rng, frame.days_before, 1, frame.zone)[0]
        then = moments(rng, frame.days, 1, frame.zone)[0]
        yen = rng.randint(10, 50) * 60_000
        for at, status, value in ((began, "started", yen), (then, end, yen * 3 // 2)):
            money = {} if status == "ended" else {"arr": {"value": str(value), "currency": "JPY"}}
            made.append(
                _of_nobody(
                    frame,
                    f"contract-{number}-{status}",
                    "contract",
                    at=at,
                    contract_id=f"demo:{frame.key}-contract-{number}",
                    company=f"customer-{number}-{frame.key.lower()}.example",
                    status=status,
                    effective_on=at.date(),
                    **money,
                )
            )
    return made


def _of_nobody(frame: Frame, name: str, type_: str, *, at: Any, **data: Any) -> Activity:
    """An activity without a lead."""
    return {"id": f"demo:{frame.key}-{name}", "source": "billing", "type": type_, "occurred_at": at, **data}


def _in_order(activities: Sequence[Activity]) -> tuple[Activity, ...]:
    return tuple(sorted(activities, key=lambda activity: (activity["occurred_at"], activity["id"])))
