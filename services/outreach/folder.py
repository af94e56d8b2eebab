"""The folder of content: read at start, where every file must be right, and looked at again and again afterwards.

A change shows without a restart. A file that is wrong then is told of, and what it held before holds on.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from prometheus_client.metrics_core import Metric
from structlog.typing import FilteringBoundLogger

from services.outreach.content import FOLDERS, Piece, Sender, Vocabulary
from services.outreach.library import EMPTY, ContentProblem, Draft, Library
from services.outreach.reading import SIZE_MAX, read_piece, read_sender, read_vocabulary
from shared.config import ConfigError
from shared.events import ContentKind
from shared.fields import FieldRegistry
from shared.telemetry import Family

EVERY_S = 1.0
PIECES = Family("gauge", "tasuki_content_pieces", "Pieces of content to choose from.", ("kind",))
PROBLEMS = Family(
    "gauge", "tasuki_content_problems", "Files of content that are wrong; what they held before holds on."
)
_KINDS: Mapping[str, ContentKind] = {folder: kind for kind, folder in FOLDERS.items()}
_HINT = "take the one that Tasuki ships, or leave outreach out: `tasuki run ingest handoff metrics`"


class _Seen(NamedTuple):
    """What tells that a file has changed."""

    modified: int
    size: int
    inode: int


_Read = Piece | Sender | Vocabulary


class ContentFolder:
    """The content below `<config dir>/outreach/`. `ContentFolder(...)` raises ConfigError when a file is wrong.

    A configuration without that folder has no content; it is taken, all of it or nothing, once the folder is there.
    """

    def __init__(self, config_dir: Path, registry: FieldRegistry, log: FilteringBoundLogger) -> None:
        self._folder = config_dir / "outreach"
        self._needed = tuple(str(self._folder / name) for name in ("sender.yaml", "words.yaml"))
        self._registry = registry
        self._log = log
        self._problems: dict[str, ConfigError] = {}
        self._draft = EMPTY
        self.library: Library = self._draft.library()
        self._is_absent = not self._folder.exists()
        if self._is_absent:
            self._seen: dict[str, _Seen] = {}
            self._log.warning("no_content", reason=f"there is no folder {self._folder.name} in the configuration")
        else:
            self._begin()

    def _begin(self) -> None:
        """Take everything for the first time. Raises ConfigError, and then nothing is taken."""
        self._seen = self._look()
        read = {path: self._read(path) for path in (*self._needed, *self._seen)}
        pieces = {path: what for path, what in read.items() if isinstance(what, Piece)}
        sender, vocabulary = (read[path] for path in self._needed)
        if not isinstance(sender, Sender) or not isinstance(vocabulary, Vocabulary):
            raise TypeError("a file is not read by its name")
        draft = Draft(sender, vocabulary, pieces)
        for mistake in draft.mistakes():
            raise mistake
        self._draft, self._is_absent = draft, False
        self._tell({})

    async def run(self, stop: asyncio.Event) -> None:
        """Look for changes every second until told to stop."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()
                    return
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take what has changed since the last look."""
        if self._is_absent:
            self._look_whether_it_is_there()
            return
        try:
            found = self._look()
        except ConfigError as error:
            if error.file not in self._problems:
                self._tell({**self._problems, error.file: error})
            return
        gone = self._seen.keys() - found.keys()
        changed = {path for path, seen in found.items() if self._seen.get(path) != seen}
        if not gone and not changed and str(self._folder) not in self._problems:
            return
        self._seen = found
        retried = {path for path in self._problems if path in found}
        problems = {path: _missing(path) for path in self._needed if path not in found}
        self._draft = self._with(self._without(gone), sorted(changed | retried), problems)
        self._tell(problems)
        self._log.info("content_reloaded", changed=len(changed), gone=len(gone), problems=len(problems))

    def _look_whether_it_is_there(self) -> None:
        if not self._folder.exists():
            return
        try:
            self._begin()
        except ConfigError as error:
            self._tell({error.file: error})
        else:
            self._log.info("content_found", files=len(self._seen))

    def _tell(self, problems: dict[str, ConfigError]) -> None:
        """Show the draft with its problems; those that are new are logged."""
        for file, error in problems.items():
            before = self._problems.get(file)
            if before is None or str(before) != str(error):
                self._log.error("content_refused", file=error.file, line=error.line, reason=error.reason)
        self._problems = problems
        here = f"{self._folder.parent}/"  # where the folder is, is the server's own business
        told = (
            ContentProblem(_as_text(e.file.removeprefix(here)), e.line, _as_text(e.reason.replace(here, "")))
            for _, e in sorted(problems.items())
        )
        self.library = self._draft.library(tuple(told))

    async def collect(self) -> list[Metric]:
        """How many pieces there are, and how many files could not be taken."""
        pieces, problems = PIECES.metric(), PROBLEMS.metric()
        for kind, shelf in self.library.shelves.items():
            pieces.add_metric([kind], len(shelf.pieces))
        problems.add_metric((), len(self.library.problems))
        return [pieces, problems]

    def _without(self, gone: set[str]) -> Draft:
        """The draft without the files that have gone. sender.yaml and words.yaml hold on: nothing goes without them."""
        kept = {path: piece for path, piece in self._draft.pieces.items() if path not in gone}
        return Draft(self._draft.sender, self._draft.vocabulary, kept)

    def _with(self, draft: Draft, changed: list[str], problems: dict[str, ConfigError]) -> Draft:
        """The draft with those of the changed files that are right, all at once if they go together, else one by one.

        problems: takes what is wrong with the others.
        """
        read: dict[str, _Read] = {}
        for path in changed:
            try:
                read[path] = self._read(path)
            except ConfigError as error:
                problems[path] = error
        together = draft
        for path, what in read.items():
            together = _added(together, path, what)
        if not list(together.mistakes()):
            return together
        return _one_by_one(draft, read, problems)

    def _look(self) -> dict[str, _Seen]:
        """Every file by its path. Raises ConfigError when the folder cannot be read."""
        try:
            if not self._folder.is_dir():
                raise ConfigError(str(self._folder), 1, f"the folder is missing; {_HINT}")
            return dict(self._files())
        except OSError as error:
            raise ConfigError(str(self._folder), 1, f"the folder cannot be read: {error.strerror}") from error

    def _files(self) -> Iterator[tuple[str, _Seen]]:
        named = [Path(path) for path in self._needed]
        for folder in FOLDERS.values():
            if (self._folder / folder).is_dir():
                named += sorted((self._folder / folder).glob("*.md"))
        for path in named:
            if path.name.startswith("."):  # an editor's own
                continue
            with suppress(FileNotFoundError):  # it went between two glances, or is missing
                yield str(path), _seen(path)

    def _read(self, file: str) -> _Read:
        path = Path(file)
        try:
            raw = _bytes_of(path)
        except FileNotFoundError as error:
            raise _missing(file) from error
        except OSError as error:
            raise ConfigError(file, 1, f"the file cannot be read: {error.strerror}") from error
        if path.name == "sender.yaml":
            return read_sender(raw, file)
        if path.name == "words.yaml":
            return read_vocabulary(raw, file)
        return read_piece(_KINDS[path.parent.name], path.stem, raw, file, self._registry)


def _seen(path: Path) -> _Seen:
    """Raises FileNotFoundError. A file that nobody may look at, or a link to itself, says so when it is read: it hides
    no other file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise
    except OSError:
        stat = path.lstat()
    return _Seen(stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _bytes_of(path: Path) -> bytes:
    """No more of a file than tells that it is too large: it may have no end. Raises OSError, ConfigError."""
    if not S_ISREG(path.stat().st_mode):  # a pipe would have us wait for its writer
        raise ConfigError(str(path), 1, "this is no file but a folder, a device or a pipe; remove it")
    with path.open("rb") as file:
        return file.read(SIZE_MAX + 1)


def _as_text(name: str) -> str:
    """A file's name as an answer can hold it: on disk it need not be UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def _missing(file: str) -> ConfigError:
    return ConfigError(file, 1, f"the file is missing; {_HINT}")


def _added(draft: Draft, path: str, what: _Read) -> Draft:
    if isinstance(what, Sender):
        return Draft(what, draft.vocabulary, draft.pieces)
    if isinstance(what, Vocabulary):
        return Draft(draft.sender, what, draft.pieces)
    return Draft(draft.sender, draft.vocabulary, {**draft.pieces, path: what})


def _one_by_one(draft: Draft, read: dict[str, _Read], problems: dict[str, ConfigError]) -> Draft:
    """Each file that goes together with what there is; one may make room for another, so until none does any more."""
    left = dict(read)
    while True:
        refused: dict[str, ConfigError] = {}
        for path, what in left.items():
            alone = _added(draft, path, what)
            mistake = next(alone.mistakes(), None)
            if mistake is None:
                draft = alone
            else:
                refused[path] = mistake if mistake.file == path else _elsewhere(path, mistake)
        if len(refused) in (0, len(left)):
            problems.update(refused)
            return draft
        left = {path: left[path] for path in refused}


def _elsewhere(path: str, mistake: ConfigError) -> ConfigError:
    return ConfigError(path, 1, f"with it {mistake.file}:{mistake.line} is wrong: {mistake.reason}")
