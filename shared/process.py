"""Child processes that never outlive the process that started them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

REFUSED = 2
"""Exit status of a service that starting again would not help: its settings or configuration are wrong."""


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` for subprocess: the kernel sends the child `death_signal` when its parent ends, even by SIGKILL.

    The kernel watches the *thread* that started the child: start it in one that lives as long as the child should, the
    main thread. A change of user clears the wish; subprocess calls `preexec_fn` after it, which is what we need.
    Linux only; elsewhere nothing is asked for.
    """
    parent = os.getpid()

    def ask() -> None:
        if _LIBC is None:
            return
        if _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:  # the parent ended before we could ask
            os._exit(1)

    return ask


def on_stop_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    """Have SIGINT, SIGTERM and SIGHUP call the handler; SIGHUP only where it is not ignored, as nohup wants it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def processes_marked(mark: str) -> list[int]:
    """Ids of the living processes, of any user, whose command line or title holds `mark`."""
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit() and _holds(entry, mark)]
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,args="], check=True, capture_output=True, text=True).stdout  # noqa: S607 - where `ps` is differs from system to system
    return [int(line.split(maxsplit=1)[0]) for line in listing.splitlines() if mark in line]


def _holds(entry: Path, mark: str) -> bool:
    try:
        return mark.encode() in (entry / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return False


def how_it_ended(status: int) -> str:
    """An exit status of subprocess in words: `exit status 3`, `killed by SIGKILL`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"exit status {status}, killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"exit status {status}, killed by signal {-status}"
