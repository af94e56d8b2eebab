"""Webhook bodies that could not be used: kept with their bytes, to be tried again after a change of sources.yaml."""

import base64
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from services.ingest.answers import Encoding, QuarantineEntry
from services.ingest.tables import Connection
from shared.mistakes import FieldError
from shared.web import Caller


class Kept(msgspec.Struct, frozen=True):
    """One entry. `results` is what a retry that went well answered."""

    id: int
    source: str
    received_at: datetime
    content_type: str
    idempotency_key: str | None
    body: bytes
    headers: dict[str, str]
    errors: list[FieldError]
    attempts: int
    resolved_at: datetime | None
    results: Any


class Unused(NamedTuple):
    """A body that could not be used, and why. `headers`: those that reading it needs."""

    source: str
    idempotency_key: str | None
    content_type: str
    body: bytes
    errors: list[FieldError]
    headers: dict[str, str]


_COLUMNS = (
    "id, source, received_at, content_type, idempotency_key, body, headers::text, errors::text, attempts, resolved_at, "
    "results::text"
)


async def keep(db: Connection, unused: list[Unused], received_at: datetime) -> list[int]:
    """Store the bodies; their ids in order."""
    return [
        await db.fetchval(
            """
            insert into ingest.quarantine (source, received_at, content_type, idempotency_key, body, errors, headers)
            values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb) returning id
            """,
            item.source,
            received_at,
            item.content_type[:200],
            item.idempotency_key,
            item.body,
            msgspec.json.encode(item.errors).decode(),
            msgspec.json.encode(item.headers).decode(),
        )
        for item in unused
    ]


async def page(db: Connection, before: int | None, limit: int) -> list[Kept]:
    """Entries, the latest first; those that a retry has brought in are told by `resolved_at`."""
    rows = await db.fetch(
        f"select {_COLUMNS} from ingest.quarantine where $1::bigint is null or id < $1 order by id desc limit $2",  # noqa: S608 - put together from words of our own
        before,
        limit,
    )
    return [_kept(row) for row in rows]


async def read(db: Connection, entry: int) -> Kept | None:
    row = await db.fetchrow(f"select {_COLUMNS} from ingest.quarantine where id = $1", entry)  # noqa: S608 - put together from words of our own
    return _kept(row) if row else None


async def failed_again(db: Connection, entry: int, errors: list[FieldError]) -> None:
    await db.execute(
        "update ingest.quarantine set attempts = attempts + 1, errors = $2::jsonb where id = $1",
        entry,
        msgspec.json.encode(errors).decode(),
    )


async def resolve(db: Connection, entry: int, results: Any, at: datetime) -> None:
    await db.execute(
        """
        update ingest.quarantine set attempts = attempts + 1, resolved_at = $3, results = $2::jsonb
        where id = $1 and resolved_at is null
        """,
        entry,
        msgspec.json.encode(results).decode(),
        at,
    )


def shown(entry: Kept, to: Caller) -> QuarantineEntry:
    """An entry as it is answered. Some tools write their secret into the body, so its bytes are for admins alone."""
    encoding, body = _as_text(entry.body) if to.may("admin") else ("withheld", "")
    return QuarantineEntry(
        id=entry.id,
        source=entry.source,
        received_at=entry.received_at,
        content_type=entry.content_type,
        encoding=encoding,
        body=body,
        errors=entry.errors,
        attempts=entry.attempts,
        resolved_at=entry.resolved_at,
        results=entry.results,
    )


def _as_text(body: bytes) -> tuple[Encoding, str]:
    try:
        return "utf-8", body.decode()
    except UnicodeDecodeError:
        return "base64", base64.b64encode(body).decode()


def _kept(row: Any) -> Kept:
    values = dict(row)
    values["errors"] = msgspec.json.decode(values["errors"], type=list[FieldError])
    values["headers"] = msgspec.json.decode(values["headers"])
    values["results"] = msgspec.json.decode(values["results"]) if values["results"] is not None else None
    return Kept(**values)
