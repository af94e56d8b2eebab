"""One batch while it is taken into a set of numbers: the digests it found, how they became, what changes in cells."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

from services.metrics.contributions import Group
from services.metrics.contributions.digest_facts import parts_that_differ
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.linear import call_fact
from services.metrics.contributions.past import facts_of_event, facts_of_unit, past_of, tells
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import IdentityKey
from services.metrics.store import Side, StoredLead
from shared.events import Correction, Event

_NOTHING = LeadState()
"""The digest of no events, to compare with."""


class Work:
    """What concerns the groups that the side holds; the others are yet to be gone through.

    `events`: those of the batch; `units`: what each is about.
    `groups`: unit -> name of its group, for units that do not stand alone; `grouped`: names of such groups.
    `corrected`: groups whose past is corrected. `touched`: every group that the batch touches. `segments`: of the units
    whose events it took, as known now; `segments_before`: of events of the batch that were recorded before what it
    tells of their lead, where it was another.
    """

    def __init__(
        self,
        side: Side,
        rules: Rules,
        groups: Mapping[str, str],
        grouped: Collection[str],
        events: Sequence[Event],
        units: Sequence[str],
        corrected: Iterable[str],
    ) -> None:
        self.side = side
        self._rules = rules
        self._grouped = frozenset(grouped)
        self._corrected = {group for group in corrected if side.holds(group)}
        self._new = events
        self._events: dict[str, list[Event]] = {}
        self.touched = set(self._corrected)
        self.stored: Mapping[str, StoredLead] = {}
        self.segments: dict[str, str] = {}
        self.segments_before: dict[IdentityKey, str] = {}
        self.dirty: dict[str, LeadState] = {}
        self.change = Contributions()
        for unit, event in zip(units, events, strict=True):
            if unit and type(event.data) is not Correction:
                group = groups.get(unit, unit)
                if side.shown or side.holds(group):
                    self._events.setdefault(group, []).append(event)
        self.touched.update(self._events)

    @cached_property
    def new(self) -> frozenset[IdentityKey]:
        """The identities of the batch's events."""
        return frozenset(event.identity for event in self._new)

    def absorb(self) -> set[str]:
        """Take new events in without looking at history; the groups for which that is not enough."""
        anew = set(self._corrected)
        for group, events in self._events.items():
            if group in self._grouped or (group not in anew and not self._absorb(group, events)):
                anew.add(group)
        return anew

    def replace(self, group: str, counted: Group) -> None:
        """The digests of a group that was made anew. Only a unit that stands alone keeps its digest."""
        self.segments |= {unit: state.attributes.segment for unit, state in counted.states.items()}
        self.segments |= {lead: self.segments[into] for lead, into in counted.survivors.items()}
        if group not in self._grouped:
            self.dirty[group] = counted.states.get(group, LeadState())
            stored = self.stored.get(group)
            before = stored.glance().attributes if stored else _NOTHING.attributes
            self._learn(group, before.segment, self._events.get(group, ()))

    def _absorb(self, unit: str, events: Sequence[Event]) -> bool:
        stored = self.stored.get(unit)
        if stored and not self._rules.as_of_event and (glance := stored.glance()).suffices(events):
            lead = glance.attributes
            self.segments[unit] = lead.segment
            for event in events:
                self.change.add(*call_fact(event, lead, self._rules))
            return True
        state = stored.state() if stored else LeadState()
        attributes, created = state.attributes, state.created_at
        changed = [state.absorb(event, self._rules) for event in events]
        if stored and state.attributes != attributes:
            return False  # all that the lead ever did moves to its new segment
        if self._rules.as_of_event:
            if stored and any(tells(event) for event in events):
                return False  # what was known when may be otherwise for all that the lead ever did
            if stored is None:
                state.past = past_of(events, events, self._rules)
        news = stored is None or any(changed)
        if news and not state.respond(events, created, complete=stored is None):
            return False
        self.segments[unit] = state.attributes.segment
        self._learn(unit, attributes.segment, events)
        for event in events:
            self.change.add_all(facts_of_event(event, state, self._rules))
        if news:
            before = stored.state() if stored else _NOTHING
            parts = parts_that_differ(before, state)  # what was known of it when is what it was
            self.change.add_all(facts_of_unit(before, self._rules, parts), sign=-1)
            self.change.add_all(facts_of_unit(state, self._rules, parts))
            self.dirty[unit] = state
        return True

    def _learn(self, unit: str, before: str, events: Sequence[Event]) -> None:
        """Note the segment from before the batch for those of a unit's events that were recorded before it was told."""
        if before != self.segments.get(unit, before):
            told_at = min((event.recorded_at for event in events if tells(event)), default=None)
            if told_at is not None:
                earlier = (event.identity for event in events if event.recorded_at < told_at)
                self.segments_before |= dict.fromkeys(earlier, before)
