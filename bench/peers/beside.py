"""A peer in a process of its own, measured from outside; its side of this is `bench.peers.programs.side`."""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

from bench.cpu import Meter, Spent, memory_mib
from bench.peers.exact import Counts, read
from bench.peers.programs.side import ANSWER, ANSWERED, COMMITTED, READY, Work
from shared.process import die_with_parent, how_it_ended


class PeerFailed(Exception):
    """A peer has ended before it was done, or took too long; the message says what is known."""


class Passed(NamedTuple):
    """What it cost to take all events, and what was counted. `memory_mib`: resident when all was committed."""

    spent: Spent
    memory_mib: float
    counts: Counts


def run(command: Sequence[str], work: Work, within_s: float) -> Passed:
    """Run a peer over all of a topic. Raises PeerFailed."""
    with (
        (work.folder / "said").open("w") as aside,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=aside, text=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        ) as process,
    ):  # fmt: skip
        limit = threading.Timer(within_s, process.kill)
        limit.start()
        try:
            return _follow(process, work, aside)
        except (EOFError, BrokenPipeError):
            late = f"not done after {within_s:.0f} s; " if limit.finished.is_set() else ""
            raise PeerFailed(f"{late}{how_it_ended(process.wait())}: {_last_line(work.folder / 'said')}") from None
        finally:
            limit.cancel()
            process.kill()


def _follow(process: subprocess.Popen[str], work: Work, aside: IO[str]) -> Passed:
    said, told = cast(IO[str], process.stdout), cast(IO[str], process.stdin).fileno()
    _wait_for(READY, said, aside)
    meter = Meter(process.pid)
    os.write(told, b"begin\n")  # past the file's buffer, which would be written once more at its end
    _wait_for(COMMITTED, said, aside)
    spent, resident = meter.spent(), memory_mib(process.pid)
    _wait_for(ANSWERED, said, aside)
    with (work.folder / ANSWER).open() as answer:
        return Passed(spent, resident, read(answer))


def _wait_for(word: str, said: IO[str], aside: IO[str]) -> None:
    """Raises EOFError when the peer ends without saying it."""
    for line in said:
        if line.strip() == word:
            return
        aside.write(line)
        aside.flush()
    raise EOFError


def _last_line(file: Path) -> str:
    lines = file.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
