"""The gate into stages: the one rule for all ways in. Pure.

A lead's facts are walked in the order of their times, so one late batch brings what many early ones would have. At each
fact the lead enters the furthest stage beyond its own whose `enter_when` is met and looks at that fact. Within a cycle
it only goes forward, and a stage that it skips is not recorded. A cycle is moved by its own facts alone: what happened
before a recycle stays known, but brings nobody into a stage again.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from services.handoff.unfolding import Unfolding
from shared.conditions import Condition, evaluate
from shared.events import Observation
from shared.fields import FieldRegistry

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
        self._mentions = {rule.stage: tuple(dict.fromkeys(_mentions(rule.enter_when))) for rule in rules}

    @property
    def last(self) -> str:
        return self.stages[-1]

    def event_conditions(self, stage: str | None) -> list[Condition]:
        """The conditions on events in the rules beyond a stage."""
        mentioned = dict.fromkeys(m for rule in self.beyond(stage) for m in self._mentions[rule.stage])
        return [m for m in mentioned if isinstance(m, Condition)]

    def beyond(self, stage: str | None) -> tuple[Rule, ...]:
        """The rules of the stages after this one; of all, when the lead is in none or the ladder no longer has it."""
        return self.rules[self.stages.index(stage) :] if stage in self.stages else self.rules

    def looks_at(self, rule: Rule, changed: Collection["str | Condition"]) -> bool:
        return any(mention in changed for mention in self._mentions[rule.stage])


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
    time, at least as many as the condition asks for, where there are."""

    observations: Sequence[Observation]
    moments: Mapping[Condition, Sequence[Moment]]
    merged: Sequence[Observation] = ()
    """Observations of leads that were merged into it: believed where its own say nothing."""


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
    for at, changes in _timeline(facts):
        view.take_all(changes)
        if place.since is not None and at < place.since:  # of an earlier cycle: known, but it moves nobody
            continue
        about = [change.about for change in changes]
        for rule in reversed(ladder.beyond(place.stage)):
            if ladder.looks_at(rule, about) and evaluate(rule.enter_when, view).truth:
                by = next((c.who for c in changes if c.who and ladder.looks_at(rule, [c.about])), None)
                entered = max(at, place.at)  # a fact may be older than the stage before it: entries keep their order
                entries.append(Entry(rule.stage, place.stage, place.cycle, entered, described(rule.enter_when), by))
                place = Place(rule.stage, place.cycle, place.since, entered)
                break
    return entries


class _Change(NamedTuple):
    """One fact: a field that somebody spoke about, or a condition on events that is fulfilled."""

    about: str | Condition
    who: str | None
    said: Observation | None = None
    of_merged: bool = False


def _timeline(facts: Facts) -> list[tuple[datetime, list[_Change]]]:
    """Facts of one time stand together, since one form says many things at once; but of two that contradict one
    another at one time each has its moment, as if they had come one by one."""
    points: dict[tuple[datetime, int], list[_Change]] = defaultdict(list)
    spoken_of: Counter[tuple[datetime, str]] = Counter()
    for of_merged, observations in enumerate((facts.observations, facts.merged)):
        for said in observations:
            subject = (said.observed_at, said.field)
            change = _Change(said.field, said.by, said, bool(of_merged))
            points[said.observed_at, spoken_of[subject]].append(change)
            spoken_of[subject] += 1
    for condition, moments in facts.moments.items():
        needed = condition.count or 1
        if len(moments) >= needed:
            points[moments[needed - 1].at, 0].append(_Change(condition, moments[needed - 1].who))
    return [(at, points[at, turn]) for at, turn in sorted(points)]


class _AsOf(Unfolding):
    """The lead as it was known to be at a time, with the conditions on events that were fulfilled by then."""

    def __init__(self, registry: FieldRegistry) -> None:
        super().__init__(registry)
        self._fulfilled: set[Condition] = set()

    def take_all(self, changes: Iterable[_Change]) -> None:
        for change in changes:
            if change.said is not None:
                self.take(change.said, of_merged=change.of_merged)
            elif isinstance(change.about, Condition):
                self._fulfilled.add(change.about)

    def count(self, condition: Condition) -> int:
        return (condition.count or 1) if condition in self._fulfilled else 0


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
