"""The database: engine, transactions that are committed before they are left, and what counts as an outage.

Inside a transaction never go on after a database error that you have caught: PostgreSQL has given the transaction up
and answers its commit with a silent rollback. Use a savepoint (`conn.begin_nested()`) where an error is expected.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.eventlog.port import LogUnavailable
from shared.settings import Settings

T = TypeVar("T")

POOL_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0
LOCK_TIMEOUT_S = 10
_NO_TRANSACTION = "AUTOCOMMIT"
_BEGIN = "BEGIN;"
_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"

_log = logging.getLogger(__name__)

# Classes of SQLSTATE: connection, insufficient resources (disk full, too many connections), system error.
_OUTAGE_CLASSES = ("08", "53", "58", "57P0")
_OUTAGE_STATES = frozenset(
    {
        "25006",  # read only: a standby, or a full disk's emergency setting
        "25P03",  # idle in transaction for too long: this process was stopped or overloaded
        "25P04",  # transaction timeout
        "55P03",  # lock timeout
        "57014",  # statement timeout
    }
)
_RETRYABLE_STATES = frozenset(
    {
        "40001",  # serialization failure
        "40P01",  # deadlock
    }
)


class DatabaseUnavailable(Exception):
    """The database cannot serve now; nothing of the transaction has been done, or (when its commit was cut) nobody
    knows. The caller repeats later; what it repeats must be idempotent."""


class Overtaken(Exception):
    """Somebody else has done meanwhile what this transaction was about to do: repeated, it finds that done."""


def connect(settings: Settings, name: str, *, pool_size: int | None = None) -> AsyncEngine:
    """An engine for `settings.database_url`; nothing connects before it is used.

    name: shows in pg_stat_activity. pool_size: connections at most, `settings.pool_size` by default; who finds none
    free for 5 seconds gets DatabaseUnavailable.
    """
    if settings.database_url is None:
        raise ValueError("no database: set TASUKI_DATABASE_URL, or start with `tasuki run`, which brings its own")
    limit_ms = settings.statement_timeout_s * 1000
    server_settings = {
        "application_name": f"tasuki-{name}",
        "statement_timeout": str(limit_ms),
        "lock_timeout": str(min(LOCK_TIMEOUT_S * 1000, limit_ms)),
        "idle_in_transaction_session_timeout": str(limit_ms),
        "timezone": "UTC",
        "jit": "off",
    }
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=_creator(settings.database_url, server_settings, settings.statement_timeout_s + 5.0),
        pool_size=pool_size or settings.pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_use_lifo=True,  # few connections know most statements then, instead of all of them each
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def dsn(database_url: str) -> str:
    """The URL as asyncpg takes it: any `postgresql://`, also with a SQLAlchemy driver, also `?host=/socket/dir`."""
    scheme, separator, rest = database_url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


def _creator(
    database_url: str, server_settings: dict[str, str], command_timeout: float
) -> Callable[[], Coroutine[Any, Any, Any]]:
    # later than the server's own limit: it only ends waiting for a server that has gone silent
    return lambda: connect_once(database_url, server_settings, command_timeout=command_timeout)


async def connect_once(
    database_url: str, server_settings: dict[str, str] | None = None, *, command_timeout: float | None = None
) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of the driver outside of any pool, which the caller closes. Raises DatabaseUnavailable."""
    try:
        return await asyncpg.connect(
            dsn(database_url),
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=command_timeout,
            server_settings=server_settings,
        )
    except (OSError, TimeoutError, asyncpg.ObjectNotInPrerequisiteStateError) as error:
        raise DatabaseUnavailable(f"cannot connect to PostgreSQL: {error}") from error


