"""Imports whose file is there: what is read and told of them. SQL only; meaning is elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.ingest.imports.judge import Rejected, Tally
from services.ingest.imports.rows import Place
from services.ingest.tables import Connection
from shared.mistakes import FieldError

State = Literal["receiving", "waiting", "running", "done", "failed"]
"""An import in the state `removed` is not shown any more, and goes piece by piece."""

_PIECES = {
    # How many rows of a table one transaction removes, of imports in which states.
    "import_chunks": (200, ["done", "failed", "removed"]),
    "import_trials": (20_000, ["done", "failed", "removed"]),
    "import_rejects": (20_000, ["removed"]),
}

_COLUMNS = """
    import_id, seq, source, dry_run, state, received_at, finished_at, bytes as size, digest, encoding, delimiter,
    columns::text, at, row_number, inside, rows, created, known, duplicates, rejected, incomplete, reason, traceparent
"""


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `size`: as many bytes as have come; `at`, `row_number`, `inside`: how far its rows are taken."""

    import_id: str
    seq: int
    source: str
    dry_run: bool
    state: State
    received_at: datetime
    finished_at: datetime | None
    size: int
    digest: bytes | None
    encoding: str | None
    delimiter: str | None
    columns: list[str]
    at: int
    row_number: int
    inside: bool
    rows: int
    created: int
    known: int
    duplicates: int
    rejected: int
    incomplete: int
    reason: str | None
    traceparent: str | None

    @property
    def place(self) -> Place:
        return Place(self.at, self.row_number, self.inside)

    @property
    def tally(self) -> Tally:
        return Tally(self.rows, self.created, self.known, self.duplicates, self.rejected, self.incomplete)


async def claim(db: Connection) -> Import | None:
    """The oldest import whose rows are still to be taken and that nobody else is at, until the transaction ends."""
    row = await db.fetchrow(
        f"""
        select {_COLUMNS} from ingest.imports where state in ('waiting', 'running')
        order by seq limit 1 for update skip locked
        """  # noqa: S608 - put together from words of our own
    )
    return _import(row) if row else None


async def read_bytes(db: Connection, import_id: str, begin: int, end: int) -> bytes:
    """Bytes of the file from `begin` to before `end`, as far as there are any."""
    rows = await db.fetch(
        """
        select at, data from ingest.import_chunks
        where import_id = $1 and at + octet_length(data) > $2 and at < $3 order by at
        """,
        import_id,
        begin,
        end,
    )
    if not rows:
        return b""
    return b"".join(row["data"] for row in rows)[begin - rows[0]["at"] :][: end - begin]


async def advance(db: Connection, item: Import, place: Place, tally: Tally, rejects: Sequence[Rejected]) -> None:
    """These rows are done."""
    await db.execute(
        """
        insert into ingest.import_rejects (import_id, row_number, errors, cells)
        select $1, * from unnest($2::bigint[], $3::jsonb[], $4::jsonb[])
        """,
        item.import_id,
        [reject.row for reject in rejects],
        [msgspec.json.encode(reject.errors).decode() for reject in rejects],
        [msgspec.json.encode(reject.cells).decode() for reject in rejects],
    )
    await db.execute(
        """
        update ingest.imports
        set state = 'running', at = $2, row_number = $3, inside = $4, rows = rows + $5, created = created + $6,
            known = known + $7, duplicates = duplicates + $8, rejected = rejected + $9, incomplete = incomplete + $10
        where import_id = $1
        """,
        item.import_id,
        *place,
        *tally,
    )


async def finish(db: Connection, import_id: str, now: datetime, *, failed: str | None = None) -> None:
    """It is over; `failed` says why if not because all rows were read."""
    await db.execute(
        "update ingest.imports set state = $2, finished_at = $3, reason = $4 where import_id = $1",
        import_id,
        "done" if failed is None else "failed",
        now,
        failed,
    )


async def clear(db: Connection) -> bool:
    """Remove a piece of what is of no more use; False when there was nothing."""
    removed = 0
    for table, (most, states) in _PIECES.items():
        done = await db.execute(
            f"""
            delete from ingest.{table} where ctid = any(array(
                select piece.ctid from ingest.imports i cross join lateral (
                    select ctid from ingest.{table} where import_id = i.import_id limit $1
                ) as piece
                where i.state = any($2::text[]) limit $1
            ))
            """,  # noqa: S608 - put together from words of our own
            most,
            states,
        )
        removed += int(done.removeprefix("DELETE "))
    if not removed:
        await db.execute("delete from ingest.imports where state = 'removed'")
    return removed > 0


async def seen_before(db: Connection, import_id: str, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these an earlier call for the same dry run has named."""
    rows = await db.fetch(
        """
        insert into ingest.import_trials (import_id, digest) select distinct $1, d from unnest($2::bytea[]) as d
        on conflict do nothing returning digest
        """,
        import_id,
        digests,
    )
    return set(digests) - {row["digest"] for row in rows}


async def sweep(db: Connection, *, untouched_since: datetime, finished_before: datetime) -> None:
    """Give up uploads that nobody goes on with, and imports that ended long ago with what they have rejected."""
    await db.execute(
        """
        update ingest.imports set state = 'removed'
        where state = 'receiving' and touched_at < $1 or state in ('done', 'failed') and finished_at < $2
        """,
        untouched_since,
        finished_before,
    )


async def read(db: Connection, import_id: str) -> Import | None:
    row = await db.fetchrow(
        f"select {_COLUMNS} from ingest.imports where import_id = $1 and state <> 'removed'",  # noqa: S608 - put together from words of our own
        import_id,
    )
    return _import(row) if row else None


async def page(db: Connection, before: int | None, limit: int) -> list[Import]:
    """Imports, the latest first."""
    rows = await db.fetch(
        f"""
        select {_COLUMNS} from ingest.imports where state <> 'removed' and ($1::bigint is null or seq < $1)
        order by seq desc limit $2
        """,  # noqa: S608 - put together from words of our own
        before,
        limit,
    )
    return [_import(row) for row in rows]


async def rejects(db: Connection, import_id: str, after: int, limit: int) -> list[Rejected]:
    """Rejected rows, in the order of the file, from the one after row `after` on."""
    rows = await db.fetch(
        """
        select row_number, errors::text, cells::text from ingest.import_rejects
        where import_id = $1 and row_number > $2 order by row_number limit $3
        """,
        import_id,
        after,
        limit,
    )
    return [
        Rejected(
            row["row_number"],
            msgspec.json.decode(row["errors"], type=list[FieldError]),
            msgspec.json.decode(row["cells"], type=list[str]),
        )
        for row in rows
    ]


def _import(row: Any) -> Import:
    values = dict(row)
    values["columns"] = msgspec.json.decode(values["columns"], type=list[str])
    return Import(**values)
