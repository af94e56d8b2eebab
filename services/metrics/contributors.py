"""The events and leads behind a number: the facts that a question counts, each with the events that it rests on.

Found by making the contributions of group after group anew, so it shows what the numbers are made of, not what was
noted down beside them. Slower than asking for the number, and in pages.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import asyncpg
import msgspec

from services.metrics import store
from services.metrics.catalogue.kpis import Simple, parts_of
from services.metrics.contributions import explained, group_of
from services.metrics.contributions.facts import Contribution
from services.metrics.contributions.kinds import kind_of
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import by_target, truths
from services.metrics.counting import Counting
from services.metrics.query.values import MICROSECONDS, amount
from services.metrics.question import ROWS_AT_MOST, Question, too_many
from shared.events import Event

GROUPS_AT_ONCE = 200


class Cause(msgspec.Struct):
    """One event that a fact rests on."""

    source: str
    id: str
    type: str
    time: str


class Position(msgspec.Struct, array_like=True):
    """Where a page ends: the group, and how many of its contributors were shown."""

    group: str
    shown: int


Placed = tuple[Position, dict[str, Any]]
"""A contributor and where it stands."""

EVENTS_OF: dict[str, tuple[str, ...]] = {
    "activity": ("call", "touch"),
    "content_use": ("content-used",),
    "second_call": ("call",),
    "second_action": ("call", "touch"),
    "first_response": ("call", "touch"),
    "stage_entry": ("stage-changed",),
    "appointment": ("appointment",),
    "handoff": ("handoff-created",),
    "handoff_decision": ("handoff-accepted", "handoff-returned"),
    "opportunity": ("opportunity",),
    "validity": ("opportunity",),
    "close": ("opportunity",),
    "sales_cycle": ("opportunity",),
    "open_pipeline": ("opportunity",),
    "contract": ("contract",),
    "running_company": ("contract",),
    "new_customer": ("contract",),
    "spend": ("spend",),
}
"""Types of events without which a group cannot have the fact; a lead may be known from any."""


def _event_names(facts: Iterable[str]) -> set[str] | None:
    wanted = list(facts)
    return None if any(fact not in EVENTS_OF for fact in wanted) else {n for fact in wanted for n in EVENTS_OF[fact]}


class Contributors:
    """Explains numbers on one connection."""

    def __init__(self, conn: asyncpg.Connection, rules: Rules, counting: Counting) -> None:
        self._conn = conn
        self._rules = rules
        self._counting = counting

    async def page(
        self, question: Question, after: Position | None, limit: int
    ) -> list[tuple[Position, dict[str, Any]]]:
        """Up to `limit` contributors after a position, in the order of their groups."""
        found: list[Placed] = []
        first, shown = (after.group, after.shown) if after else ("", 0)
        names = _event_names(kind_of(part.measure.fact) for part in parts_of(question.kpi).values())
        last, inclusive = first, True  # of the group at which the page before ended there may be more to show
        while len(found) < limit:
            groups = await store.groups_from(self._conn, names, last, GROUPS_AT_ONCE, inclusive=inclusive)
            if not groups:
                return found
            histories = await store.history(self._conn, groups)
            identities = [e.identity for events in histories.values() for e in events]
            corrections = by_target(await store.corrections_of(self._conn, identities))
            for name in groups:
                rows = self._explain(question, list(truths(histories[name], corrections)))
                placed = ((Position(name, n), row) for n, row in enumerate(_bounded(rows), 1))
                skip = max(shown, 0) if name == first else 0
                found += islice(placed, skip, skip + limit - len(found))
                if len(found) == limit:
                    return found
            last, inclusive = groups[-1], False
        return found

    def _explain(self, question: Question, events: Sequence[Event]) -> Iterator[dict[str, Any]]:
        by_identity = {event.identity: event for event in events}
        found = explained(events, group_of(events, self._rules), self._rules)
        # in one order on every page, whatever order the history came in
        contributed = sorted(found, key=lambda of_unit: (of_unit[0], of_unit[1].fact, of_unit[1].causes))
        for role, part in parts_of(question.kpi).items():
            for unit, keys, contribution in self._counting.counted(question, part, contributed):
                lead = "" if " " in unit else unit
                yield {"part": role, **keys, "lead_id": lead, **_figures(part, contribution), "events": [
                    _cause(by_identity[cause]) for cause in contribution.causes if cause in by_identity
                ]}  # fmt: skip


def _bounded(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those of one group, which are made anew up to where a page begins. Raises Problem 422."""
    for n, row in enumerate(rows):
        if n >= ROWS_AT_MOST:
            raise too_many()
        yield row


def _figures(part: Simple, contribution: Contribution) -> dict[str, Any]:
    """What the contributor adds: to a count, to a sum, or a measured time."""
    fact, added, _ = contribution
    match part.definition.kind:
        case "duration":
            return {"value": fact.value / MICROSECONDS[part.definition.unit]}
        case "points":
            return {"value": added.n * part.definition.points_of(fact.dimensions.tier, fact.dimensions.rank)}
        case "sum" | "mean":
            return {"value": amount(part, fact.dimensions.currency, added.total)}
        case "stock" if part.money:
            return {"value": amount(part, fact.dimensions.currency, added.total)}
        case _:
            return {"value": added.n}


def _cause(event: Event) -> Cause:
    return Cause(event.source, event.id, event.type, event.time.isoformat().replace("+00:00", "Z"))
