"""Takes batches of events into the numbers: loads what the batch touches, asks the contributions, writes the change.

Everything happens in the consumer's one transaction. Most batches touch only the groups they are about and run beside
one another; a batch with corrections, or with something that may tie groups together, reaches beyond and runs alone.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from typing import Protocol

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.metrics import store
from services.metrics.catalogue.kpis import Catalogue
from services.metrics.contributions import contributions
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import IdentityKey, by_target, truths
from services.metrics.contributions.units import unit_of
from services.metrics.fold.counters import count
from services.metrics.fold.grouping import Join, joins_of, own_ties
from services.metrics.fold.restated import Restated
from services.metrics.fold.work import Work
from shared import dead_letters, lead_keys
from shared.config.team import Team
from shared.consume import Fresh, Received
from shared.db import DatabaseUnavailable, driver
from shared.events import Correction, Data, Event, LeadErased, content_digest
from shared.partition import partition_of
from shared.sealing import erased_data, unsealed_data


class OtherRules(DatabaseUnavailable):
    """The numbers are, or are being, made by other rules than those of this process: it waits until they are not."""

    def __init__(self) -> None:
        super().__init__("the numbers are made by other rules than those of config/ here; they are to be made anew")


class Divided(Protocol):
    """How a log divides its records: of EventLog what is needed here, once the log was reached."""

    @property
    def partitions(self) -> int:
        """See EventLog."""

    @property
    def by_key(self) -> bool:
        """See EventLog."""


class Fold:
    """The handler of the metrics consumer."""

    def __init__(self, engine: AsyncEngine, rules: Rules, team: Team, catalogue: Catalogue, log: Divided) -> None:
        self._engine = engine
        self._log = log
        self._rules = rules
        self.team = team
        self._restated = Restated(catalogue)
        self._dimension_ids = store.DimensionIds()

    async def fresh(self, conn: AsyncConnection, received: Sequence[Received]) -> Fresh:
        """Tell new events from those that are stored, which are duplicates or contradict their identity. `handle`
        stores the new."""
        raw = await driver(conn)
        identities = [event.identity for _, event in received]
        known = (await self._locked(raw, received, identities)).stored
        if not known:
            return Fresh(received, (), ())
        held = await store.stored_events(raw, known)
        again = [r for r, i in zip(received, identities, strict=True) if i in known]
        digests = {identity: content_digest(event) for identity, event in held.items()}
        same = [digests[r.event.identity] == content_digest(r.event) for r in again]
        others = [r for r, is_same in zip(again, same, strict=True) if not is_same]
        unsealed = await self._same_unsealed(conn, held, others) if others else []
        return Fresh(
            [r for r, i in zip(received, identities, strict=True) if i not in known],
            duplicates=[*compress(again, same), *compress(others, unsealed)],
            conflicts=[r for r, is_same in zip(others, unsealed, strict=True) if not is_same],
        )

    async def _same_unsealed(
        self, conn: AsyncConnection, held: Mapping[IdentityKey, Event], others: Sequence[Received]
    ) -> list[bool]:
        """Which of them, told by others, say what is stored, sealed since; of an erased lead what can still be read of
        it."""
        keys = await lead_keys.read(conn, {r.event.subject for r in others if _is_foreign(r)})
        return [_is_foreign(r) and self._says(r.event, held[r.event.identity], keys) for r in others]

    def _says(self, event: Event, stored: Event, keys: Mapping[str, bytes | None]) -> bool:
        lead_id = event.subject
        key = keys.get(lead_id)
        told = unsealed_data(event.data, key, lead_id)
        if key is None:
            told = erased_data(told, self._rules.registry.personal)
        return _digest(stored, unsealed_data(stored.data, key, lead_id)) == _digest(event, told)

    async def _locked(
        self, conn: asyncpg.Connection, received: Sequence[Received], identities: Sequence[IdentityKey]
    ) -> store.Known:
        """What is known of the events, under the locks that they need. Before the first row is written: whoever waits
        for a row then never also waits for a lock."""
        known: store.Known | None = None

        async def reaches_beyond() -> bool:
            nonlocal known
            known = await store.known_of(conn, identities)
            ties = own_ties(event for _, event in received)
            return bool(known.corrected or (ties and await store.has_new(conn, ties)))

        if any(type(event.data) is Correction for _, event in received):
            await store.lock_world(conn)
        elif await store.lock_world_unless(conn, reaches_beyond):
            known = None  # others may have gone on until we had the lock
        await store.lock_shards(conn, self._shards(received))
        return await store.known_of(conn, identities) if known is None else known

    def _shards(self, received: Sequence[Received]) -> set[int]:
        """The shards of a batch, and those in which its leads are at home: a producer that is not ours may divide keys
        otherwise, and then one lead's events come on several shards."""
        partitions = self._log.partitions
        found = {record.partition for record, _ in received}
        if self._log.by_key:
            strays = {event.subject for record, event in received if record.key != event.subject}
        else:
            strays = {event.subject for _, event in received}
        return found.union(partition_of(lead, partitions) for lead in strays if lead)

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        """Store the new events, and add what they change to the cells, digests and counters.

        While the numbers are made anew, also to those in the making, as far as they hold the groups already.
        """
        if not received:
            return
        received = await lead_keys.seal_foreign(conn, received, self._rules.registry.personal)
        raw = await driver(conn)
        events = [r.event for r in received]
        units = [unit_of(event) for event in events]
        groups = await store.groups_of(raw, set(units))
        await store.store_events(raw, received, units, groups)
        corrected = await self._corrected(raw, events)
        joins = await joins_of(raw, events, corrected)
        shared = {
            groups.get(unit, unit)
            for unit, (record, _) in zip(units, received, strict=True)
            if unit != record.key or unit in groups
        }
        if shared:
            await store.lock_units(raw, shared)
        renamed = {old: join.name for join in joins for old in join.before}
        for join in joins:
            groups |= dict.fromkeys(join.units, join.name)
        moved = {renamed.get(c.group, c.group) for c in corrected}
        grouped = {*groups.values(), *(await store.members_of(raw, moved) if moved else ())}
        sides = [side for side in await self._sides(raw) if side.shown or side.building]
        works = [Work(side, self._rules, groups, grouped, events, units, moved) for side in sides]
        await self._join(raw, works, joins)
        for work in works:
            await self._settle(raw, work, {join.name for join in joins})
            await self._write(raw, work)
        today, _ = self._rules.place(min(event.recorded_at for event in events))
        counts = count(received, works[0].segments, works[0].segments_before, self.team, self._rules)
        counts += self._restated.count(works[0].change, today)
        # All under one of the batch's shards: shards only keep consumers from waiting for each other.
        await store.add_counters(raw, counts, shard=min(record.partition for record, _ in received))
        await store.note_changes(raw, works[0].change, counts)
        if erased := [event.subject for event in events if type(event.data) is LeadErased]:
            await dead_letters.forget(conn, store.SCHEMA, erased)

    async def _corrected(self, conn: asyncpg.Connection, events: Sequence[Event]) -> Sequence[store.Stored]:
        """What the corrections among the stored events are about, and those of them that one is about."""
        if not await store.holds_world(conn):
            return ()  # there is no correction, and none waits for any of them: see _locked
        known = await store.known_of(conn, [event.identity for event in events])
        return await store.roots_of(conn, [e for e in events if type(e.data) is Correction], known.corrected)

    async def _sides(self, conn: asyncpg.Connection) -> Sequence[store.Side]:
        """Both sets of numbers. Raises OtherRules when one of them is made by other rules than these."""
        sides = await store.sides(conn)
        for side in sides:
            if (side.shown or side.building) and side.fingerprint != self._rules.fingerprint:
                raise OtherRules
        return sides

    async def _join(self, conn: asyncpg.Connection, works: Sequence[Work], joins: Sequence[Join]) -> None:
        """Make the groups of what the batch ties together, and take out what they contributed apart."""
        for join in joins:
            for work in works:
                work.touched.add(join.name)
                await self._take_out(conn, work, join.before)
            await store.join_groups(conn, join.name, join.units, join.before)

    async def _settle(self, conn: asyncpg.Connection, work: Work, made: set[str]) -> None:
        """Everything that the batch changes, into `work`. `made`: groups that have come to be with it."""
        held = [group for group in work.touched if work.side.holds(group)]
        work.stored = await store.load_leads(conn, work.side.leads, held) if held else {}
        anew = work.absorb()
        for group in anew - made:
            await self._take_out(conn, work, {group})
        anew |= {group for group in made if work.side.holds(group)}
        if anew:
            await self._put_in(conn, work, anew)

    async def _write(self, conn: asyncpg.Connection, work: Work) -> None:
        await store.ensure_dimensions(self._engine, self._dimension_ids, work.change)
        await store.add_cells(conn, work.side.cells, work.change, self._dimension_ids)
        await store.save_leads(conn, work.side.leads, work.dirty)

    async def _take_out(self, conn: asyncpg.Connection, work: Work, groups: Collection[str]) -> None:
        """Take out all that groups contributed before the batch."""
        new = work.new
        histories, corrections = await self._histories(conn, {group for group in groups if work.side.holds(group)})
        before = by_target(c for c in corrections if c.identity not in new)
        for events in histories.values():
            _, old = contributions(truths((e for e in events if e.identity not in new), before), self._rules)
            work.change.add_sum(old, sign=-1)

    async def _put_in(self, conn: asyncpg.Connection, work: Work, groups: set[str]) -> None:
        """Put in all that groups contribute now."""
        histories, corrections = await self._histories(conn, groups)
        now = by_target(corrections)
        for group, events in histories.items():
            counted, current = contributions(truths(events, now), self._rules)
            work.change.add_sum(current)
            work.replace(group, counted)

    async def _histories(
        self, conn: asyncpg.Connection, groups: set[str] | frozenset[str]
    ) -> tuple[Mapping[str, Sequence[Event]], Sequence[Event]]:
        """All events of the groups, and all corrections of those."""
        histories = await store.history(conn, groups)
        identities = [e.identity for events in histories.values() for e in events]
        return histories, await store.corrections_of(conn, identities)


def _is_foreign(received: Received) -> bool:
    return bool(received.event.subject) and not received.told_by_us


def _digest(event: Event, data: Data) -> bytes:
    return content_digest(msgspec.structs.replace(event, data=data))
