"""The embedded log keeps the contract, and what only it promises."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.embedded_reader import FETCH_BYTES, divide
from shared.eventlog.group import fair_share
from shared.eventlog.port import (
    EventLog,
    LogError,
    LogUnavailable,
    Message,
    PositionLost,
    Reader,
    Record,
    TopicPartition,
)
from shared.events import LEADS
from shared.settings import Settings
from tests.contract.log_contract import LogContract
from tests.contract.reading import Keeper, message


def settings_of(url: str) -> Settings:
    return Settings(database_url=url, consumer_lease_s=2)


class TestEmbeddedLog(LogContract):
    @pytest.fixture
    def settings(self, database_url: str) -> Settings:
        return settings_of(database_url)

    @pytest.fixture
    def broken(self, postgres_url: str, database_url: str) -> Iterator[Callable[[], Awaitable[None]]]:
        """Has the database refuse connections and ends those that are there."""
        name = urlsplit(database_url).path[1:]

        async def lock_out() -> None:
            await execute(postgres_url, f'alter database "{name}" with allow_connections false')
            await execute(
                postgres_url,
                f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",  # noqa: S608
            )

        yield lock_out
        asyncio.run(execute(postgres_url, f'alter database "{name}" with allow_connections true'))


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_fetch_is_bounded_in_bytes_and_takes_at_least_one_record(database_url: str) -> None:
    log = await EmbeddedLog.open(settings_of(database_url))
    size = FETCH_BYTES // 4
    for _ in range(6):
        await log.append([Message(LEADS, "lead", (), bytes(size))])
    await log.append([Message(LEADS, "lead", (), bytes(2 * FETCH_BYTES))])
    reader = await log.join("group", "a", [LEADS], Keeper())
    fetched: list[int] = []
    while sum(fetched) < 7:
        fetched.append(len((await reader.fetch(1000, 1)).records))
    assert fetched[0] == 4
    assert fetched[-1] >= 1
    await reader.close()
    await log.close()


async def test_records_that_are_gone_are_not_skipped(database_url: str) -> None:
    log = await EmbeddedLog.open(settings_of(database_url))
    await log.append([message("lead", n) for n in range(10)])
    await execute(database_url, 'delete from log.records where "offset" < 5')
    reader = await log.join("group", "a", [LEADS], Keeper())
    with pytest.raises(PositionLost, match="offset 0 is gone"):
        await reader.fetch(10, 1)
    await execute(database_url, "delete from log.records")
    with pytest.raises(PositionLost, match="are gone"):
        await reader.fetch(10, 1)
    await reader.close()
    await log.close()


async def test_the_number_of_partitions_is_settled_once(database_url: str) -> None:
    first = await EmbeddedLog.open(Settings(database_url=database_url, log_partitions=3))
    second = await EmbeddedLog.open(Settings(database_url=database_url, log_partitions=5))
    assert (first.partitions, second.partitions) == (3, 3)
    with pytest.raises(LogError, match="no partition"):
        await second.append([message("lead", topic="elsewhere")])
    await first.close()
    await second.close()


async def test_a_reader_survives_the_loss_of_its_connections(database_url: str) -> None:
    log = await EmbeddedLog.open(settings_of(database_url))
    reader = await log.join("group", "a", [LEADS], Keeper())
    waiting = asyncio.create_task(fetch_in_spite_of_outages(reader))
    await asyncio.wait({waiting}, timeout=0.3)
    await execute(
        database_url,
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()",
    )
    async with asyncio.timeout(60):
        await append_in_spite_of_outages(log, message("lead", 1))
        assert {r.value for r in await waiting} == {b"1"}
        later = asyncio.create_task(reader.fetch(10, 600))
        await asyncio.wait({later}, timeout=0.3)
        await log.append([message("lead", 2)])
        assert {r.value for r in (await later).records} <= {b"1", b"2"}
    await reader.close()
    await log.close()


async def fetch_in_spite_of_outages(reader: Reader) -> Sequence[Record]:
    while True:
        try:
            return (await reader.fetch(10, 600)).records
        except LogUnavailable:
            await asyncio.sleep(0.05)


async def append_in_spite_of_outages(log: EventLog, message: Message) -> None:
    while True:
        try:
            return await log.append([message])
        except LogUnavailable:
            await asyncio.sleep(0.05)


def test_shards_are_shared_fairly() -> None:
    assert [fair_share(["a", "b", "c"], member, 12) for member in "abc"] == [4, 4, 4]
    assert [fair_share(["a", "b", "c", "d", "e"], member, 12) for member in "abcde"] == [3, 3, 2, 2, 2]
    assert [fair_share(["a", "b", "c"], member, 2) for member in "abc"] == [1, 1, 0]


def test_a_fetch_is_divided_so_that_little_does_not_wait_for_much() -> None:
    a, b, c, d = (TopicPartition(LEADS, p) for p in range(4))
    assert divide(100, {a: 5, b: 1000, c: 0, d: 1000}) == {a: 5, b: 47, d: 48}
    assert divide(100, {a: 5, b: 6}) == {a: 5, b: 6}
    assert divide(2, {a: 9, b: 9, c: 9}) == {a: 1, b: 1}
