"""A file while it comes: its bytes are stored chunk by chunk, and its encoding and header are looked at."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from services.ingest.context import Context
from services.ingest.imports import store, uploads
from services.ingest.imports.encodings import Detector, Unreadable
from services.ingest.imports.judge import has_field
from services.ingest.imports.rows import MAX_ROW, Layout, read_layout
from services.ingest.imports.uploads import CHUNK, Upload
from shared.config.sources import Source
from shared.db import DatabaseUnavailable
from shared.web import Problem
from shared.web.idempotency import other_body


class Reception:
    """Stores one upload; holds one chunk of it at a time."""

    def __init__(self, context: Context, upload: Upload, source: Source, charset: str | None) -> None:
        self._context = context
        self._upload = upload
        self._source = source
        self._detector = Detector(charset)
        self._hash = hashlib.sha256()
        self._head = b""
        self._size = 0

    async def receive(self, stream: AsyncIterable[bytes]) -> None:
        """Returns when the whole file is durable. A file that cannot be read, or that its client breaks off, leaves
        nothing behind. Raises Unreadable, Problem, DatabaseUnavailable, and what the stream raises."""
        async with self._context.database() as db:
            fresh = await uploads.begin(db, self._upload)
        if not fresh:
            await self._compare(stream)
            return
        try:
            await self._store(stream)
        except BaseException:
            await self._discard()
            raise

    async def _store(self, stream: AsyncIterable[bytes]) -> None:
        async for chunk in _in_chunks(stream):
            self._look(chunk)
            async with self._context.database() as db:
                now = self._context.clock.now()
                if not await uploads.append(db, self._upload, self._size, chunk, now):
                    raise _given_up()
            self._size += len(chunk)
        layout = self._layout()
        async with self._context.database() as db:
            await uploads.complete(db, self._upload, self._hash.digest(), layout)

    async def _compare(self, stream: AsyncIterable[bytes]) -> None:
        """The import is there from a run that could not answer any more; the body must be the same."""
        async for chunk in stream:
            self._hash.update(chunk)
        async with self._context.database() as db:
            known = await store.read(db, self._upload.import_id)
        if known is None or known.digest != self._hash.digest():
            raise other_body()

    def _look(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._detector.look(chunk)
        self._head += chunk[: 2 * MAX_ROW - len(self._head)]

    def _layout(self) -> Layout:
        if not self._size:
            raise Unreadable("it is empty")
        self._detector.look(b"", is_last=True)
        layout = read_layout(self._head, self._detector.encoding, is_end=self._size == len(self._head))
        if not has_field(layout.columns, self._source, self._context.config.fields):
            raise Unreadable(
                f"its first row names no field that we know: a header row is needed, and `fields` of {self._source.id} "
                "in sources.yaml says what the names of its columns mean"
            )
        return layout

    async def _discard(self) -> None:
        try:
            async with self._context.database() as db:
                await uploads.discard(db, self._upload)
        except DatabaseUnavailable:
            self._context.telemetry.log.info("import_left_to_be_swept")


async def _in_chunks(stream: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of CHUNK, whatever the network made of them; the last one may be smaller."""
    gathered = bytearray()
    async for part in stream:
        gathered += part
        while len(gathered) >= CHUNK:
            yield bytes(gathered[:CHUNK])
            del gathered[:CHUNK]
    if gathered:
        yield bytes(gathered)


def _given_up() -> Problem:
    detail = "Another upload with the same Idempotency-Key has taken its place, or nothing came for too long."
    return Problem(409, "import-given-up", "The upload was given up", detail)
