"""Finds what a batch ties together, and makes groups of it."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import asyncpg

from services.metrics import store
from services.metrics.contributions.truth import CorrectionsOf, IdentityKey, by_target
from services.metrics.contributions.units import TYING_EVENTS, Tie, joined, ties_of, ties_of_correction, unit_of
from shared.events import Correction, Event


def own_ties(events: Iterable[Event]) -> set[Tie]:
    """What the events that are no corrections tie their units to."""
    tying = [event for event in events if event.name in TYING_EVENTS]
    return {(tie, unit) for event in tying for tie, unit in ties_of(event) if unit}


class Join(NamedTuple):
    """A group that has come to be: its name, its units, and the groups (or lone units) that it was before."""

    name: str
    units: frozenset[str]
    before: frozenset[str]


async def joins_of(conn: asyncpg.Connection, events: Sequence[Event], corrected: Sequence[store.Stored]) -> list[Join]:
    """The groups that a batch makes. Needs the exclusive world lock.

    events: the batch's new events. corrected: events that corrections are about, by the batch or in it.
    """
    ties = own_ties(e for e in events if not isinstance(e.data, Correction))
    moved = await _ties_of_corrections(conn, corrected)
    if not ties | moved:
        return []
    sets = await store.add_ties(conn, ties | moved)
    # A contract that a correction gives to another company is counted there: its first company's unit can no longer be
    # counted by looking at new events alone.
    sets += [frozenset({unit}) for tie, unit in moved if tie != unit and tie.startswith("company ")]
    alone = {frozenset({unit}) for tie, unit in moved if tie != unit and tie.startswith("company ")}
    return await _joins(conn, [units for units in sets if len(units) > 1 or units in alone])


async def _joins(conn: asyncpg.Connection, sets: Collection[frozenset[str]]) -> list[Join]:
    groups = await store.groups_of(conn, frozenset().union(*sets))
    members = await store.members_of(conn, set(groups.values()))
    whole = [units.union(*(members[groups[u]] for u in units if u in groups)) for units in sets]
    found: list[Join] = []
    for units in joined(whole):
        before = frozenset(groups.get(unit, unit) for unit in units)
        if len(before) > 1 or not before <= members.keys():
            found.append(Join(min(units), units, before))
    return found


async def _ties_of_corrections(conn: asyncpg.Connection, corrected: Sequence[store.Stored]) -> set[Tie]:
    """What the corrections of these events may tie the events' units to."""
    identities = [stored.event.identity for stored in corrected]
    if not identities:
        return set()
    corrections = by_target(await store.corrections_of(conn, identities))
    return {
        tie
        for stored in corrected
        for correction in _all_of(stored.event.identity, corrections, set())
        for tie in ties_of_correction(correction, unit_of(stored.event))
    }


def _all_of(identity: IdentityKey, corrections: CorrectionsOf, seen: set[IdentityKey]) -> Iterable[Event]:
    """The corrections of an event, those of its corrections, and so on."""
    for correction in corrections.get(identity, ()):
        if correction.identity not in seen:
            seen.add(correction.identity)
            yield correction
            yield from _all_of(correction.identity, corrections, seen)
