"""What every peer does beside its work. Only the standard library: peers live in environments of their own.

A peer is started with `BROKERS TOPIC EVENTS FOLDER GROUP`. It says `ready` on stdout when all is imported, begins when
a line comes on stdin, and says `committed` as soon as all is committed. Then it writes FOLDER/answer, says `answered`,
and ends when stdin ends. Other lines, which a library may print, mean nothing.

The answer has a line for each cell: `<day>T<hour>/<rep>/<outcome>`, a tab, its count. A cell may stand on several
lines, which add up.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

READY, COMMITTED, ANSWERED = "ready", "committed", "answered"
ANSWER = "answer"
_NEEDED = ("ce_source", "ce_id", "ce_time")


class Work(NamedTuple):
    """What a peer has to do: take all `events` of a topic. `folder`: for whatever it keeps."""

    brokers: str
    topic: str
    events: int
    folder: Path
    group: str

    def arguments(self) -> list[str]:
        """As they stand on a command line."""
        return [str(argument) for argument in self]


def begin() -> Work:
    """The work, when it is time to begin."""
    brokers, topic, events, folder, group = sys.argv[1:]
    _say(READY)
    sys.stdin.readline()
    return Work(brokers, topic, int(events), Path(folder), group)


def end(work: Work, counts: Iterable[tuple[str, int]]) -> None:
    """All is committed; `counts` by cell are asked for only now."""
    _say(COMMITTED)
    with (work.folder / ANSWER).open("w") as answer:
        answer.writelines(f"{cell}\t{count}\n" for cell, count in counts)
    _say(ANSWERED)
    sys.stdin.read()


def needed(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Of an event's headers those that the work needs."""
    return {name: value.decode() for name, value in headers if name in _NEEDED}


def identity(headers: Mapping[str, str]) -> str:
    """Of an event: by it duplicates are known."""
    return f"{headers['ce_source']}/{headers['ce_id']}"


def cell(headers: Mapping[str, str], call: Mapping[str, str]) -> str:
    """Where a call is counted: its day and hour (UTC), rep and outcome."""
    return f"{headers['ce_time'][:13]}/{call['rep']}/{call['outcome']}"


def _say(what: str) -> None:
    print(what, flush=True)
