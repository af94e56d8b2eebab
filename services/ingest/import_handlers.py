"""Imports: a CSV file of leads comes in, and how far it is can be asked for."""

import csv
import io
from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import uuid_utils

from services.ingest.context import Context
from services.ingest.imports import store
from services.ingest.imports.answers import ImportAnswer, ImportReport, RejectedRow
from services.ingest.imports.encodings import Unreadable, charset_of
from services.ingest.imports.judge import Rejected, unmapped_columns
from services.ingest.imports.receive import Reception
from services.ingest.imports.store import Import
from services.ingest.imports.uploads import Upload
from services.ingest.imports.worker import ImportWorker
from services.ingest.items import made_id
from shared.config.sources import SourceId
from shared.spreadsheet import neutral
from shared.web import Answer, Call, Number, Paging, Problem, not_found, page, read_cursor
from shared.web.problems import unsupported_media_type

CSV = "text/csv"
_DOWNLOADED = 1_000  # rejected rows that are read at a time


class NewImport(msgspec.Struct, kw_only=True):
    """The query of an import. `dry_run`: read and judge everything, and store nothing."""

    source: SourceId
    dry_run: bool = False


class ImportHandlers:
    """The handlers of `/v1/imports`."""

    def __init__(self, context: Context, worker: ImportWorker) -> None:
        self._context = context
        self._worker = worker

    async def post(self, call: Call[None, NewImport]) -> Answer:
        """Stores a file; its rows are taken afterwards."""
        source = self._context.config.sources.get(call.query.source)
        if source is None:
            raise not_found(f"There is no source {call.query.source[:100]}; see sources.yaml.")
        upload = self._upload(call)
        try:
            charset = charset_of(call.request.headers["content-type"])
        except Unreadable as error:
            raise unsupported_media_type(f"{error}.") from error
        if call.stream is None:
            raise TypeError("the endpoint of imports must stream")
        try:
            await Reception(self._context, upload, source, charset).receive(call.stream)
        except Unreadable as error:
            raise _unreadable(error) from error
        self._worker.wake()
        return Answer(self._shown(await self._read(upload.import_id)), 202)

    async def list_imports(self, call: Call[None, Paging]) -> Answer:
        """All imports, the latest first."""
        before = read_cursor(call.query.cursor, Number)
        async with self._context.database() as db:
            found = await store.page(db, before, call.query.limit + 1)
        paged = page(found, call.query.limit, lambda item: item.seq)
        return Answer(paged | {"items": [self._shown(item) for item in paged["items"]]})

    async def get(self, call: Call[None, Paging]) -> Answer:
        """How far an import is, and the rows that were rejected."""
        after = read_cursor(call.query.cursor, Number) or 0
        item = await self._read(call.path["id"])
        async with self._context.database() as db:
            found = await store.rejects(db, item.import_id, after, call.query.limit + 1)
        paged = page(found, call.query.limit, lambda reject: reject.row)
        items = [RejectedRow(*reject) for reject in paged["items"]]
        told = msgspec.structs.asdict(self._shown(item))
        return Answer(ImportReport(**told, items=items, next_cursor=paged["next_cursor"]))

    async def get_rejected(self, call: Call) -> Answer:
        """The rejected rows as CSV."""
        item = await self._read(call.path["id"])
        headers = {"Content-Disposition": 'attachment; filename="rejected.csv"'}
        return Answer(self._rejected(item), 200, headers, f"{CSV}; charset=utf-8")

    def _upload(self, call: Call[None, NewImport]) -> Upload:
        """The same request again, after a crash, is the same import."""
        arrival = self._context.arrival(call)
        query = call.query
        new_id = str(uuid_utils.uuid7())
        same_id = arrival.seed and made_id("import", query.source, str(query.dry_run), arrival.seed)
        return Upload(
            import_id=same_id or new_id,
            token=uuid4(),
            source=query.source,
            dry_run=query.dry_run,
            received_at=arrival.at,
            traceparent=arrival.traceparent,
        )

    async def _read(self, import_id: str) -> Import:
        async with self._context.database() as db:
            item = await store.read(db, import_id)
        if item is None:
            raise not_found(
                f"There is no import {import_id[:200]}; old ones are removed (TASUKI_RETENTION_IMPORTS_DAYS)."
            )
        return item

    def _shown(self, item: Import) -> ImportAnswer:
        source = self._context.config.sources.get(item.source)
        fields = self._context.config.fields
        return ImportAnswer(
            id=item.import_id,
            source=item.source,
            dry_run=item.dry_run,
            state=item.state,
            received_at=item.received_at,
            bytes=item.size,
            bytes_read=item.at,
            rows=item.rows,
            created=item.created,
            known=item.known,
            duplicates=item.duplicates,
            rejected=item.rejected,
            incomplete=item.incomplete,
            encoding=item.encoding,
            delimiter=item.delimiter,
            columns=item.columns,
            unmapped=unmapped_columns(item.columns, source, fields) if source else (),
            finished_at=item.finished_at,
            reason=item.reason,
        )

    async def _rejected(self, item: Import) -> AsyncIterator[bytes]:
        yield _csv([["row", "reason", *map(neutral, item.columns)]])
        after = 0
        while True:
            async with self._context.database() as db:
                found = await store.rejects(db, item.import_id, after, _DOWNLOADED)
            if not found:
                return
            yield _csv([[str(reject.row), _reason(reject), *map(neutral, reject.cells)] for reject in found])
            after = found[-1].row


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _reason(reject: Rejected) -> str:
    return "; ".join(f"{e.pointer.removeprefix('/')}: {e.detail}" if e.pointer else e.detail for e in reject.errors)


def _unreadable(error: Unreadable) -> Problem:
    return Problem(422, "unreadable-file", "The file cannot be read as CSV", f"{error}.")
