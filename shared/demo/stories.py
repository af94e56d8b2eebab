"""What a lead's week is told with: calls, touches, hearings, what a tool finds, handoffs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared.demo import words
from shared.demo.hours import moments, soon, working_days
from shared.demo.world import Crew, Person

Activity = dict[str, Any]
"""An activity as it is posted, with times as datetime."""

Decision = Literal["accept", "return", "wait"]

_WEEKS_BEFORE: Final = 8
_MISSES: Final = {"no_answer": 70, "voicemail": 14, "busy": 8, "gatekeeper": 8}
_SILENT: Final = ("newsletter", "auto_email")
"""Channels of the machine: nobody's touch."""


class Submission(NamedTuple):
    """A form that makes the lead."""

    external_id: str
    fields: dict[str, Any]
    observed_at: datetime
    campaign: str | None


class ToolResult(NamedTuple):
    """What a tool found out about a lead."""

    external_id: str
    tool: str
    observed_at: datetime
    fields: dict[str, Any]


class Hearing(NamedTuple):
    """What a rep heard from a lead."""

    external_id: str
    rep: str
    heard_at: datetime
    answers: dict[str, dict[str, Any]]


class Pass(NamedTuple):
    """A lead that its rep wants to hand over, and what sales will say: `wait` leaves it in the inbox."""

    external_id: str
    rep: str
    reason: str
    appointment: dict[str, Any]
    decision: Decision
    return_reason: str
    comment: str


class Frame(NamedTuple):
    """What all stories of a week share. `campaigns`: ids of those that run in it, by channel."""

    key: str
    monday: date
    crews: Sequence[Crew]
    zone: ZoneInfo
    campaigns: dict[str, str]

    @property
    def days(self) -> list[date]:
        return working_days(self.monday, self.monday + timedelta(days=6))

    @property
    def days_before(self) -> list[date]:
        return working_days(self.monday - timedelta(weeks=_WEEKS_BEFORE), self.monday - timedelta(days=1))


@dataclass
class Story:
    """One lead's week; `later` is what happens after sales has said yes or no."""

    frame: Frame
    person: Person
    rng: Random
    rep: str
    seller: str
    created_at: datetime
    activities: list[Activity] = field(default_factory=list)
    later: list[Activity] = field(default_factory=list)
    tool_results: list[ToolResult] = field(default_factory=list)
    hearings: list[Hearing] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)

    def happens(self, type_: str, source: str, at: datetime, *, later: bool = False, **data: Any) -> Activity:
        """Adds an activity. Its id is that of its place in the story."""
        serial = len(self.activities) + len(self.later)
        activity = {
            "id": f"{self.person.external_id}-{serial:02}",
            "source": source,
            "type": type_,
            "occurred_at": at,
            "lead": {"external_id": self.person.external_id},
            **data,
        }
        (self.later if later else self.activities).append(activity)
        return activity

    def times(self, count: int) -> list[datetime]:
        """So many moments of the week after the lead came, in order."""
        days = [day for day in self.frame.days if day >= self.created_at.date()]
        return moments(self.rng, days, count, self.frame.zone, after=self.created_at)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def call(self, at: datetime, outcome: str, direction: str = "outbound") -> Activity:
        longest = {"conversation": (90, 1_200), "gatekeeper": (20, 120), "voicemail": (15, 50)}.get(outcome, (0, 25))
        seconds = self.rng.randint(*longest)
        return self.happens(
            "call", "dialer", at, rep=self.rep, direction=direction, outcome=outcome, duration_s=seconds
        )

    def touch(self, at: datetime, channel: str, outcome: str | None, direction: str = "outbound") -> Activity:
        data: dict[str, Any] = {"channel": channel, "direction": direction}
        if channel not in _SILENT:
            data |= {"rep": self.rep, "duration_s": self.rng.randint(60, 900)}
        if outcome is not None:
            data["outcome"] = outcome
        if campaign := self.frame.campaigns.get(channel):
            data["campaign"] = campaign
        return self.happens("touch", "crm", at, **data)

    def missed(self, times: Sequence[datetime]) -> None:
        for at in times:
            self.call(at, self.rng.choices(list(_MISSES), list(_MISSES.values()))[0])

    def hear(self, at: datetime, statuses: dict[str, str], **values: Any) -> None:
        answers: dict[str, dict[str, Any]] = {
            name: {"status": status, "quote": self.rng.choice(words.QUOTES[name][status])}
            for name, status in statuses.items()
        }
        answers |= {name: {"value": value} for name, value in values.items()}
        self.hearings.append(Hearing(self.person.external_id, self.rep, at, answers))

    def submission(self) -> Submission:
        """The form by which the lead came: most tell little of their company."""
        person, company = self.person, self.person.company
        fields: dict[str, Any] = {
            "email": person.email,
            "last_name": person.last_name,
            "first_name": person.first_name,
            "company_name": company.name,
            "phone": person.phone,
        }
        more = {"title": person.title, "industry": company.industry, "website": f"https://www.{company.domain}/"}
        fields |= {name: value for name, value in more.items() if self.chance(0.6)}
        if self.chance(0.4):
            fields["usage"] = person.usage
        if self.chance(0.3):
            fields["employees"] = company.employees
        campaign = self.rng.choice([*self.frame.campaigns.values(), None, None])
        return Submission(person.external_id, fields, self.created_at, campaign)

    def look_up(self) -> None:
        """A tool finds out about the company, for some soon after they came."""
        company = self.person.company
        fields: dict[str, Any] = {"industry": company.industry, "target_tier": company.tier}
        if self.chance(0.8):
            fields["employees"] = company.employees
        if self.chance(0.5):
            fields["website_tags"] = sorted(self.rng.sample(words.TAGS, self.rng.randint(1, 3)))
        at = soon(self.rng, self.created_at, 60)
        self.tool_results.append(ToolResult(self.person.external_id, "company-lookup", at, fields))
