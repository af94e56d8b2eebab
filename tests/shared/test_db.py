"""Transactions: committed when left, outages by one name, and no connection left behind."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import (
    DatabaseUnavailable,
    autocommit,
    connect,
    driver,
    dsn,
    in_transaction,
    is_outage,
    is_retryable,
    retried,
    transaction,
)
from shared.eventlog.port import LogUnavailable
from shared.notify import Notices
from shared.settings import Settings


@pytest.fixture
async def engine(empty_database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(Settings(database_url=empty_database_url, pool_size=3, statement_timeout_s=2), "test")
    async with transaction(engine) as conn:
        await conn.execute(text("create table t (n integer primary key)"))
    yield engine
    await engine.dispose()


async def numbers(engine: AsyncEngine) -> list[int]:
    async with transaction(engine) as conn:
        return list((await conn.execute(text("select n from t order by n"))).scalars())


async def test_a_transaction_is_committed_when_it_is_left(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        await conn.execute(text("insert into t values (1)"))
    assert await numbers(engine) == [1]


async def test_an_error_undoes_all_of_it_also_through_the_driver(engine: AsyncEngine) -> None:
    async def fail() -> None:
        async with transaction(engine) as conn:
            await (await driver(conn)).execute("insert into t values (1)")
            await conn.execute(text("insert into t values (2)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await numbers(engine) == []


async def test_a_transaction_of_the_driver_is_committed_or_undone(engine: AsyncEngine) -> None:
    async def insert(n: int, error: Exception | None = None) -> None:
        async with transaction(engine, of_driver=True) as conn:
            await (await driver(conn)).execute("insert into t values ($1)", n)
            assert n not in await numbers(engine)
            if error is not None:
                raise error

    await insert(1)
    with pytest.raises(ZeroDivisionError):
        await insert(2, ZeroDivisionError())
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(1)
    await insert(3)
    assert await numbers(engine) == [1, 3]


async def test_a_transaction_of_the_driver_that_went_on_after_an_error_is_not_called_committed(
    engine: AsyncEngine,
) -> None:
    async def go_on() -> None:
        async with transaction(engine, of_driver=True) as conn:
            with contextlib.suppress(asyncpg.UniqueViolationError):
                await (await driver(conn)).execute("insert into t values (1), (1)")

    with pytest.raises(RuntimeError, match="ROLLBACK"):
        await go_on()
    assert await numbers(engine) == []


async def test_a_transaction_of_the_driver_refuses_statements_of_sqlalchemy(engine: AsyncEngine) -> None:
    with pytest.raises(InterfaceError, match="manually started transaction"):
        async with transaction(engine, of_driver=True) as conn:
            await conn.execute(text("insert into t values (1)"))
    assert await numbers(engine) == []


async def test_without_a_transaction_each_statement_is_one(engine: AsyncEngine) -> None:
    async def insert(*values: int) -> None:
        async with autocommit(engine) as conn:
            db = await driver(conn)
            for n in values:
                await db.execute("insert into t values ($1)", n)
                assert n in await numbers(engine), "what has been done is committed"
                assert not db.is_in_transaction()

    await insert(1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(2, 1, 3)
    async with autocommit(engine) as conn:
        await (await driver(conn)).executemany("insert into t values ($1)", [(4,), (5,)])
    with pytest.raises(asyncpg.UniqueViolationError):
        async with autocommit(engine) as conn:
            await (await driver(conn)).executemany("insert into t values ($1)", [(6,), (5,)])
    assert await numbers(engine) == [1, 2, 4, 5], "many at once are one, too"
    async with transaction(engine) as conn:  # the pool has no connection left that commits by itself
        await conn.execute(text("insert into t values (7)"))
        await conn.rollback()
    assert await numbers(engine) == [1, 2, 4, 5]


async def test_our_own_mistakes_are_no_outage(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError) as wrapped:
        async with transaction(engine) as conn:
            await conn.execute(text("insert into t values (1), (1)"))
    with pytest.raises(asyncpg.UniqueViolationError) as raw:
        async with transaction(engine) as conn:
            await (await driver(conn)).execute("insert into t values (1), (1)")
    with pytest.raises(asyncpg.DataError) as wrong_type:
        async with transaction(engine) as conn:
            await (await driver(conn)).execute("insert into t values ($1)", "one")
    assert not any(is_outage(e.value) or is_retryable(e.value) for e in (wrapped, raw, wrong_type))


async def test_a_log_that_is_away_is_not_taken_for_the_database(engine: AsyncEngine) -> None:
    with pytest.raises(LogUnavailable):
        async with transaction(engine):
            raise LogUnavailable("Kafka: no answer in time") from TimeoutError()


async def test_a_connection_that_was_closed_while_idle_is_replaced(engine: AsyncEngine) -> None:
    await end_other_connections(engine)
    assert await numbers(engine) == []


async def test_a_connection_that_is_cut_in_a_transaction_is_an_outage(engine: AsyncEngine) -> None:
    async def cut_before(last: str | None) -> None:
        async with transaction(engine) as conn:
            await conn.execute(text("insert into t values (1)"))
            await end_other_connections(engine)
            if last is not None:
                await conn.execute(text(last))

    async def cut_drivers_before(last: str | None) -> None:
        async with transaction(engine, of_driver=True) as conn:
            await (await driver(conn)).execute("insert into t values (1)")
            await end_other_connections(engine)
            if last is not None:
                await (await driver(conn)).execute(last)

    async def cut_without_transaction(last: str | None) -> None:
        async with autocommit(engine) as conn:
            await end_other_connections(engine)
            await (await driver(conn)).execute(last or "select 1")

    for cut in (cut_before, cut_drivers_before, cut_without_transaction):
        for statement in ("insert into t values (2)", None):
            with pytest.raises(DatabaseUnavailable):
                await cut(statement)
    assert await numbers(engine) == []


async def end_other_connections(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        await conn.execute(
            text(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        )


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    engine = connect(Settings(database_url="postgresql://nobody@127.0.0.1:9/none"), "test")
    with pytest.raises(DatabaseUnavailable, match="cannot connect"):
        async with transaction(engine):
            pass
    await engine.dispose()


async def test_a_statement_or_a_lock_that_takes_too_long_is_an_outage(
    engine: AsyncEngine, empty_database_url: str
) -> None:
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        async with transaction(engine) as conn:
            await conn.execute(text("select pg_sleep(60)"))
    patient = connect(Settings(database_url=empty_database_url), "test")
    async with transaction(patient) as holder:
        await holder.execute(text("lock table t"))
        with pytest.raises(DatabaseUnavailable, match="timeout"):
            await numbers(engine)
    await patient.dispose()


async def test_who_finds_no_free_connection_gets_an_outage(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.sync_engine.pool, "_timeout", 0.1)
    async with transaction(engine), transaction(engine), transaction(engine):
        with pytest.raises(DatabaseUnavailable, match="QueuePool"):
            async with transaction(engine):
                pass


async def test_cancelled_callers_leave_no_connection_behind(engine: AsyncEngine) -> None:
    """At any moment: while they wait for a connection, in a statement, in the commit."""
    chance = random.Random(15)  # noqa: S311 - no secret

    async def work(n: int) -> None:
        if n % 3 == 0:
            async with autocommit(engine) as conn:
                await (await driver(conn)).execute("insert into t select $1 from pg_sleep(0.002)", n)
            return
        async with transaction(engine, of_driver=n % 2 == 0) as conn:
            await (await driver(conn)).execute("select pg_sleep(0.002)")
            if n % 2 == 0:
                await (await driver(conn)).execute("insert into t values ($1)", n)
            else:
                await conn.execute(text("insert into t values (:n)"), {"n": n})

    for round_ in range(10):
        tasks = [asyncio.create_task(work(round_ * 100 + n)) for n in range(100)]
        for task in tasks:
            await asyncio.sleep(chance.random() * 0.001)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with transaction(engine), transaction(engine), transaction(engine):  # the whole pool is there
        pass
    async with transaction(engine) as conn:
        found = await conn.execute(
            text(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and application_name = 'tasuki-test' and state like 'idle in transaction%'"
            )
        )
        assert found.scalar_one() == 0


async def test_a_deadlock_is_repeated_until_it_passes(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        await conn.execute(text("insert into t values (1), (2)"))
    both_hold_one = asyncio.Barrier(2)
    tries = 0

    async def lock(first: int, second: int) -> None:
        nonlocal tries
        tries += 1
        async with transaction(engine) as conn:
            await conn.execute(text("select from t where n = :n for update"), {"n": first})
            if tries <= 2:
                await both_hold_one.wait()
            await conn.execute(text("select from t where n = :n for update"), {"n": second})

    await asyncio.gather(retried(lambda: lock(1, 2)), retried(lambda: lock(2, 1)))


async def test_work_that_met_a_conflict_is_done_again_as_a_whole(engine: AsyncEngine) -> None:
    tries = 0

    async def work(conn: AsyncConnection) -> int:
        nonlocal tries
        tries += 1
        await (await driver(conn)).execute("insert into t values ($1)", tries)
        if tries < 3:
            raise asyncpg.SerializationError
        return tries

    assert await in_transaction(engine, work) == 3
    assert await numbers(engine) == [3]
    assert tries == 3


async def test_a_waker_misses_no_notice(engine: AsyncEngine) -> None:
    notices = Notices(engine)
    waker = notices.waker("news")
    assert await waker.wait(0)  # nobody knows what was said before it listened
    assert not await waker.wait(0)
    await notify(engine)
    assert await waker.wait(60)
    await end_other_connections(engine)
    assert await waker.wait(60)  # it may have missed something
    while await waker.wait(0):
        pass
    waiting = asyncio.create_task(waker.wait(60))
    await asyncio.sleep(0)
    await notify(engine)
    assert await waiting
    await notices.close()


async def notify(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        await conn.execute(text("notify news"))


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgresql://a@b/c", "postgresql://a@b/c"),
        ("postgresql+asyncpg://a@b/c?host=/run/pg", "postgresql://a@b/c?host=/run/pg"),
        ("postgres://a:b%2Fc@d/e", "postgres://a:b%2Fc@d/e"),
    ],
)
def test_any_postgresql_url_is_taken(given: str, taken: str) -> None:
    assert dsn(given) == taken
