"""One service as one process: `main` reads like a table of contents.

What ends it: SIGTERM or SIGINT (it drains, exit 0), a mistake in settings or configuration (exit 2, the reason on
stderr), a log that is away or a port that is taken at the start, a background task that ends although nobody asked it
to (exit 1: the supervisor starts the process anew, and nothing is lost, because all that counts is in the database).
Draining takes `settings.shutdown_grace_s` at most: requests first, then the background tasks, which may still be needed
by a request, then log and database.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import uvloop
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from shared.clock import Clock, SystemClock
from shared.config import Config, ConfigError, load_config
from shared.db import DatabaseUnavailable, autocommit, connect, driver, is_outage
from shared.eventlog.opened import open_log
from shared.eventlog.port import EventLog, LogError, LogUnavailable
from shared.ports import PortError, require_free_port
from shared.process import REFUSED
from shared.prune import Pruning, Retention
from shared.schemas import SHARED, SchemaError, require_schemas
from shared.settings import ProcessName, ServiceName, Settings
from shared.telemetry import Collector, Telemetry
from shared.web.app import InFront, create_app
from shared.web.auth import Access, access_of
from shared.web.endpoint import Endpoint
from shared.web.health import Check
from shared.web.idempotency import RETENTION as IDEMPOTENT_ANSWERS
from shared.web.server import Process, Task

if TYPE_CHECKING:
    from shared.telemetry.spans import Spans


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
    come from the database. retentions: of its own tables. in_front: what sees requests before the endpoints do.
    """

    endpoints: list[Endpoint]
    tasks: dict[str, Task] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    alive: dict[str, Check] = field(default_factory=dict)
    collectors: dict[str, Collector] = field(default_factory=dict)
    retentions: tuple[Retention, ...] = ()
    in_front: InFront | None = None


Build = Callable[[Runtime], Awaitable[Service]]


@dataclass(frozen=True)
class Client:
    """What a process is built with that has neither database nor log: it is a client of the services."""

    settings: Settings
    clock: Clock
    telemetry: Telemetry
    config: Config


BuildClient = Callable[[Client], AbstractAsyncContextManager[tuple[ASGIApp, dict[str, Task]]]]
"""Gives an application and the tasks beside it, for as long as it is open."""


def main(service: ServiceName, build: Build) -> None:
    """Run the service until it is told to stop; does not return."""
    settings, config = _load(service)
    telemetry = _telemetry(service, settings)
    if settings.database_url is None:
        _refuse(service, ["TASUKI_DATABASE_URL: set it, or start by `tasuki run`, which brings a database of its own"])
    _run_until_stopped(lambda stop: _serve(service, build, settings, config, telemetry, stop), telemetry)


def main_of_client(name: ProcessName, build: BuildClient) -> None:
    """The same for a process without database and log."""
    settings, config = _load(name)
    telemetry = _telemetry(name, settings)

    async def serve(stop: asyncio.Event) -> int:
        async with AsyncExitStack() as stack:
            listening = stack.enter_context(_listen(settings, name))
            client = Client(settings, SystemClock(), telemetry, config)
            app, tasks = await stack.enter_async_context(build(client))
            process = Process(app, tasks, stop, grace_s=settings.shutdown_grace_s, log=telemetry.log)
            return await process.run(listening)

    _run_until_stopped(serve, telemetry)


def _telemetry(name: ProcessName, settings: Settings) -> Telemetry:
    telemetry = Telemetry(name, level=settings.log_level, spans=_spans(name, settings))
    telemetry.watch_process()
    telemetry.take_over_logging()
    return telemetry


def _spans(name: ProcessName, settings: Settings) -> "Spans | None":
    """What makes traces, if the settings ask for them; OTEL_SDK_DISABLED is how the SDK is switched off."""
    if not settings.traces or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    try:
        from shared.telemetry.spans import Spans
    except ModuleNotFoundError as error:
        _refuse(name, [f"TASUKI_TRACES: {error.name} is not installed: pip install 'tasuki[otel]'"])
    try:
        log = "kafka" if settings.kafka_bootstrap_servers else "postgresql"
        return Spans.exporting(name, settings.member(name), log)
    except ValueError as error:
        _refuse(name, [str(error)])


