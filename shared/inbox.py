"""What a consumer keeps in its service's schema: positions, dead letters, seen identities. `consume` drives it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.eventlog.port import Record
from shared.events import Event, content_digest

CREATE_V1 = """
create table {schema}.positions (
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    processed bigint not null default 0,
    duplicates bigint not null default 0,
    dead_lettered bigint not null default 0,
    last_event_at timestamptz,
    primary key (topic, partition)
) with (fillfactor = 50);

create table {schema}.dead_letters (
    id uuid primary key,
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    key text,
    headers bytea not null,
    value bytea,
    appended_at timestamptz not null,
    reason text not null,
    error text not null,
    at timestamptz not null,
    resolved_at timestamptz,
    unique (topic, partition, "offset")
);

create table {schema}.seen (
    source text not null,
    id text not null,
    digest bytea not null,
    primary key (source, id)
);
"""


class ConsumerTables(NamedTuple):
    """The tables of CREATE_V1, for queries."""

    positions: Table
    dead_letters: Table
    seen: Table


def consumer_tables(metadata: MetaData, schema: str) -> ConsumerTables:
    """`<schema>.positions`, `.dead_letters`, `.seen`.

    positions: one row per partition; `processed` are distinct events taken, `dead_lettered` never goes down.
    dead_letters: `headers` packed as in the outbox; `resolved_at` tells that a retry took the record after all, or that
    its lead was erased, and `value` with it.
    seen: only for handlers that use SeenTable.
    """
    positions = Table(
        "positions",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("processed", BigInteger, nullable=False, server_default="0"),
        Column("duplicates", BigInteger, nullable=False, server_default="0"),
        Column("dead_lettered", BigInteger, nullable=False, server_default="0"),
        Column("last_event_at", DateTime(timezone=True)),
        schema=schema,
    )
    dead_letters = Table(
        "dead_letters",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("key", Text),
        Column("headers", LargeBinary, nullable=False),
        Column("value", LargeBinary),
        Column("appended_at", DateTime(timezone=True), nullable=False),
        Column("reason", Text, nullable=False),
        Column("error", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("resolved_at", DateTime(timezone=True)),
        UniqueConstraint("topic", "partition", "offset"),
        schema=schema,
    )
    seen = Table(
        "seen",
        metadata,
        Column("source", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("digest", LargeBinary, nullable=False),
        schema=schema,
    )
    return ConsumerTables(positions, dead_letters, seen)


class Received(NamedTuple):
    """A record of the log and the event in it."""

    record: Record
    event: Event

    @property
    def told_by_us(self) -> bool:
        """Whether one of our services wrote it: what says no `recordedtime` was recorded by the log."""
        return self.event.recorded_at != self.record.appended_at


class Fresh(NamedTuple):
    """How events stand to what was taken before: not known, known and the same, known with other content."""

    new: Sequence[Received]
    duplicates: Sequence[Received]
    conflicts: Sequence[Received]


class Rejected(Exception):
    """An event that the handler can never take. Its batch is repeated with this record as a dead letter.

    reason: a short stable word; detail: what is wrong, for the person who looks at the dead letter.
    """

    def __init__(self, received: Received, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.received = received
        self.reason = reason
        self.detail = detail


class Handler(Protocol):
    """What a service does with events. Both methods run in the transaction that moves the positions."""

    async def fresh(self, conn: AsyncConnection, received: Sequence[Received]) -> Fresh:
        """Tell new events from known ones. Here, or in `handle`, the new are remembered. An identity may come several
        times: each of its events is told by itself, and of those that are new `handle` gets the first."""

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        """Take new events. Whatever is raised rolls all back: Rejected condemns one event, DatabaseUnavailable pauses
        the consumer, anything else is repeated and at last isolated."""


class SeenTable:
    """`fresh` on `<schema>.seen`, for handlers without an identity store of their own."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def fresh(self, conn: AsyncConnection, received: Sequence[Received]) -> Fresh:
        """Insert the identities; those that were there already are compared by content."""
        told = [(r, content_digest(r.event)) for r in received]
        ordered = sorted(told, key=lambda one: one[0].event.identity)  # one order for all writers: no deadlock
        columns = (
            [r.event.source for r, _ in ordered],
            [r.event.id for r, _ in ordered],
            [digest for _, digest in ordered],
        )
        connection = await driver(conn)
        inserted = await connection.fetch(
            f"""
            insert into {self._schema}.seen (source, id, digest)
            select * from unnest($1::text[], $2::text[], $3::bytea[])
            on conflict do nothing returning source, id
            """,  # noqa: S608 - the schema is ours
            *columns,
        )
        new = {(row["source"], row["id"]) for row in inserted}
        if len(new) == len(received):
            return Fresh(received, (), ())
        other = await connection.fetch(
            f"""
            select source, id, e.digest from unnest($1::text[], $2::text[], $3::bytea[]) as e(source, id, digest)
            join {self._schema}.seen s using (source, id) where s.digest <> e.digest
            """,  # noqa: S608 - the schema is ours
            *columns,
        )
        conflicting = {(row["source"], row["id"], row["digest"]) for row in other}
        known = [(r, (*r.event.identity, digest)) for r, digest in told if r.event.identity not in new]
        return Fresh(
            [r for r in received if r.event.identity in new],
            [r for r, said in known if said not in conflicting],
            [r for r, said in known if said in conflicting],
        )
