"""Takes batches of events into the numbers: loads what the batch touches, asks the contributions, writes the change.

Everything happens in the consumer's one transaction. Most batches touch only the leads they are about and run beside
one another; a batch with corrections reaches beyond (what it corrects may be any lead's), so it runs alone.
"""

from collections.abc import Mapping, Sequence

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.metrics import store
from services.metrics.contributions import contributions, unit_of
from services.metrics.contributions.digest_facts import digest_facts
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.linear import event_facts
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import IdentityKey, by_target, truths
from services.metrics.counters import count
from shared.config.team import Team
from shared.consume import Fresh, Received
from shared.db import driver
from shared.events import Correction, Event, content_digest


class Fold:
    """The handler of the metrics consumer."""

    def __init__(self, engine: AsyncEngine, rules: Rules, team: Team) -> None:
        self._engine = engine
        self._rules = rules
        self.team = team
        self._dimension_ids = store.DimensionIds()

    async def fresh(self, conn: AsyncConnection, received: Sequence[Received]) -> Fresh:
        """Store the events; those that were there already are duplicates or contradict their identity."""
        raw = await driver(conn)
        # Before the first row is written: whoever waits for a row then never also waits for the lock.
        await store.lock_world(raw, exclusive=any(isinstance(r.event.data, Correction) for r in received))
        digest = {r.event.identity: content_digest(r.event) for r in received}
        rows = [(r.record.partition, r.event, digest[r.event.identity], r.record.value or b"") for r in received]
        new = await store.insert_events(raw, sorted(rows, key=lambda row: row[1].identity))
        known = [r for r in received if r.event.identity not in new]
        held = await store.digests(raw, [r.event.identity for r in known]) if known else {}
        return Fresh(
            new=[r for r in received if r.event.identity in new],
            duplicates=[r for r in known if held[r.event.identity] == digest[r.event.identity]],
            conflicts=[r for r in known if held[r.event.identity] != digest[r.event.identity]],
        )

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        """Add what the new events change to the cells, digests and counters."""
        raw = await driver(conn)
        corrected = await self._corrected(raw, [r.event for r in received])
        work = _Work(self._rules, *_grouped(received), corrected)
        work.stored = await store.load_leads(raw, work.shards) if work.shards else {}
        anew = work.absorb()
        if anew:
            await self._make_anew(raw, anew, frozenset(r.event.identity for r in received), work)
        await self._write(raw, work)
        segments = {lead: state.attributes.segment for lead, state in work.states.items()}
        await store.add_counters(raw, count(received, segments, self.team, self._rules))

    async def _corrected(self, conn: asyncpg.Connection, events: Sequence[Event]) -> dict[str, int]:
        """Leads whose past the batch's corrections change, or whose new events were corrected before they came."""
        corrections = [e for e in events if isinstance(e.data, Correction)]
        leads = await store.corrected_leads(conn, corrections) if corrections else {}
        return leads | await store.leads_with_waiting_corrections(conn, [e.identity for e in events])

    async def _make_anew(
        self, conn: asyncpg.Connection, leads: set[str], new: frozenset[IdentityKey], work: "_Work"
    ) -> None:
        """Replace all that these leads contribute, from their whole history."""
        histories = await store.history(conn, leads)
        identities = [e.identity for events in histories.values() for e in events]
        corrections = await store.corrections_of(conn, identities)
        now, before = by_target(corrections), by_target(c for c in corrections if c.identity not in new)
        for lead, events in histories.items():
            _, old = contributions(truths((e for e in events if e.identity not in new), before), self._rules)
            state, current = contributions(truths(events, now), self._rules)
            change = work.change(lead)
            change.add_sum(old, sign=-1)
            change.add_sum(current)
            work.states[lead] = work.dirty[lead] = state

    async def _write(self, conn: asyncpg.Connection, work: "_Work") -> None:
        await store.ensure_dimensions(self._engine, self._dimension_ids, work.changes.values())
        for shard, change in sorted(work.changes.items()):
            if len(change):
                await store.add_cells(conn, shard, change, self._dimension_ids)
        if work.dirty:
            await store.save_leads(conn, work.dirty)


def _grouped(received: Sequence[Received]) -> tuple[dict[str, list[Event]], dict[str, int]]:
    """New events (corrections aside) and home shard of each lead of a batch."""
    events: dict[str, list[Event]] = {}
    shards: dict[str, int] = {}
    for r in received:
        unit = unit_of(r.event)
        if unit and not isinstance(r.event.data, Correction):
            events.setdefault(unit, []).append(r.event)
            shards.setdefault(unit, r.record.partition)
    return events, shards


class _Work:
    """One batch: the digests it found, how they became, and the change of each shard's cells."""

    def __init__(
        self, rules: Rules, events: dict[str, list[Event]], shards: dict[str, int], corrected: Mapping[str, int]
    ) -> None:
        self._rules = rules
        self._events = events
        self._corrected = corrected
        self.shards = {**corrected, **shards}
        self.stored: Mapping[str, store.StoredLead] = {}
        self.states: dict[str, LeadState] = {}
        self.dirty: dict[str, LeadState] = {}
        self.changes: dict[int, Contributions] = {}

    def change(self, lead: str) -> Contributions:
        """The change of the cells of the lead's home shard."""
        return self.changes.setdefault(self.stored[lead].shard, Contributions())

    def absorb(self) -> set[str]:
        """Take new events in without looking at history; the leads for which that is not enough."""
        anew = set(self._corrected)
        for lead, events in self._events.items():
            if lead not in anew and not self._absorb(lead, events):
                anew.add(lead)
        return anew

    def _absorb(self, lead: str, events: Sequence[Event]) -> bool:
        stored = self.stored[lead]
        state = stored.state()
        attributes, created = state.attributes, state.created_at
        changed = [state.absorb(event, self._rules) for event in events]
        if state.attributes != attributes and stored.packed:
            return False  # all that the lead ever did moves to its new segment
        if not state.respond(events, created, complete=not stored.packed):
            return False
        self.states[lead] = state
        change = self.change(lead)
        for event in events:
            change.add_all(event_facts(event, state.attributes, self._rules))
        if any(changed) or not stored.packed:
            if stored.packed:
                change.add_all(digest_facts(stored.state(), self._rules), sign=-1)
            change.add_all(digest_facts(state, self._rules))
            self.dirty[lead] = state
        return True
