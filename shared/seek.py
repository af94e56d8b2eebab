"""Looks at, and changes, where the consumers of a service stand in the log: to replay, or after records were lost."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.db import connect_once
from shared.eventlog.group import release
from shared.settings import SERVICES, ServiceName


class Stand(NamedTuple):
    """How far a service has come in one partition."""

    service: ServiceName
    topic: str
    partition: int
    next_offset: int
    processed: int
    duplicates: int
    dead_lettered: int


async def stands(database_url: str) -> Sequence[Stand]:
    """Of all services, in order. Raises DatabaseUnavailable."""
    conn = await connect_once(database_url)
    try:
        return [
            Stand(service, *row)
            for service in SERVICES
            for row in await conn.fetch(
                f"""
                select topic, partition, next_offset, processed, duplicates, dead_lettered
                from {service}.positions order by topic, partition
                """  # noqa: S608 - one of ours
            )
        ]
    finally:
        await conn.close()


async def seek(
    database_url: str, service: ServiceName, topic: str | None, partition: int | None, offset: int
) -> Sequence[Stand]:
    """Have a service go on at this offset in the partitions named (None: all of them); what was changed.

    Consumers need not be stopped: the batch that they are at fails its compare-and-set. Those that have nothing to do
    learn of it by losing their shards for a moment: who gets a shard asks for its positions.

    Raises DatabaseUnavailable.
    """
    conn = await connect_once(database_url)
    try:
        async with conn.transaction():
            rows = await conn.fetch(
                f"""
                update {service}.positions set next_offset = $3
                where ($1::text is null or topic = $1) and ($2::int is null or partition = $2) and next_offset <> $3
                returning topic, partition, next_offset, processed, duplicates, dead_lettered
                """,  # noqa: S608 - one of ours
                topic,
                partition,
                offset,
            )
            await release(conn, service, {row["partition"] for row in rows})
    finally:
        await conn.close()
    return sorted(Stand(service, *row) for row in rows)
