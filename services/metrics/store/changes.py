"""What batches changed, told beside the cells: who holds sums brings them up to date without adding all up again.

A change is noted in the transaction that makes it, so a reader is told exactly what its snapshot sees and its earlier
one did not. Whoever changes cells or counters in any other way has to say so with `note_anew`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from services.metrics.contributions.facts import Amount, Contributions, Fact
from services.metrics.store.counters import CounterKey

FACTS_AT_MOST = 1_000
"""Of one batch; a larger one comes while catching up, where adding up again costs less than telling everything."""
BYTES_AT_MOST = 1_000_000
"""Of all that a reader is told at once, some ten thousand facts; whoever missed more adds up again."""
KEPT_S = 60
"""How long a change is kept at least; who looks less often than that adds up again."""


class Seen(NamedTuple):
    """What a reader's snapshot sees: which transactions of which start of the server (`era`) have ended, how often old
    changes were forgotten, and the number of the newest change.
    """

    era: datetime
    generation: int
    newest: int
    snapshot: str

    @property
    def ended(self) -> int:
        """How many transactions have ended by then. Snapshots of one server see ever more of them."""
        _, ceiling, running = self.snapshot.split(":")
        return int(ceiling) - len(running.split(",") if running else ())

    def is_after(self, other: "Seen") -> bool:
        """Whether this sees all that the other does, and more."""
        return self.era == other.era and self.ended > other.ended


class Told(msgspec.Struct, array_like=True):
    """What changed: cells, and counters as (name, labels, added)."""

    facts: list[tuple[Fact, Amount]] = []
    counts: list[tuple[str, tuple[str, ...], int]] = []


_decoder = msgspec.json.Decoder(Told)


async def note_changes(conn: asyncpg.Connection, change: Contributions, counts: Mapping[CounterKey, int]) -> None:
    """Tell what this transaction adds to cells and counters."""
    told = Told(list(change), [(*key, n) for key, n in counts.items()])
    if len(told.facts) > FACTS_AT_MOST:
        await note_anew(conn)
    elif told.facts or told.counts:
        await conn.execute("insert into metrics.changes (told) values ($1)", msgspec.json.encode(told))


async def note_anew(conn: asyncpg.Connection) -> None:
    """Tell that this transaction changes cells, counters or teams in a way that nobody can follow."""
    await conn.execute("insert into metrics.changes (told) values (null)")


async def changes_since(conn: asyncpg.Connection, before: Seen | None) -> tuple[Seen, Told | None]:
    """What the connection's snapshot sees, and what has changed since `before`; None when that cannot be told.

    Needs a transaction that sees one moment (`shared.db.snapshot`).
    """
    rows = await conn.fetch(
        """
        with news as materialized (
            select told from metrics.changes
            where era = pg_postmaster_start_time() and (
                xid >= pg_snapshot_xmin($1::text::pg_snapshot)
                and not pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
                or number > $2
            )
        ), known as (
            select count(*) = count(told) and coalesce(sum(octet_length(told)), 0) <= $3 as can_be_told from news
        )
        select pg_postmaster_start_time() as era, generation, pg_current_snapshot()::text as snapshot,
               greatest($2, (select max(number) from metrics.changes), 0) as newest, can_be_told, told
        from metrics.changes_forgotten cross join known left join news on can_be_told
        """,
        before and before.snapshot,
        before and before.newest,
        BYTES_AT_MOST,
    )
    now = Seen(rows[0]["era"], rows[0]["generation"], rows[0]["newest"], rows[0]["snapshot"])
    if before is None or not rows[0]["can_be_told"] or not _reaches_back(now, before):
        return now, None
    all_told = [_decoder.decode(row["told"]) for row in rows if row["told"] is not None]
    return now, Told([f for told in all_told for f in told.facts], [c for told in all_told for c in told.counts])


def _reaches_back(now: Seen, before: Seen) -> bool:
    """The n-th forgetting only drops what everybody saw who knows of the one before it."""
    return before.era == now.era and not before.is_after(now) and now.generation - before.generation <= 1


async def forget_changes(conn: asyncpg.Connection, kept_s: float = KEPT_S) -> None:
    """Drop the changes that had been made before the last forgetting, when that is long enough ago."""
    await conn.execute(
        """
        with last as (
            select * from metrics.changes_forgotten where at < now() - make_interval(secs => $1)
            for update skip locked
        ), dropped as (
            delete from metrics.changes c using last
            where c.era <> pg_postmaster_start_time()
               or (last.era = c.era and pg_visible_in_snapshot(c.xid, last.seen))
        )
        update metrics.changes_forgotten f
        set generation = f.generation + 1, era = pg_postmaster_start_time(), seen = pg_current_snapshot(), at = now()
        from last
        """,
        kept_s,
    )
