"""Files while they come. SQL only; meaning is elsewhere."""

from datetime import datetime
from uuid import UUID

import msgspec

from services.ingest.imports.rows import Layout
from services.ingest.tables import Connection

CHUNK = 256 * 1024
"""Bytes of a file that are stored in one row."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file while it comes. `token` tells two uploads apart that have the same Idempotency-Key."""

    import_id: str
    token: UUID
    source: str
    dry_run: bool
    received_at: datetime
    traceparent: str | None


async def begin(db: Connection, upload: Upload) -> bool:
    """False when the import is there already, whole; an upload that was broken off is given up for this one."""
    await db.execute(
        "delete from ingest.imports where import_id = $1 and state in ('receiving', 'removed')", upload.import_id
    )
    made = await db.execute(
        """
        insert into ingest.imports (import_id, token, source, dry_run, received_at, touched_at, traceparent)
        values ($1, $2, $3, $4, $5, $5, $6) on conflict (import_id) do nothing
        """,
        upload.import_id,
        upload.token,
        upload.source,
        upload.dry_run,
        upload.received_at,
        upload.traceparent,
    )
    return bool(made == "INSERT 0 1")


async def append(db: Connection, upload: Upload, at: int, chunk: bytes, now: datetime) -> bool:
    """Store the bytes from `at` on. False when the upload was given up meanwhile."""
    stored = await db.execute(
        """
        with mine as (
            update ingest.imports set bytes = $3 + octet_length($4::bytea), touched_at = $5
            where import_id = $1 and token = $2 and state = 'receiving' returning import_id
        )
        insert into ingest.import_chunks (import_id, at, data) select import_id, $3, $4 from mine
        """,
        upload.import_id,
        upload.token,
        at,
        chunk,
        now,
    )
    return bool(stored == "INSERT 0 1")


async def complete(db: Connection, upload: Upload, digest: bytes, layout: Layout) -> None:
    """All bytes are there: from now on its rows are taken."""
    await db.execute(
        """
        update ingest.imports
        set state = 'waiting', digest = $3, encoding = $4, delimiter = $5, columns = $6::jsonb, at = $7, row_number = $8
        where import_id = $1 and token = $2
        """,
        upload.import_id,
        upload.token,
        digest,
        layout.encoding,
        layout.delimiter,
        msgspec.json.encode(layout.columns).decode(),
        layout.first.at,
        layout.first.row,
    )


async def discard(db: Connection, upload: Upload) -> None:
    """Give up an upload that was broken off."""
    await db.execute(
        "update ingest.imports set state = 'removed' where import_id = $1 and token = $2 and state = 'receiving'",
        upload.import_id,
        upload.token,
    )
