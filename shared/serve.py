"""One service as one process: `main` reads like a table of contents.

What ends it: SIGTERM or SIGINT (it drains, exit 0), a mistake in settings or configuration (exit 2, the reason on
stderr), a log that is away at the start, a background task that ends although nobody asked it to (exit 1: the
supervisor starts the process anew, and nothing is lost, because all that counts is in the database). Draining takes
`settings.shutdown_grace_s` at most: requests first, then the background tasks, which may still be needed by a request,
then log and database.
"""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

import uvicorn
import uvloop
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.typing import FilteringBoundLogger

from shared.clock import Clock, SystemClock
from shared.config import Config, ConfigError, load_config
from shared.db import DatabaseUnavailable, connect, is_outage, transaction
from shared.eventlog.opened import open_log
from shared.eventlog.port import EventLog, LogError, LogUnavailable
from shared.process import REFUSED
from shared.prune import Pruning, Retention
from shared.schemas import SHARED, SchemaError, require_schemas
from shared.settings import ServiceName, Settings
from shared.telemetry import Collector, Telemetry
from shared.web.app import create_app
from shared.web.auth import Access, access_of
from shared.web.endpoint import Endpoint
from shared.web.health import Check
from shared.web.idempotency import RETENTION as IDEMPOTENT_ANSWERS
from shared.web.protocol import OneWrite

Task = Callable[[asyncio.Event], Awaitable[None]]
"""Works until the event is set, then comes to an end by itself."""

CONNECTIONS_MAX = 4096
KEEP_ALIVE_S = 30
GC_THRESHOLDS = (50_000, 20, 20)
"""A batch makes many objects that soon go by themselves: looking for rings at every 700 takes a third of the time."""
_OWN_SHARE = 0.5  # seconds of the grace that closing the log and the pool may take


@dataclass(frozen=True)
class Runtime:
    """What a service is built with."""

    settings: Settings
    clock: Clock
    engine: AsyncEngine
    log: EventLog
    telemetry: Telemetry
    config: Config
    access: Access


@dataclass(frozen=True)
class Service:
    """What a service is: its endpoints, what it does beside answering, and how its state is asked for.

    checks: for `/readyz`, beside the database (but not the log: while that is away, what is taken waits in the outbox).
    alive: for `/livez`, only what a restart would mend (a stalled consumer). collectors: figures for `/metrics` that
    come from the database. retentions: of its own tables.
    """

    endpoints: list[Endpoint]
    tasks: dict[str, Task] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    alive: dict[str, Check] = field(default_factory=dict)
    collectors: dict[str, Collector] = field(default_factory=dict)
    retentions: tuple[Retention, ...] = ()


Build = Callable[[Runtime], Awaitable[Service]]


def main(service: ServiceName, build: Build) -> None:
    """Run the service until it is told to stop; does not return."""
    settings, config = _load(service)
    telemetry = Telemetry(service, level=settings.log_level)
    telemetry.watch_process()
    telemetry.take_over_logging()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_run(service, build, settings, config, telemetry)))


def _load(service: str) -> tuple[Settings, Config]:
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [f"TASUKI_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        _refuse(service, lines)
    try:
        return settings, load_config(settings.config_dir)
    except ConfigError as error:
        _refuse(service, [str(error)])


def _refuse(service: str, lines: list[str]) -> NoReturn:
    sys.exit(_explain(service, lines))


def _explain(service: str, lines: list[str]) -> int:
    """Says what has to be mended; the exit status for it."""
    for line in lines:
        print(line, file=sys.stderr)
    print(f"tasuki: {service} does not start; mend what is said above.", file=sys.stderr)
    return REFUSED


def telling_unhandled(log: FilteringBoundLogger) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Tells what an event loop finds that nobody handles. asyncpg leaves the end of a COPY to nobody when the server
    has said goodbye just before; the statement itself has failed and says so, so an outage is no error here."""

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and is_outage(error):
            log.info("outage_that_nobody_awaits", reason=str(error))
        else:
            loop.default_exception_handler(context)

    return tell


async def _run(service: ServiceName, build: Build, settings: Settings, config: Config, telemetry: Telemetry) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(telling_unhandled(telemetry.log))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with AsyncExitStack() as stack:
            listening = stack.enter_context(_listen(settings.host, settings.port(service)))
            engine = connect(settings, service)
            stack.push_async_callback(engine.dispose)
            await _require_schemas(engine, service, telemetry)
            log = await open_log(settings)
            stack.push_async_callback(log.close)
            access = access_of(settings, engine, telemetry.log)
            runtime = Runtime(settings, SystemClock(), engine, log, telemetry, config, access)
            built = await build(runtime)
            return await _Process(service, runtime, built, stop).run(listening)
    except SchemaError as error:
        return _explain(service, [str(error)])
    except ConfigError as error:  # of a file that only this service understands, such as kpis.yaml
        return _explain(service, [str(error)])
    except (DatabaseUnavailable, LogUnavailable) as error:
        telemetry.log.warning("start_put_off", reason=str(error))
        return 1
    except LogError as error:  # topics that are missing, credentials that are refused
        return _explain(service, [str(error)])
    except Exception:
        telemetry.log.exception("start_failed")
        return 1


async def _require_schemas(engine: AsyncEngine, service: str, telemetry: Telemetry) -> None:
    """Raises SchemaError. A database that is away is no error: what needs it waits, and /readyz says so."""
    try:
        await require_schemas(engine, (*SHARED, service))
    except DatabaseUnavailable as error:
        telemetry.log.warning("schemas_unchecked", reason=str(error))


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2048) as listening:
        listening.setblocking(False)
        yield listening


class _Process:
    """A built service while it runs."""

    def __init__(self, service: ServiceName, runtime: Runtime, built: Service, stop: asyncio.Event) -> None:
        self._runtime = runtime
        self._built = built
        self._log = runtime.telemetry.log
        self._stop = stop
        self._finish_tasks = asyncio.Event()
        self._told: set[asyncio.Task[None]] = set()
        self._grace = max(1.0, runtime.settings.shutdown_grace_s - _OWN_SHARE)
        runtime.telemetry.collectors |= built.collectors
        self._tasks = built.tasks | {"pruning": self._pruning().run, "key_uses": self._write_key_uses}
        app = create_app(
            title=f"Tasuki {service}",
            endpoints=built.endpoints,
            access=runtime.access,
            telemetry=runtime.telemetry,
            checks={"database": self._database} | built.checks,
            alive=built.alive,
        )
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nobody asks for the address of a client
                lifespan="off",
                ws="none",
                http=OneWrite,
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

    def _pruning(self) -> Pruning:
        audit = Retention("access.audit", "at", timedelta(days=self._runtime.settings.retention_audit_days))
        return Pruning(self._runtime.engine, [IDEMPOTENT_ANSWERS, audit, *self._built.retentions], self._log)

    async def _write_key_uses(self, stop: asyncio.Event) -> None:
        await self._runtime.access.uses.run(stop, self._log)

    async def _database(self) -> str | None:
        try:
            async with transaction(self._runtime.engine) as conn:
                await conn.execute(text("select 1"))
        except DatabaseUnavailable:
            return "PostgreSQL cannot be reached"
        return None


async def _start(work: Task, stop: asyncio.Event) -> None:
    await work(stop)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: when to stop is decided here."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
