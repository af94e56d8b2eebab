"""The identity of everything that was ever taken in: what is new, what is a repetition, what contradicts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from services.ingest.items import Outcome, Status
from services.ingest.tables import Connection
from shared.one_statement import Change, Question, ask
from shared.text_arrays import columns, text_rows

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
    """What is kept of an identity. `key` is None while a correction waits for what it corrects; `digest` is None while
    the identity is only awaited, by a correction that came first."""

    digest: bytes | None
    name: str
    lead_id: str | None
    key: str | None

    @property
    def is_awaited(self) -> bool:
        return self.digest is None


class RacedError(Exception):
    """Another transaction stored one of our new identities first; repeat the transaction, it will find it."""

    sqlstate = "40001"  # serialization failure, to `shared.db.retried`


_KNOWN = f"{text_rows(6)} as n(source, id, digest, name, lead_id, key)"


def _row(identity: Key, known: Known) -> tuple[str | None, ...]:
    digest = known.digest.hex() if known.digest is not None else None
    return (*identity, digest, known.name, known.lead_id, known.key)


_LOOK_UP = f"""
    select e.source, e.id, e.digest, e.name, e.lead_id, e.key
    from {text_rows(2)} as asked(source, id) join ingest.events e using (source, id)
"""  # noqa: S608 - our own text
_REMEMBER = f"""
    insert into ingest.events (source, id, digest, name, lead_id, key, recorded_at)
    select source, id, decode(digest, 'hex'), name, lead_id, key, $7::timestamptz from {_KNOWN}
    on conflict do nothing returning 1
"""  # noqa: S608 - our own text
_ARRIVE = f"""
    update ingest.events e
    set digest = decode(n.digest, 'hex'), name = n.name, lead_id = n.lead_id, key = n.key, recorded_at = $7
    from {_KNOWN} where (e.source, e.id) = (n.source, n.id) and e.digest is null returning 1
"""  # noqa: S608 - our own text


def question(identities: Collection[Key]) -> Question:
    """What is known of these identities (one at least)?"""
    return Question(_LOOK_UP, columns(identities))


def known_of(rows: Iterable[Sequence[Any]]) -> dict[Key, Known]:
    """The answer to that question; unknown identities are left out."""
    return {(source, id_): Known(*rest) for source, id_, *rest in rows}


async def look_up(db: Connection, identities: Collection[Key]) -> dict[Key, Known]:
    """What is known of these identities (one at least); the unknown ones are left out."""
    (rows,) = await ask(db, [question(identities)])
    return known_of(rows)


def remembering(new: Mapping[Key, Known], awaited: Collection[Key], recorded_at: datetime) -> list[Change]:
    """What stores new identities; the awaited ones among them have a row already. Applied it may raise RacedError."""
    fresh = sorted(_row(identity, known) for identity, known in new.items() if identity not in awaited)
    arrived = [_row(identity, known) for identity, known in new.items() if identity in awaited]
    return [
        Change(sql, (*columns(rows), recorded_at), len(rows), RacedError)
        for sql, rows in ((_REMEMBER, fresh), (_ARRIVE, arrived))  # in one order for all writers: no deadlock
        if rows
    ]


async def expect(db: Connection, identities: Collection[Key], recorded_at: datetime) -> None:
    """Keep identities as awaited. Raises RacedError when one of them has come meanwhile."""
    if not identities:
        return
    rows = sorted(identities)
    stored = await db.execute(
        f"""
        insert into ingest.events (source, id, name, recorded_at)
        select source, id, '', $3::timestamptz from {text_rows(2)} as n(source, id)
        on conflict do nothing
        """,  # noqa: S608 - our own text
        *columns(rows),
        recorded_at,
    )
    if stored != f"INSERT 0 {len(rows)}":
        raise RacedError


async def hold(db: Connection, identities: Collection[Key]) -> None:
    """Lock identities that have no key yet until the end of the transaction. Raises RacedError when one got its key."""
    if not identities:
        return
    rows = sorted(identities)
    held = await db.fetch(
        f"""
        select e.key from {text_rows(2)} as n(source, id) join ingest.events e using (source, id)
        order by source, id for update of e
        """,  # noqa: S608 - our own text
        *columns(rows),
    )
    if any(row["key"] is not None for row in held):
        raise RacedError


class Sorted(NamedTuple):
    """Items by position: `fresh` to be stored, `settled` with their outcome, `repeats` of a fresh one in this group.

    `awaited`: identities of fresh ones that a correction waits for.
    """

    fresh: list[int]
    settled: dict[int, Outcome]
    repeats: dict[int, int]
    awaited: set[Key]


def sort_out(items: Sequence[Identified], known: Mapping[Key, Known]) -> Sorted:
    """Tell new items from repetitions and contradictions of what is stored or stands earlier among them."""
    first: dict[Key, int] = {}
    awaited = {identity for identity, stored in known.items() if stored.is_awaited}
    result = Sorted([], {}, {}, awaited)
    for at, item in enumerate(items):
        identity = (item.source, item.id)
        stored = known.get(identity)
        if stored is not None and not stored.is_awaited:
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
