"""The gate into stages: the one rule for all ways in. Pure.

A lead's facts are walked in the order of their times, so one late batch brings what many early ones would have. At each
fact the lead enters the furthest stage beyond its own whose `enter_when` is met and looks at that fact. Within a cycle
it only goes forward, and a stage that it skips is not recorded. A cycle is moved by its own facts alone: what happened
before a recycle stays known, but brings nobody into a stage again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from shared.conditions import Condition, evaluate
from shared.events import Observation
from shared.fields import Field, FieldRegistry, believed

BECAME_KNOWN = "lead known"
RECYCLED = "recycle"


class Rule(NamedTuple):
    """A stage and when it is entered."""

    stage: str
    enter_when: Condition


class Ladder:
    """The stages in order. The first is entered when a lead becomes known and at each recycle, the others by rule."""

    def __init__(self, first: str, rules: Sequence[Rule]) -> None:
        self.first = first
        self.rules = tuple(rules)
        self.stages = (first, *(rule.stage for rule in rules))
        self._mentions = {rule.stage: frozenset(_mentions(rule.enter_when)) for rule in rules}

    @property
    def last(self) -> str:
        return self.stages[-1]

    @cached_property
    def event_conditions(self) -> frozenset[Condition]:
        """Every condition on events that some rule holds."""
        return frozenset(m for mentions in self._mentions.values() for m in mentions if isinstance(m, Condition))

    def beyond(self, stage: str) -> tuple[Rule, ...]:
        """The rules of the stages after this one; of all, when the ladder no longer has it."""
        return self.rules[self.stages.index(stage) :] if stage in self.stages else self.rules

    def looks_at(self, rule: Rule, changed: Iterable["str | Condition"]) -> bool:
        return not self._mentions[rule.stage].isdisjoint(changed)


class Place(NamedTuple):
    """Where a lead stands. `since`: when its cycle began, None in the first; `at`: when it entered its stage."""

    stage: str
    cycle: int
    since: datetime | None
    at: datetime


class Moment(NamedTuple):
    """An event that a condition counts: when it happened and who did it."""

    at: datetime
    who: str | None


class Facts(NamedTuple):
    """What is known of a lead. `moments`: per condition on events the earliest matching ones of the cycle, in order of
    time, as many as the condition asks for."""

    observations: Sequence[Observation]
    moments: Mapping[Condition, Sequence[Moment]]


class Entry(NamedTuple):
    """A stage that the lead enters."""

    stage: str
    from_stage: str | None
    cycle: int
    at: datetime
    rule: str
    by: str | None = None
    reason: str | None = None


def advance(ladder: Ladder, registry: FieldRegistry, place: Place, facts: Facts) -> list[Entry]:
    """The entries that these facts bring, in order."""
    entries: list[Entry] = []
    view = _AsOf(registry)
    for at, changes in _timeline(facts, place.since):
        view.take(at, changes, facts)
        # Who sees a fact of an earlier cycle only takes note of it.
        if place.since is not None and at < place.since:
            continue
        keys = [key for key, _ in changes]
        for rule in reversed(ladder.beyond(place.stage)):
            if ladder.looks_at(rule, keys) and evaluate(rule.enter_when, view).truth:
                by = next((who for key, who in changes if who and ladder.looks_at(rule, [key])), None)
                entered = max(at, place.at)  # a fact may be older than the stage before it: entries keep their order
                entries.append(Entry(rule.stage, place.stage, place.cycle, entered, described(rule.enter_when), by))
                place = Place(rule.stage, place.cycle, place.since, entered)
                break
    return entries


_Change = tuple["str | Condition", str | None]
"""What a fact is about (a field, or a condition on events that it fulfils) and who brought it."""


def _timeline(facts: Facts, since: datetime | None) -> list[tuple[datetime, list[_Change]]]:
    points: dict[datetime, list[_Change]] = defaultdict(list)
    for observation in facts.observations:
        points[observation.observed_at].append((observation.field, observation.by))
    for condition, moments in facts.moments.items():
        needed = condition.count or 1
        if len(moments) >= needed:
            points[moments[needed - 1].at].append((condition, moments[needed - 1].who))
    return sorted(points.items(), key=lambda point: point[0])


class _AsOf:
    """The lead as it was known to be at a time, moved forward in time by `take`."""

    def __init__(self, registry: FieldRegistry) -> None:
        self._registry = registry
        self._best: dict[str, Observation] = {}
        self._fulfilled: dict[Condition, int] = {}
        self._next = 0

    def take(self, at: datetime, changes: Sequence[_Change], facts: Facts) -> None:
        start = self._next
        while self._next < len(facts.observations) and facts.observations[self._next].observed_at <= at:
            self._next += 1
        said = facts.observations[start : self._next]
        before = [self._best[o.field] for o in said if o.field in self._best]
        self._best |= believed(self._registry, [*before, *said])
        for key, _ in changes:
            if isinstance(key, Condition):
                self._fulfilled[key] = key.count or 1

    def field(self, field_id: str) -> Field | None:
        return self._registry.get(field_id) if field_id in self._registry else None

    def observation(self, field_id: str) -> Observation | None:
        return self._best.get(field_id)

    def count(self, condition: Condition) -> int:
        return self._fulfilled.get(condition, 0)


def _mentions(condition: Condition) -> Iterable["str | Condition"]:
    if condition.field is not None:
        yield condition.field
    if condition.event is not None:
        yield condition
    for _, part in condition.parts():
        yield from _mentions(part)


def described(condition: Condition) -> str:
    """A condition in words, as history shows it: `needs is confirmed`, `handoff accepted`, at most 500 characters."""
    return _described(condition)[:500]


def _described(condition: Condition) -> str:
    if condition.field is not None:
        wanted = ", ".join(str(one) for one in condition.operands)
        if condition.known is not None:
            return f"{condition.field} {'known' if condition.known else 'not known'}"
        return f"{condition.field} {condition.comparison.replace('_', ' ')} {wanted}"
    if condition.event is not None:
        filters = (condition.channel, condition.direction, condition.outcome, condition.status)
        times = f"{condition.count} times " if (condition.count or 1) > 1 else ""
        return times + " ".join([condition.event, *(f for f in filters if f)])
    parts = [_described(part) for _, part in condition.parts()]
    if condition.not_ is not None:
        return f"not ({parts[0]})"
    return (" and " if condition.all_ is not None else " or ").join(f"({p})" if " or " in p else p for p in parts)
