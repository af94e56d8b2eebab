"""A process that serves HTTP and works beside it, until it is told to stop; then it drains."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from shared.web.protocol import HttpProtocol

Task = Callable[[asyncio.Event], Awaitable[None]]
"""Works until the event is set, then comes to an end by itself."""

CONNECTIONS_MAX = 4096
KEEP_ALIVE_S = 30
GC_THRESHOLDS = (500_000, 20, 20)
"""Rings of objects are looked for when there are so many new ones more than gone. A batch of 5,000 events holds 200,000
that go by themselves at its end, and two are taken at a time: looking at them takes a fifth of the time."""
_OWN_SHARE = 0.5  # seconds of the grace that closing the log and the pool may take


class Process:
    """An application and the tasks beside it. grace_s: seconds that draining may take."""

    def __init__(
        self, app: ASGIApp, tasks: Mapping[str, Task], stop: asyncio.Event, *, grace_s: float, log: FilteringBoundLogger
    ) -> None:
        self._tasks = tasks
        self._stop = stop
        self._log = log
        self._finish_tasks = asyncio.Event()
        self._told: set[asyncio.Task[None]] = set()
        self._grace = max(1.0, grace_s - _OWN_SHARE)
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nobody asks for the address of a client
                lifespan="off",
                ws="none",
                http=HttpProtocol,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, int(self._grace / 2)),
            )
        )

    async def run(self, listening: socket.socket) -> int:
        """Serve until `stop` or until something ends unexpectedly; returns the exit status."""
        server = asyncio.create_task(self._server.serve([listening]), name="http")
        tasks = {asyncio.create_task(_start(work, self._finish_tasks), name=n) for n, work in self._tasks.items()}
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it again and again
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()  # shared.loading has stopped it
        self._log.info("started", port=listening.getsockname()[1], tasks=sorted(self._tasks))
        await asyncio.wait({server, stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        failed = self._tell_ended({server, *tasks})
        stopping.cancel()
        deadline = asyncio.get_running_loop().time() + self._grace
        self._server.should_exit = True
        await asyncio.wait({server})
        self._finish_tasks.set()
        await self._drain(tasks, deadline)
        self._log.info("stopped", failed=failed)
        return 1 if failed else 0

    def _tell_ended(self, tasks: set[asyncio.Task[None]]) -> bool:
        """Log what has ended although nobody asked it to."""
        ended = [] if self._stop.is_set() else [task for task in tasks if task.done()]
        for task in ended:
            error = None if task.cancelled() else task.exception()
            self._told.add(task)
            self._log.error("task_ended", task=task.get_name(), exc_info=error)
        return bool(ended)

    async def _drain(self, tasks: set[asyncio.Task[None]], deadline: float) -> None:
        _, late = await asyncio.wait(tasks, timeout=max(0.1, deadline - asyncio.get_running_loop().time()))
        for task in late:
            self._log.warning("task_cancelled_at_end_of_grace", task=task.get_name())
            task.cancel()
        for task in late:
            await asyncio.wait({task})
        for task in tasks - self._told:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._log.error("task_failed", task=task.get_name(), exc_info=error)


async def _start(work: Task, stop: asyncio.Event) -> None:
    await work(stop)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: when to stop is decided here."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
