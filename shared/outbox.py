"""The outbox: what a transaction tells the log, written in that transaction. The relay brings it there."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.eventlog.port import Message
from shared.events import Event, decode_data, to_message
from shared.one_statement import Change, apply
from shared.partition import partition_of
from shared.text_arrays import text_array, texts

CREATE_V1 = """
create table {schema}.outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    headers bytea not null,
    value bytea not null,
    created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
"""

ADD_SHARD_V2 = "alter table {schema}.outbox add column shard smallint not null default 0"


def set_shards(connection: Connection, schema: str) -> None:
    """For revisions: give the rows of a release that knew of no shards the one of their key."""
    rows = connection.execute(text(f"select id, key from {schema}.outbox where shard = 0"))  # noqa: S608
    strays = [{"id": id_, "shard": shard} for id_, key in rows if (shard := partition_of(key, SHARDS)) != 0]
    if strays:
        connection.execute(text(f"update {schema}.outbox set shard = :shard where id = :id"), strays)  # noqa: S608


SHARDS = 12
"""Of each outbox. A topic has as many partitions unless set otherwise: then each holds up one shard and no other."""


def outbox_table(metadata: MetaData, schema: str) -> Table:
    """`<schema>.outbox`. `id` gives the order per key, which has one shard; gaps and late comers are normal."""
    return Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("shard", SmallInteger, nullable=False, server_default="0"),
        schema=schema,
    )


def wake_channel(schema: str) -> str:
    """The channel on which PostgreSQL tells the relays of a schema that there is something to publish."""
    return f"tasuki_outbox_{schema}"


async def enqueue(conn: AsyncConnection, schema: str, events: Sequence[Event]) -> None:
    """Add events to the outbox in the caller's transaction, in their order; its commit wakes the relay.

    Raises Undecodable for an event that no consumer would understand: a mistake of ours, which must not reach the log.
    """
    await apply(await driver(conn), enqueuing(schema, events))


async def enqueue_messages(conn: AsyncConnection, schema: str, messages: Sequence[Message]) -> None:
    """As enqueue, for messages that are no events of ours (copies of dead letters)."""
    await apply(await driver(conn), _adding(schema, messages))


def enqueuing(schema: str, events: Sequence[Event]) -> list[Change]:
    """What does the same beside other changes. Raises Undecodable."""
    messages = [to_message(event) for event in events]
    for event, message in zip(events, messages, strict=True):
        decode_data(event.name, message.value)
    return _adding(schema, messages)


def _adding(schema: str, messages: Sequence[Message]) -> list[Change]:
    if not messages:
        return []
    adding = f"""
        insert into {schema}.outbox (topic, key, headers, value, shard)
        select topic, key, headers, value, shard
        from unnest({text_array(1)}, {text_array(2)}, $3::bytea[], $4::bytea[], {text_array(5)}::smallint[])
             with ordinality as m(topic, key, headers, value, shard, n)
        order by n returning 1
    """  # noqa: S608 - the schema is ours
    values = (
        texts([m.topic for m in messages]),
        texts([m.key for m in messages]),
        [pack_headers(m.headers) for m in messages],
        [m.value for m in messages],
        texts([str(partition_of(m.key, SHARDS)) for m in messages]),
    )
    return [Change(adding, values), Change("select pg_notify($1, '')", [wake_channel(schema)])]


def oldest_rows(schema: str, but: str = "") -> str:
    """SQL of the oldest rows of the shards $1, as the relay takes them: $2 rows at most, and no more once $3 bytes are
    exceeded. `but`: a further condition."""
    return f"""
        select id, shard, topic, key, headers, value from (
            select *, sum(octet_length(value)) over (order by id) - octet_length(value) as bytes_before
            from (
                select * from {schema}.outbox where shard = any($1::int[]) {but} order by id limit $2
            ) as oldest
        ) as measured
        where bytes_before < $3
    """  # noqa: S608 - the schema is ours


async def pending(conn: AsyncConnection, schema: str) -> tuple[int, float]:
    """Rows that wait for the relay, and the age of the oldest in seconds (0.0 when there is none)."""
    connection = await driver(conn)
    row = await connection.fetchrow(
        f"""
        select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8
        from {schema}.outbox
        """  # noqa: S608 - the schema is ours
    )
    return row[0], row[1]


_HEADERS = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...])
_PACK = msgspec.msgpack.Encoder()


def pack_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Headers as one bytea column (msgpack)."""
    return _PACK.encode(headers)


def unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    """The inverse of pack_headers."""
    return _HEADERS.decode(packed)
