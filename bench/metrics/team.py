"""A year of a large team: a configuration with so many reps, and what they do, cut every way that a KPI may be cut."""

import random
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from bench.corpus import BEGIN, ODDS, OUTCOMES, REPS, YEAR, lead_name
from shared.eventlog.port import Message
from shared.events import Appointment, Call, Data, Event, LeadCreated, LeadFields, Observation, Opportunity, Touch
from shared.events import to_message as message_of
from shared.money import Money
from shared.settings import Settings

_INDUSTRIES = ("software", "retail", "logistics", "food", "finance", "construction", "medical", "education")
_EMPLOYEES = (40, 700, 5_000, None)  # of segment smb, smb, enterprise, unknown
_OPENS_UTC, _HOURS = 0, 10  # nine to seven o'clock in Tokyo
_WORK = ("call", "touch", "appointment", "opportunity")
_WORK_ODDS = (80, 14, 4, 2)


def reps(count: int) -> list[str]:
    """Names of so many reps."""
    return [*REPS, *(f"rep-{n}" for n in range(16, count))][:count]


def configuration(folder: Path, count: int) -> Path:
    """The configuration of this repository with so many reps in its teams, as a folder in `folder`."""
    target = folder / "config"
    shutil.copytree(Settings.model_fields["config_dir"].default, target)
    file = target / "team.yaml"
    team: dict[str, Any] = yaml.safe_load(file.read_text())
    known = {member["id"] for member in team["members"]}
    teams = [unit["id"] for unit in team["teams"]]
    team["members"] += [
        {"id": rep, "name": rep, "role": "inside_sales", "team": teams[n % len(teams)]}
        for n, rep in enumerate(reps(count))
        if rep not in known
    ]
    file.write_text(yaml.safe_dump(team, allow_unicode=True))
    return target


def year(events: int, count: int, seed: int) -> Iterator[Message]:
    """First the leads, then a year of work on them in order of time: with hours of work, outcomes, segments, industries
    and money, so that nearly every call has a cell of its own. `events` messages in all."""
    draw = random.Random(seed)  # noqa: S311 - figures that can be repeated
    leads = [lead_name(n) for n in range(max(1, events // 20))]
    for lead in leads:
        yield from _known(lead, draw)
    members = reps(count)
    work = events - 2 * len(leads)
    for n in range(work):
        moment = _at_work(n / work, draw)
        yield _message(f"work-{n:012d}", draw.choice(leads), moment, _work(n, members, moment, draw))


def _known(lead: str, draw: random.Random) -> Iterator[Message]:
    fields: dict[str, str | int | None] = {"industry": draw.choice(_INDUSTRIES), "employees": draw.choice(_EMPLOYEES)}
    observations = [
        Observation(
            observation_id=f"{lead}-{field}", field=field, method="form", source="website", observed_at=BEGIN,
            value=value,
        )
        for field, value in fields.items()
        if value is not None
    ]  # fmt: skip
    yield _message(f"{lead}-created", lead, BEGIN, LeadCreated(source="website"))
    yield _message(f"{lead}-fields", lead, BEGIN, LeadFields(observations=observations))


def _at_work(share: float, draw: random.Random) -> datetime:
    """In the hours of work of the day on which this share of the year has passed; on weekdays."""
    day = BEGIN + timedelta(days=int(share * YEAR.days))
    day -= timedelta(days=max(0, day.isoweekday() - 5))
    return day + timedelta(hours=_OPENS_UTC, seconds=draw.randrange(_HOURS * 3600))


def _work(n: int, members: Sequence[str], moment: datetime, draw: random.Random) -> Data:
    rep = draw.choice(members)
    match draw.choices(_WORK, _WORK_ODDS)[0]:
        case "call":
            outcome = draw.choices(OUTCOMES, ODDS)[0]
            return Call(rep=rep, direction="outbound", outcome=outcome, duration_s=draw.randrange(600))
        case "touch":
            return Touch(channel=draw.choice(("email", "sns_dm")), direction="outbound", rep=rep, outcome="sent")
        case "appointment":
            return Appointment(appointment_id=f"appointment-{n}", status="set", rep=rep, scheduled_for=moment)
        case _:
            return Opportunity(
                opportunity_id=f"opportunity-{n}", status=draw.choice(("created", "won", "lost")), credited_rep=rep,
                owner=draw.choice(("sato", "suzuki")), amount=Money(str(draw.randrange(1, 50) * 100_000), "JPY"),
            )  # fmt: skip


def _message(id_: str, lead: str, moment: datetime, data: Data) -> Message:
    name = {LeadCreated: "lead-created", LeadFields: "lead-fields"}.get(type(data), type(data).__name__.lower())
    return message_of(
        Event(
            id=id_, source="bench", name=name, time=moment, subject=lead, key=lead, recorded_at=moment, data=data
        )
    )  # fmt: skip
