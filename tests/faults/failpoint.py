"""A service that kills itself at one point of its work: `python -m tests.faults.failpoint SERVICE FAILPOINT`.

The service's own code runs unchanged; what it calls at that point is wrapped from outside.
"""

import os
import runpy
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import services.handoff.routes
import services.ingest.imports.store
import services.ingest.imports.uploads
import services.ingest.record
import shared.relay
from services.handoff.webhooks.send import Sender
from shared import positions
from shared.consume import Consumer
from shared.eventlog.embedded import EmbeddedLog
from shared.settings import SERVICES


def die(*_: Any, **__: Any) -> None:
    """What a SIGKILL from outside does."""
    os.kill(os.getpid(), signal.SIGKILL)


def _around_commit(module: Any, *, after: bool) -> None:
    """Die in the first transaction of the module's own, before or after its commit."""
    in_transaction = module.in_transaction

    async def deadly(engine: Any, work: Any) -> None:
        async def last(conn: Any) -> None:
            await work(conn)
            if not after:
                die()

        await in_transaction(engine, last)
        die()

    module.in_transaction = deadly


def _around(owner: Any, name: str, *, after: bool) -> None:
    """Die before or after the first call of an async function."""
    work = getattr(owner, name)

    async def deadly(*arguments: Any, **named: Any) -> None:
        if after:
            await work(*arguments, **named)
        die()

    setattr(owner, name, deadly)


def _around_mark(*, after: bool) -> None:
    """Die before or after the commit in which the relay deletes what it has published."""
    relay: Any = shared.relay
    log_class: Any = EmbeddedLog
    append, transaction = log_class.append, relay.transaction
    published = False

    async def noted(log: Any, messages: Any) -> None:
        nonlocal published
        await append(log, messages)
        published = True

    @asynccontextmanager
    async def deadly(engine: Any, **how: Any) -> AsyncIterator[Any]:
        async with transaction(engine, **how) as conn:
            yield conn
            if published and not after:
                die()
        if published:
            die()

    log_class.append = noted
    relay.transaction = deadly


FAILPOINTS: dict[str, dict[str, Callable[[], None]]] = {
    "ingest": {
        "before commit": lambda: _around_commit(services.ingest.record, after=False),
        "after commit": lambda: _around_commit(services.ingest.record, after=True),
        "relay: before produce": lambda: _around(EmbeddedLog, "append", after=False),
        "relay: after produce": lambda: _around(EmbeddedLog, "append", after=True),
        "relay: before mark": lambda: _around_mark(after=False),
        "relay: after mark": lambda: _around_mark(after=True),
        "import: before it is complete": lambda: _around(services.ingest.imports.uploads, "complete", after=False),
        "import: rows stored": lambda: _around(services.ingest.imports.store, "advance", after=False),
        "import: rows counted": lambda: _around(services.ingest.imports.store, "advance", after=True),
    },
    "handoff": {
        "decision: before commit": lambda: _around_commit(services.handoff.routes, after=False),
        "decision: after commit": lambda: _around_commit(services.handoff.routes, after=True),
        "webhook: before post": lambda: _around(Sender, "send", after=False),
        "webhook: after post": lambda: _around(Sender, "send", after=True),
    },
}
"""Service -> failpoint -> what installs it."""
for _service in ("handoff", "metrics"):
    # The count of what was taken is the last statement of a batch's transaction.
    FAILPOINTS.setdefault(_service, {}).update(
        {
            "batch: before commit": lambda: _around(positions, "count", after=True),
            "batch: after commit": lambda: _around(Consumer, "_commit", after=True),
        }
    )


if __name__ == "__main__":
    _service, failpoint = sys.argv[1:]
    assert _service in SERVICES
    FAILPOINTS[_service][failpoint]()
    runpy.run_module(f"services.{_service}", run_name="__main__")
