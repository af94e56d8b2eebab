"""Records that a consumer could not take, kept with their bytes, coordinates and the error; they can be retried."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from shared.db import driver
from shared.eventlog.port import Message, Record
from shared.events import DEAD_LETTERS
from shared.outbox import enqueue_messages, pack_headers, unpack_headers
from shared.sealing import ERASED

ERROR_CHARACTERS = 2000


class DeadLetter(NamedTuple):
    """A record and why it could not be taken: a short stable word, and the error in words."""

    record: Record
    reason: str
    error: str


async def store(conn: AsyncConnection, schema: str, letters: Sequence[DeadLetter], at: datetime) -> None:
    """Keep dead letters in `<schema>.dead_letters`, and tell the log of them through the schema's outbox."""
    if not letters:
        return
    await (await driver(conn)).execute(
        f"""
        insert into {schema}.dead_letters
            (id, topic, partition, "offset", key, headers, value, appended_at, reason, error, at)
        select *, $11::timestamptz from unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[],
            $6::bytea[], $7::bytea[], $8::timestamptz[], $9::text[], $10::text[])
        on conflict do nothing
        """,  # noqa: S608 - the schema is ours
        [uuid7() for _ in letters],
        [letter.record.topic for letter in letters],
        [letter.record.partition for letter in letters],
        [letter.record.offset for letter in letters],
        [None if letter.record.key is None else storable(letter.record.key) for letter in letters],
        [pack_headers(letter.record.headers) for letter in letters],
        [letter.record.value for letter in letters],
        [letter.record.appended_at for letter in letters],
        [letter.reason for letter in letters],
        [storable(letter.error) for letter in letters],
        at,
    )
    await enqueue_messages(conn, schema, [_copy(schema, letter) for letter in letters])


async def take_open(conn: AsyncConnection, schema: str, dead_letter_id: UUID) -> Record:
    """The record of an unresolved dead letter, locked. Raises LookupError when there is none of this id."""
    row = await (await driver(conn)).fetchrow(
        f"""
        select topic, partition, "offset", key, headers, value, appended_at from {schema}.dead_letters
        where id = $1 and resolved_at is null for update
        """,  # noqa: S608 - the schema is ours
        dead_letter_id,
    )
    if row is None:
        raise LookupError(f"there is no open dead letter {dead_letter_id}")
    return record_of(row)


async def resolve(conn: AsyncConnection, schema: str, dead_letter_id: UUID, at: datetime) -> None:
    """Note that the record has been taken after all."""
    await (await driver(conn)).execute(
        f"update {schema}.dead_letters set resolved_at = $2 where id = $1",  # noqa: S608 - the schema is ours
        dead_letter_id,
        at,
    )


async def forget(conn: AsyncConnection, schema: str, lead_ids: Sequence[str]) -> None:
    """Drop what the records of erased leads said, and errors, which may quote it. Nothing is left of them that could be
    taken: they are resolved."""
    await (await driver(conn)).execute(
        f"""
        update {schema}.dead_letters
        set value = null, error = $2, resolved_at = coalesce(resolved_at, now())
        where key = any($1::text[])
        """,  # noqa: S608 - the schema is ours
        list(lead_ids),
        ERASED,
    )


def record_of(row: Any) -> Record:
    """The record of the log in a row of `dead_letters`."""
    headers = unpack_headers(row["headers"])
    return Record(row["topic"], row["partition"], row["offset"], row["key"], headers, row["value"], row["appended_at"])


def storable(text: str) -> str:
    """The text as PostgreSQL can hold it (no NUL, no lone surrogate), not longer than an error needs to be."""
    return text[:ERROR_CHARACTERS].replace("\0", "\ufffd").encode(errors="replace").decode()


def _copy(schema: str, letter: DeadLetter) -> Message:
    record = letter.record
    about = {
        "consumer": schema,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "reason": letter.reason,
        "error": storable(letter.error),
        "value": "null" if record.value is None else "kept",
    }
    headers = tuple((f"dead_letter_{name}", text.encode()) for name, text in about.items())
    key = storable(record.key or f"{record.topic}/{record.partition}")
    return Message(DEAD_LETTERS, key, (*record.headers, *headers), record.value or b"")
