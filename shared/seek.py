"""Looks at, and changes, where the consumers of a service stand in the log: to replay, or after records were lost."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from shared.db import connect_once
from shared.eventlog.group import release
from shared.eventlog.opened import open_log
from shared.eventlog.port import TopicPartition
from shared.settings import SERVICES, ServiceName, Settings


class BeyondEnd(Exception):
    """The log ends before that offset: who went on there would wait for what nobody has told yet, and then miss it."""


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
    settings: Settings, service: ServiceName, topic: str | None, partition: int | None, offset: int
) -> Sequence[Stand]:
    """Have a service go on at this offset in the partitions named (None: all of them); what was changed.

    Consumers need not be stopped: the batch that they are at fails its compare-and-set. Those that have nothing to do
    learn of it by losing their shards for a moment: who gets a shard asks for its positions.

    settings: with the database. Raises BeyondEnd, DatabaseUnavailable, LogError.
    """
    conn = await connect_once(str(settings.database_url))
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
            changed = sorted(Stand(service, *row) for row in rows)
            if offset and changed:
                await _refuse_beyond(settings, changed, offset)
            if partition is None:
                await _forget_topics(conn, service, topic)
            await release(conn, service, {stand.partition for stand in changed})
    finally:
        await conn.close()
    return changed


async def _forget_topics(conn: asyncpg.Connection, service: ServiceName, topic: str | None) -> None:
    """Every position of the topic is one of the topic that Kafka has now, even where it was made anew."""
    await conn.execute(
        "delete from log.read_topics where consumer_group = $1 and ($2::text is null or topic = $2)", service, topic
    )


async def _refuse_beyond(settings: Settings, changed: Sequence[Stand], offset: int) -> None:
    log = await open_log(settings)
    try:
        ends = await log.ends(sorted({stand.topic for stand in changed}))
    finally:
        await log.close()
    for stand in changed:
        if offset > (end := ends.get(TopicPartition(stand.topic, stand.partition), 0)):
            raise BeyondEnd(f"{stand.topic}/{stand.partition} ends at {end}: {offset} is beyond it")
