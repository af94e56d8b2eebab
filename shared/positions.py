"""How far a consumer has come: rows of `<schema>.positions`, moved by compare-and-set, and exact counts beside them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.eventlog.port import TopicPartition


class Superseded(Exception):
    """The stored positions are not where this batch begins: another process has taken the shard, or a commit whose
    answer was lost has succeeded. Nothing was done; the stored positions tell where to go on."""


@dataclass
class Tally:
    """What became of a batch's records of one partition."""

    processed: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    last_event_at: datetime | None = None


async def stored(
    conn: AsyncConnection, schema: str, topics: Sequence[str], partitions: Collection[int]
) -> dict[TopicPartition, int]:
    """The next offset of each of these partitions that has ever been moved."""
    rows = await (await driver(conn)).fetch(
        f"""
        select topic, partition, next_offset from {schema}.positions
        where topic = any($1::text[]) and partition = any($2::int[])
        """,  # noqa: S608 - the schema is ours
        list(topics),
        list(partitions),
    )
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def move(conn: AsyncConnection, schema: str, moves: Mapping[TopicPartition, tuple[int, int]]) -> None:
    """Move positions from an expected offset to the next. Until the transaction ends, nobody else can move them.

    Raises Superseded when one of them is not where it is expected to be.
    """
    connection = await driver(conn)
    ordered = sorted(moves.items())
    if first := [at for at, (expected, _) in ordered if expected == 0]:
        await connection.execute(
            f"""
            insert into {schema}.positions (topic, partition, next_offset)
            select topic, partition, 0 from unnest($1::text[], $2::int[]) as p(topic, partition)
            on conflict do nothing
            """,  # noqa: S608 - the schema is ours
            [at.topic for at in first],
            [at.partition for at in first],
        )
    # In one order for all: a member that has been given up and the one that has come may hold some of the same.
    moved: str = await connection.execute(
        f"""
        with held as (
            select p.topic, p.partition, m.next
            from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) as m(topic, partition, expected, next)
            join {schema}.positions p on p.topic = m.topic and p.partition = m.partition and p.next_offset = m.expected
            order by p.topic, p.partition for no key update of p
        )
        update {schema}.positions p set next_offset = held.next
        from held where p.topic = held.topic and p.partition = held.partition
        """,  # noqa: S608 - the schema is ours
        [at.topic for at, _ in ordered],
        [at.partition for at, _ in ordered],
        [expected for _, (expected, _) in ordered],
        [after for _, (_, after) in ordered],
    )
    if moved != f"UPDATE {len(ordered)}":
        raise Superseded(f"{schema}: {moved} of {len(ordered)} positions were where they were expected")


async def count(conn: AsyncConnection, schema: str, tallies: Mapping[TopicPartition, Tally]) -> None:
    """Add what became of a batch to the counts of its partitions."""
    ordered = sorted(tallies.items(), key=lambda item: item[0])
    await (await driver(conn)).execute(
        f"""
        update {schema}.positions p set
            processed = p.processed + t.processed,
            duplicates = p.duplicates + t.duplicates,
            dead_lettered = p.dead_lettered + t.dead_lettered,
            last_event_at = greatest(p.last_event_at, t.last_event_at)
        from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
            as t(topic, partition, processed, duplicates, dead_lettered, last_event_at)
        where p.topic = t.topic and p.partition = t.partition
        """,  # noqa: S608 - the schema is ours
        [at.topic for at, _ in ordered],
        [at.partition for at, _ in ordered],
        [t.processed for _, t in ordered],
        [t.duplicates for _, t in ordered],
        [t.dead_lettered for _, t in ordered],
        [t.last_event_at for _, t in ordered],
    )


async def hold_shard(conn: AsyncConnection, schema: str, partition: int) -> None:
    """Keep every consumer from taking batches of the shard until this transaction ends."""
    await (await driver(conn)).execute(
        f"select from {schema}.positions where partition = $1 order by topic for update",
        partition,
    )


async def rows(conn: AsyncConnection, schema: str, topics: Sequence[str]) -> Sequence[Any]:
    """All rows of these topics."""
    found: Sequence[Any] = await (await driver(conn)).fetch(
        f"""
        select topic, partition, next_offset, processed, duplicates, dead_lettered, last_event_at
        from {schema}.positions where topic = any($1::text[])
        """,  # noqa: S608 - the schema is ours
        list(topics),
    )
    return found
