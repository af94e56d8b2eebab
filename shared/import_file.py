"""`tasuki import`: a CSV file of leads is sent to ingest, and watched until its rows are taken."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from shared.client import Client, ingest
from shared.client.drivers import key_of, urls_of
from shared.client.types import Import
from shared.settings import Settings

_CHUNK: Final = 256 * 1024
_ASK_EVERY_S: Final = 0.5


def import_file(
    settings: Settings,
    file: Path,
    *,
    source: str,
    dry_run: bool,
    charset: str | None,
    url: str | None,
    out: Path | None,
) -> bool:
    """Prints what became of the rows; whether all were taken. `url`: of ingest, if not where the settings say; `out`:
    where rejected rows are written to, if any were. Raises TasukiError, OSError."""
    console = Console()
    urls = urls_of(settings) | ({"ingest": url} if url else {})
    with Client(urls, key_of(settings)) as client, _Bars() as bars:
        sent = ingest.import_leads(source, lambda: bars.read(file), dry_run=dry_run, charset=charset)
        found = client.send(sent)
        while not found.is_over:
            bars.taken(found)
            time.sleep(_ASK_EVERY_S)
            found = client.send(ingest.import_report(found.id, limit=1))
        bars.taken(found)
        rejected = client.send(ingest.rejected_rows(found.id)) if out and found.rejected else None
    console.print(_in_words(found), highlight=False)
    if out and rejected is not None:
        out.write_bytes(rejected)
        console.print(f"The rejected rows are in {out}.", highlight=False)
    elif found.rejected:
        console.print(f"The rejected rows: GET {urls['ingest']}/v1/imports/{found.id}/rejected.csv", highlight=False)
    return found.state == "done" and not found.rejected


def _in_words(found: Import) -> str:
    lines = [
        f"Import {found.id}: {found.rows:,} rows read{', nothing stored (dry run)' if found.dry_run else ''}",
        f"  {found.created:>10,} new leads",
        f"  {found.known:>10,} more about known leads",
        f"  {found.duplicates:>10,} came before, nothing added",
        f"  {found.rejected:>10,} rejected",
    ]
    if found.incomplete:
        lines.append(f"  {found.incomplete:>10,} of those taken had a value that is wrong; it is kept beside the lead")
    if found.unmapped:
        lines.append(f"  no field of ours: {', '.join(found.unmapped)}")
    if found.reason:
        lines.append(f"  failed: {found.reason}")
    return "\n".join(lines)


class _Bars:
    """A bar of the bytes sent, and one of the bytes whose rows are taken."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._sent: TaskID = self._progress.add_task("sent", total=None)
        self._taken: TaskID = self._progress.add_task("rows", total=None)

    def read(self, file: Path) -> Iterator[bytes]:
        """The file's bytes; the bar begins anew when they are sent once more."""
        self._progress.update(self._sent, total=file.stat().st_size, completed=0)
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk
                self._progress.advance(self._sent, len(chunk))

    def taken(self, found: Import) -> None:
        """How far the import is."""
        told = f"{found.rows:,} rows"
        self._progress.update(self._taken, description=told, completed=found.bytes_read, total=found.bytes)

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