def _run_until_stopped(work: Callable[[asyncio.Event], Awaitable[int]], telemetry: Telemetry) -> NoReturn:
    async def run() -> int:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.set_exception_handler(telling_unhandled(telemetry.log))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            return await work(stop)
        except PortError as error:  # the process before this one may just be ending
            telemetry.log.warning("start_failed", reason=str(error))
            return 1
        except Exception:
            telemetry.log.exception("start_failed")
            return 1

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(run())
    if telemetry.spans is not None:
        telemetry.spans.close()
    sys.exit(status)


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


async def _serve(
    service: ServiceName, build: Build, settings: Settings, config: Config, telemetry: Telemetry, stop: asyncio.Event
) -> int:
    try:
        async with AsyncExitStack() as stack:
            listening = stack.enter_context(_listen(settings, service))
            engine = connect(settings, service)
            stack.push_async_callback(engine.dispose)
            await _require_schemas(engine, service, telemetry)
            log = await open_log(settings)
            stack.push_async_callback(log.close)
            access = access_of(settings, engine, telemetry.log)
            runtime = Runtime(settings, SystemClock(), engine, log, telemetry, config, access)
            built = await build(runtime)
            return await _process(service, runtime, built, stop).run(listening)
    except SchemaError as error:
        return _explain(service, [str(error)])
    except ConfigError as error:  # of a file that only this service understands, such as kpis.yaml
        return _explain(service, [str(error)])
    except (DatabaseUnavailable, LogUnavailable) as error:
        telemetry.log.warning("start_put_off", reason=str(error))
        return 1
    except LogError as error:  # topics that are missing, credentials that are refused
        return _explain(service, [str(error)])


async def _require_schemas(engine: AsyncEngine, service: str, telemetry: Telemetry) -> None:
    """Raises SchemaError. A database that is away is no error: what needs it waits, and /readyz says so."""
    try:
        await require_schemas(engine, (*SHARED, service))
    except DatabaseUnavailable as error:
        telemetry.log.warning("schemas_unchecked", reason=str(error))


@contextmanager
def _listen(settings: Settings, name: ProcessName) -> Iterator[socket.socket]:
    """Raises PortError, which says more than the system does."""
    host, port = settings.host, settings.port(name)
    require_free_port(host, port, f"TASUKI_{name.upper()}_PORT")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2048) as listening:
        listening.setblocking(False)
        yield listening


def _process(service: ServiceName, runtime: Runtime, built: Service, stop: asyncio.Event) -> Process:
    """A built service, to be run."""
    runtime.telemetry.collectors |= built.collectors
    audit = Retention("access.audit", "at", timedelta(days=runtime.settings.retention_audit_days))
    pruning = Pruning(runtime.engine, [IDEMPOTENT_ANSWERS, audit, *built.retentions], runtime.telemetry.log)

    async def write_key_uses(stopping: asyncio.Event) -> None:
        await runtime.access.uses.run(stopping, runtime.telemetry.log)

    async def database() -> str | None:
        try:
            async with autocommit(runtime.engine) as conn:
                await (await driver(conn)).execute("select 1")
        except DatabaseUnavailable:
            return "PostgreSQL cannot be reached"
        return None

    app = create_app(
        title=f"Tasuki {service}",
        endpoints=built.endpoints,
        access=runtime.access,
        telemetry=runtime.telemetry,
        checks={"database": database} | built.checks,
        alive=built.alive,
        in_front=built.in_front,
    )
    tasks = built.tasks | {"pruning": pruning.run, "key_uses": write_key_uses}
    return Process(app, tasks, stop, grace_s=runtime.settings.shutdown_grace_s, log=runtime.telemetry.log)
