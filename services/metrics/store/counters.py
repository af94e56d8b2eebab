"""Prometheus counters in the database."""

from collections.abc import Mapping

import asyncpg
import msgspec

CounterKey = tuple[int, str, tuple[str, ...]]
"""(shard, name, label values) of a Prometheus counter."""


async def add_counters(conn: asyncpg.Connection, counts: Mapping[CounterKey, int]) -> None:
    """Add to counters."""
    rows = sorted((name, labels, shard, n) for (shard, name, labels), n in counts.items())
    if not rows:
        return
    names, labels, shards, ns = zip(*rows, strict=True)
    await conn.execute(
        """
        insert into metrics.counters as held (name, labels, shard, n)
        select * from unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[])
        on conflict (name, labels, shard) do update set n = held.n + excluded.n
        """,
        names,
        [msgspec.json.encode(list(values)).decode() for values in labels],
        shards,
        ns,
    )


async def counters(conn: asyncpg.Connection) -> dict[tuple[str, tuple[str, ...]], int]:
    """(name, labels) -> value of every counter, over all shards."""
    rows = await conn.fetch("select name, labels, sum(n)::bigint as n from metrics.counters group by name, labels")
    return {(row["name"], msgspec.json.decode(row["labels"], type=tuple[str, ...])): row["n"] for row in rows}
