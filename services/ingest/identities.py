"""The identity of everything that was ever taken in: what is new, what is a repetition, what contradicts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from services.ingest.items import Outcome, Status
from services.ingest.tables import Connection

Key = tuple[str, str]
"""(source, id)."""


class Identified(Protocol):
    """An item with an identity; `event_id` is what its sender is told."""

    @property
    def source(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def event_id(self) -> str: ...


class Known(NamedTuple):
    """What is kept of an identity. `key` is None while a correction waits for what it corrects."""

    digest: bytes
    name: str
    lead_id: str | None
    key: str | None


class RacedError(Exception):
    """Another transaction stored one of our new identities first; repeat the transaction, it will find it."""

    sqlstate = "40001"  # serialization failure, to `shared.db.retried`


async def look_up(db: Connection, identities: Iterable[Key]) -> dict[Key, Known]:
    """What is known of these identities; the unknown ones are left out."""
    asked = list(identities)
    rows = await db.fetch(
        """
        select e.source, e.id, e.digest, e.name, e.lead_id, e.key
        from unnest($1::text[], $2::text[]) as asked(source, id) join ingest.events e using (source, id)
        """,
        [source for source, _ in asked],
        [id_ for _, id_ in asked],
    )
    return {(r["source"], r["id"]): Known(r["digest"], r["name"], r["lead_id"], r["key"]) for r in rows}


async def remember(db: Connection, new: dict[Key, Known], recorded_at: datetime) -> None:
    """Store new identities. Raises RacedError."""
    rows = sorted((*identity, *known) for identity, known in new.items())  # one order for all writers: no deadlock
    stored = await db.execute(
        """
        insert into ingest.events (source, id, digest, name, lead_id, key, recorded_at)
        select *, $7::timestamptz from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[])
        on conflict do nothing
        """,
        *([row[n] for row in rows] for n in range(6)),
        recorded_at,
    )
    if stored != f"INSERT 0 {len(rows)}":
        raise RacedError


class Sorted(NamedTuple):
    """Items by position: `fresh` to be stored, `settled` with their outcome, `repeats` of a fresh one in this group."""

    fresh: list[int]
    settled: dict[int, Outcome]
    repeats: dict[int, int]


def sort_out(items: Sequence[Identified], known: dict[Key, Known]) -> Sorted:
    """Tell new items from repetitions and contradictions of what is stored or stands earlier among them."""
    first: dict[Key, int] = {}
    result = Sorted([], {}, {})
    for at, item in enumerate(items):
        identity = (item.source, item.id)
        if stored := known.get(identity):
            status: Status = "duplicate" if stored.digest == item.digest else "conflict"
            result.settled[at] = Outcome(status, item.event_id, stored.lead_id)
        elif (earlier := first.setdefault(identity, at)) != at:
            result.repeats[at] = earlier
        else:
            result.fresh.append(at)
    return result


def repeated(item: Identified, first: Identified, outcome: Outcome) -> Outcome:
    """The outcome of an item whose identity stands earlier in the same group."""
    if item.digest != first.digest:
        return Outcome("conflict", item.event_id)
    return Outcome("duplicate", item.event_id, outcome.lead_id) if outcome.status == "accepted" else outcome
