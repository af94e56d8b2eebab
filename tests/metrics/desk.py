"""Takes events and asks, in few words."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

from msgspec.structs import replace

from services.metrics.question import Grain, Question
from shared.events import Event
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import make


class Desk:
    """A metrics engine that starts with nothing."""

    def __init__(self, numbers: Numbers, runner: asyncio.Runner) -> None:
        self.numbers = numbers
        self._runner = runner
        numbers.targets = ()
        runner.run(numbers.reset())

    def take(self, *events: Event) -> None:
        self._runner.run(self.numbers.take(events))

    def ask(
        self, kpi: str, grain: Grain = "all", *by: str, days: tuple[date | None, date | None] = (None, None)
    ) -> dict[Any, Any]:
        """Period (and `by`) -> value."""
        rows = self.rows(kpi, grain, *by, days=days)
        keys = [tuple(row[name] for name in ("period", *by)) for row in rows]
        return {key if by else key[0]: row["value"] for key, row in zip(keys, rows, strict=True)}

    def rows(
        self, kpi: str, grain: Grain = "all", *by: str, days: tuple[date | None, date | None] = (None, None)
    ) -> list[dict[str, Any]]:
        """The rows as they are answered."""
        return self._runner.run(self.numbers.ask(kpi, grain, by, days))

    def answer(self, question: Question) -> list[dict[str, Any]]:
        """The rows of a question as a request asks it."""
        return self._runner.run(self.numbers.answer(question))

    def row(self, kpi: str) -> dict[str, Any]:
        """The only row of a KPI over all time."""
        (row,) = self.rows(kpi)
        return row


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def call(identity: str, time: datetime, lead: str = "lead-a", **content: Any) -> Event:
    return make(
        "call", identity, lead, time, {"rep": "tanaka", "direction": "outbound", "outcome": "no_answer"} | content
    )


def step(identity: str, time: datetime, status: str, lead: str = "lead-a", **content: Any) -> Event:
    return make("opportunity", identity, lead, time, {"opportunity_id": "O", "status": status} | content)


def term(identity: str, day: str, status: str, arr: int | None = None, **content: Any) -> Event:
    given = {"contract_id": "K", "company": "acme", "status": status, "effective_on": day, "arr": arr and jpy(arr)}
    return make("contract", identity, "", utc(2026, 1, 1), given | content)


def observed(identity: str, lead: str, **values: Any) -> Event:
    """A form (and for what only a hearing may tell, a hearing) of 2026-11-01."""
    observations = [
        {
            "observation_id": f"{identity}-{field}",
            "field": field,
            "method": "hearing" if value in ("confirmed", "denied") else "tool" if field == "target_tier" else "form",
            "source": "website",
            "observed_at": "2026-11-01T00:00:00Z",
            "status" if value in ("confirmed", "denied") else "value": value,
        }
        for field, value in values.items()
    ]
    return make("lead-fields", identity, lead, utc(2026, 11, 1), {"observations": observations})


def void(identity: str, time: datetime, corrects: str) -> Event:
    content = {"corrects": {"source": "test", "id": corrects}, "action": "void"}
    return make("correction", identity, "lead-a", time, content)


def jpy(value: int) -> dict[str, str]:
    return {"value": str(value), "currency": "JPY"}


def touch(identity: str, time: datetime, outcome: str, lead: str = "lead-a", **content: Any) -> Event:
    given = {"rep": "tanaka", "channel": "email", "direction": "outbound", "outcome": outcome}
    return make("touch", identity, lead, time, given | content)


def seen(identity: str, time: datetime, lead: str = "lead-a", employees: int = 10) -> Event:
    """The lead becomes known by a form."""
    observation = {
        "observation_id": identity,
        "field": "employees",
        "method": "form",
        "source": "website",
        "observed_at": time.isoformat(),
        "value": employees,
    }
    return make("lead-fields", identity, lead, time, {"observations": [observation]})


def appointment(identity: str, time: datetime, status: str = "set", lead: str = "lead-a", **content: Any) -> Event:
    given = {"appointment_id": f"A-{lead}", "status": status, "rep": "tanaka"}
    return make("appointment", identity, lead, time, given | content)


def handoff(identity: str, time: datetime, lead: str = "lead-a", rep: str = "tanaka") -> Event:
    policy = {"id": "default", "version": 1}
    given = {"handoff_id": f"H-{lead}", "rep": rep, "owner": "sato", "segment": "smb", "policy": policy}
    return make("handoff-created", identity, lead, time, given)


def spend(identity: str, time: datetime, spent_on: str, value: int) -> Event:
    content = {"amount": jpy(value), "category": "marketing", "spent_on": spent_on}
    return make("spend", identity, "", time, content)


def from_source(source: str, event: Event) -> Event:
    return replace(event, source=source)