def _refuse_closed(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that was closed while it lay there (a restarted server)."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError("closed while idle")


def transaction(engine: AsyncEngine, *, of_driver: bool = False) -> AbstractAsyncContextManager[AsyncConnection]:
    """A transaction that is committed when the block has ended, before the next line runs; rolled back on an error.

    of_driver: begun by the driver itself, a round trip cheaper; every statement in it must be the driver's (`driver`).
    Raises DatabaseUnavailable for an outage, whatever in the block ran into it. A cancelled caller leaves no
    connection behind: taking and giving back run in tasks that its cancellation does not reach.
    """
    return _transaction(engine, _BEGIN if of_driver else None)


def snapshot(engine: AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
    """A transaction of the driver that only reads, and sees one moment in all its statements."""
    return _transaction(engine, _BEGIN_SNAPSHOT)


@asynccontextmanager
async def _transaction(engine: AsyncEngine, begin: str | None) -> AsyncIterator[AsyncConnection]:
    with _telling_outages():
        conn = await checkout(engine, begin)
        try:
            yield conn
        except BaseException:
            await _undisturbed(_give_up(conn))
            raise
        await _undisturbed(_commit(conn, of_driver=begin is not None))


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement of the driver is a transaction of its own: for reading, where each sees what
    is committed when it begins as in a `transaction`, and for one change. It saves the round trips of begin and end.

    Raises DatabaseUnavailable, as `transaction` does.
    """
    with _telling_outages():
        conn = await checkout(_without_transactions(engine))
        try:
            yield conn
        finally:
            await _undisturbed(_give_up(conn))


def _without_transactions(engine: AsyncEngine) -> AsyncEngine:
    found = _option_engines.get(engine)
    if found is None:  # to make one takes a twentieth of a request
        found = _option_engines[engine] = engine.execution_options(isolation_level=_NO_TRANSACTION)
    return found


_option_engines: WeakKeyDictionary[AsyncEngine, AsyncEngine] = WeakKeyDictionary()


@contextmanager
def _telling_outages() -> Iterator[None]:
    try:
        yield
    except (DatabaseUnavailable, LogUnavailable):  # what is away is told already, whatever caused it
        raise
    except Exception as error:
        if is_outage(error):
            raise DatabaseUnavailable(f"PostgreSQL is not available: {error}") from error
        raise


async def checkout(engine: AsyncEngine, begin: str | None = None) -> AsyncConnection:
    """A connection of the pool that the caller closes; for what is no transaction (listening). Cancellation-safe.

    begin: in a transaction that the driver has begun so, and that _commit or _give_up ends.
    """

    async def take() -> AsyncConnection:
        conn = engine.connect()
        await conn.start()
        if begin:
            try:
                await (await _raw(conn)).execute(begin)
            except BaseException:
                await _give_up(conn)
                raise
        return conn

    def give_back(taken: "asyncio.Task[AsyncConnection]") -> None:
        if not taken.cancelled() and taken.exception() is None:
            _keep(asyncio.ensure_future(_give_up(taken.result())))

    task = asyncio.create_task(take())
    _keep(task)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(give_back)
        raise


async def driver(conn: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """The asyncpg connection under `conn`, for copy, unnest and pipelined statements, inside its begun transaction."""
    raw = await _raw(conn)
    if not raw.is_in_transaction() and _has_transactions(conn):
        # SQLAlchemy sends BEGIN with its first statement; without one, each of the driver's would commit by itself.
        await conn.exec_driver_sql("select 1")
    return raw


def _has_transactions(conn: AsyncConnection) -> bool:
    options = conn.sync_connection.get_execution_options() if conn.sync_connection is not None else {}
    return options.get("isolation_level") != _NO_TRANSACTION


async def _raw(conn: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    return cast("asyncpg.Connection[asyncpg.Record]", (await conn.get_raw_connection()).driver_connection)


async def in_transaction(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """What `work` returns, in a transaction of the driver that is committed; again when it met a deadlock or the like.

    Raises DatabaseUnavailable.
    """

    async def whole() -> T:
        async with transaction(engine, of_driver=True) as conn:
            return await work(conn)

    return await retried(whole)


async def retried(work: Callable[[], Awaitable[T]], *, attempts: int = 5) -> T:
    """Run `work`, which is one whole transaction, again when it met a deadlock or the like (see is_retryable)."""
    for attempt in range(1, attempts):
        try:
            return await work()
        except Exception as error:
            if not is_retryable(error):
                raise
            _log.info("transaction repeated (attempt %d): %s", attempt, type(error).__name__)
            await asyncio.sleep(0.01 * 2**attempt)
    return await work()


def is_outage(error: BaseException) -> bool:
    """Whether the error says that the database (or this process's way to it) is unavailable, not that we erred."""
    return any(_says_outage(e) for e in _causes(error))


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when it is repeated at once: deadlock, serialization failure,
    Overtaken."""
    return any(
        # a prepared statement goes stale when a migration runs beside us
        _state(e) in _RETRYABLE_STATES or isinstance(e, asyncpg.InvalidCachedStatementError | Overtaken)
        for e in _causes(error)
    )


def _says_outage(error: BaseException) -> bool:
    if isinstance(error, DatabaseUnavailable | PoolTimeout | ConnectionError | TimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, asyncpg.InterfaceError) and "closed" in str(error):
        return True
    # the server has sent its last words between two statements, and the driver has not seen the end of the socket yet
    if isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error):
        return True
    state = _state(error)
    return state in _OUTAGE_STATES or state.startswith(_OUTAGE_CLASSES)


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from: SQLAlchemy wraps the driver's errors."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


async def _commit(conn: AsyncConnection, *, of_driver: bool) -> None:
    try:
        if not of_driver:
            await conn.commit()
        elif (done := await (await _raw(conn)).execute("COMMIT;")) != "COMMIT":
            raise RuntimeError(f"a transaction went on after an error, and PostgreSQL answered its commit with {done}")
    finally:
        await conn.close()


async def _give_up(conn: AsyncConnection) -> None:
    """Roll back. When even this fails the connection is of no more use, and the first error is the one to raise."""
    try:
        await conn.rollback()
        if (raw := await _raw(conn)).is_in_transaction():  # the driver has begun it
            await raw.execute("ROLLBACK;")
    except Exception as error:
        _log.info("rollback failed: %s", error)
        await conn.invalidate()
    finally:
        await conn.close()


async def _undisturbed(work: Coroutine[Any, Any, None]) -> None:
    """Await work that goes on to its end even when the awaiting task is cancelled."""
    task = asyncio.create_task(work)
    _keep(task)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_tell_failure)
        raise


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("a cancelled request's transaction could not be ended: %s", error)


_unfinished: set["asyncio.Future[Any]"] = set()  # the event loop itself holds tasks only weakly


def _keep(task: "asyncio.Future[Any]") -> None:
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
