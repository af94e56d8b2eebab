"""A metrics service that stops itself (SIGSTOP) in its first batch: `python -m tests.faults.zombie POINT`. It comes
back when somebody sends SIGCONT, and believes that nothing has happened."""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any

from shared import positions
from shared.consume import Consumer


def freeze() -> None:
    """What a host that is suspended does to a process."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _once_around(owner: Any, name: str, *, after: bool) -> None:
    work = getattr(owner, name)
    frozen = False

    async def freezing(*arguments: Any, **named: Any) -> None:
        nonlocal frozen
        if not after and not frozen:
            frozen = True
            freeze()
        await work(*arguments, **named)
        if after and not frozen:
            frozen = True
            freeze()

    setattr(owner, name, freezing)


POINTS: dict[str, Callable[[], None]] = {
    "with a batch in hand": lambda: _once_around(Consumer, "_commit", after=False),
    "before its commit": lambda: _once_around(positions, "count", after=True),
}


if __name__ == "__main__":
    POINTS[sys.argv[1]]()
    sys.argv[1:] = []
    runpy.run_module("services.metrics", run_name="__main__")
