"""Which of the events of a group moved what it has at stake in a closed period. Pure.

From the events known at the close one goes to all that there are, one event at a time in the order in which they were
recorded. An event is a cause where something that the KPI counts changes with it, and is not now as it was at the
close; whatever else came is none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from services.metrics.contributions.facts import Amount
from services.metrics.contributions.order import Order
from services.metrics.contributions.truth import IdentityKey, by_target
from services.metrics.restatement.stakes import Stake, Stakes, Thing
from shared.events import Correction, Event, Spend


class Group(NamedTuple):
    """All events of a group of units, and all corrections of those."""

    events: Sequence[Event]
    corrections: Sequence[Event]


def grouped(histories: Mapping[str, Sequence[Event]], corrections: Iterable[Event]) -> dict[str, Group]:
    """Histories by group with the corrections of each, out of those of all of them together."""
    targets = by_target(corrections)
    return {name: Group(events, list(_reaching(events, targets))) for name, events in histories.items()}


def _reaching(events: Iterable[Event], targets: Mapping[IdentityKey, Sequence[Event]]) -> Iterator[Event]:
    """The corrections of the events, those of the corrections, and so on."""
    seen: set[IdentityKey] = set()
    asked = [event.identity for event in events if not isinstance(event.data, Correction)]
    while asked:
        for correction in targets.get(asked.pop(), ()):
            if correction.identity not in seen:
                seen.add(correction.identity)
                asked.append(correction.identity)
                yield correction


def causes_in(group: Group, stakes: Stakes, closed_at: datetime) -> list[tuple[Event, list[str]]]:
    """The events recorded after the close that moved what the group has at stake, with the KPIs that each moved."""
    found = [cause for part in _independent(group) for cause in _causes(part, stakes, closed_at)]
    return sorted(found, key=lambda cause: _recording(cause[0]))


def _recording(event: Event) -> tuple[datetime, Order]:
    """The order in which events were recorded; a batch is recorded at one time."""
    return event.recorded_at, event.order


def _independent(group: Group) -> Iterator[Group]:
    """What can be looked at by itself: spending tells of nothing but itself, and a year of it is one group."""
    told = [event for event in group.events if not isinstance(event.data, Correction)]
    if all(isinstance(event.data, Spend) for event in told):
        targets = by_target(group.corrections)
        yield from (Group([event], list(_reaching([event], targets))) for event in told)
    else:
        yield group


def _causes(group: Group, stakes: Stakes, closed_at: datetime) -> Iterator[tuple[Event, list[str]]]:
    changes = [(event, list(_differing(before, after))) for event, before, after in _Path(group, stakes, closed_at)]
    things = _Things(stake.things for _, changed in changes for stake, _ in changed)
    net = _summed(things, (change for _, changed in changes for change in changed))
    for event, changed in changes:
        moved = {kpi for kpi, thing in _summed(things, changed) if (kpi, thing) in net}
        if moved:
            yield event, sorted(moved)


Change = tuple[Stake, int]
"""A stake, and how often more it is there (or less)."""


def _differing(before: Counter[Stake], after: Counter[Stake]) -> Iterator[Change]:
    for stake in before.keys() | after.keys():
        if after[stake] != before[stake]:
            yield stake, after[stake] - before[stake]


class _Path:
    """From what was known of a group at the close to what is known now, in the order of recording."""

    def __init__(self, group: Group, stakes: Stakes, closed_at: datetime) -> None:
        self._stakes = stakes
        told = [event for event in group.events if not isinstance(event.data, Correction)] + [*group.corrections]
        self._known = [event for event in told if event.recorded_at <= closed_at]
        self._later = sorted((event for event in told if event.recorded_at > closed_at), key=_recording)

    def __iter__(self) -> Iterator[tuple[Event, Counter[Stake], Counter[Stake]]]:
        """The events with which the stakes change, with the stakes before and after."""
        last = len(self._later)
        return self._between(0, last, self._at(0), self._at(last))

    def _between(
        self, low: int, high: int, before: Counter[Stake], after: Counter[Stake]
    ) -> Iterator[tuple[Event, Counter[Stake], Counter[Stake]]]:
        """By halving: what changes nothing is passed over in long stretches, and few stakes are held at a time."""
        if before == after:
            return
        if high - low == 1:
            yield self._later[low], before, after
            return
        middle = (low + high) // 2
        between = self._at(middle)
        yield from self._between(low, middle, before, between)
        yield from self._between(middle, high, between, after)

    def _at(self, n: int) -> Counter[Stake]:
        """The stakes once the first `n` of the later events were recorded."""
        told = self._known + self._later[:n]
        return self._stakes.of(told, (event for event in told if isinstance(event.data, Correction)))


class _Things:
    """Things that some fact rests on together are one: the events of an opportunity are all about the same."""

    def __init__(self, together: Iterable[Sequence[Thing]]) -> None:
        self._above: dict[Thing, Thing] = {}
        for things in together:
            first = self.one(things)
            for other in things[1:]:
                self._above[self.one([other])] = first
                first = self.one(things)

    def one(self, things: Sequence[Thing]) -> Thing:
        """The one that stands for all of them."""
        thing = things[0]
        while (above := self._above.get(thing, thing)) != thing:
            self._above[thing] = self._above.get(above, above)
            thing = above
        return thing


def _summed(things: _Things, changes: Iterable[Change]) -> dict[tuple[str, Thing], dict[tuple[object, ...], Amount]]:
    """KPI and thing -> how its amounts change, place by place; what comes to nothing has no entry."""
    sums: dict[tuple[str, Thing], dict[tuple[object, ...], Amount]] = {}
    for stake, times in changes:
        places = sums.setdefault((stake.kpi, things.one(stake.things)), {})
        n, total = places.get(stake.place, (0, 0))
        places[stake.place] = Amount(n + times * stake.amount.n, total + times * stake.amount.total)
    return {key: places for key, places in sums.items() if any(amount != (0, 0) for amount in places.values())}
