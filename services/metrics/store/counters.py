"""Prometheus counters in the database."""

from collections.abc import Mapping

import asyncpg
import msgspec

CounterKey = tuple[str, tuple[str, ...]]
"""(name, label values) of a Prometheus counter."""


async def add_counters(conn: asyncpg.Connection, counts: Mapping[CounterKey, int], shard: int) -> None:
    """Add to the counters of a shard."""
    rows = sorted((name, labels, n) for (name, labels), n in counts.items())
    if not rows:
        return
    names, labels, ns = zip(*rows, strict=True)
    await conn.execute(
        """
        insert into metrics.counters as held (name, labels, shard, n)
        select name, labels, $3, n from unnest($1::text[], $2::text[], $4::bigint[]) as added(name, labels, n)
        on conflict (name, labels, shard) do update set n = held.n + excluded.n
        """,
        names,
        [msgspec.json.encode(list(values)).decode() for values in labels],
        shard,
        ns,
    )


async def counters(conn: asyncpg.Connection) -> dict[CounterKey, int]:
    """The value of every counter, over all shards."""
    rows = await conn.fetch("select name, labels, sum(n)::bigint as n from metrics.counters group by name, labels")
    return {(row["name"], msgspec.json.decode(row["labels"], type=tuple[str, ...])): row["n"] for row in rows}
