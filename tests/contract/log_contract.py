"""What every adapter of the log must do: inherit `LogContract` and say how to open the log."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from subprocess import PIPE, Popen

import asyncpg
import pytest

from shared.db import dsn
from shared.eventlog.opened import open_log
from shared.eventlog.port import (
    EventLog,
    Fetched,
    LogUnavailable,
    Message,
    PositionLost,
    Positions,
    Reader,
    Record,
    TopicPartition,
)
from shared.events import ACTIVITIES, LEADS
from shared.settings import Settings
from tests.system import environment_of

FAR_OFF_S = 60
"""Longer than anything here takes: a test that waits so long has failed."""


class Keeper:
    """Positions in memory, in the place of a handler's database."""

    def __init__(self) -> None:
        self.stored: dict[TopicPartition, int] = {}

    async def positions(self, shards: Collection[int]) -> Positions:
        return {at: offset for at, offset in self.stored.items() if at.partition in shards}

    def commit(self, records: Sequence[Record]) -> None:
        for record in records:
            self.stored[record.at] = record.offset + 1


def message(key: str, n: int = 0, topic: str = LEADS) -> Message:
    return Message(topic, key, (("ce_id", str(n).encode()),), str(n).encode())


async def fetch_until(reader: Reader, count: int, max_records: int = 1000) -> list[Record]:
    """Fetch until so many records have come."""
    records: list[Record] = []
    async with asyncio.timeout(FAR_OFF_S):
        while len(records) < count:
            records += (await reader.fetch(max_records, 1)).records
    return records


async def settle(condition: Callable[[], bool], *readers: Reader) -> None:
    """Let members fetch, as they do in life, until they have come to an arrangement."""
    async with asyncio.timeout(FAR_OFF_S):
        while not condition():
            await asyncio.gather(*(reader.fetch(1000, 0.05) for reader in readers), asyncio.sleep(0.02))


class LogContract:
    """Fixtures that an adapter gives: `settings` of a log without records, in which a silent member is gone after 2 s;
    `broken` makes it unreachable."""

    @pytest.fixture
    def settings(self) -> Settings:
        raise NotImplementedError

    @pytest.fixture
    def broken(self) -> Callable[[], Awaitable[None]]:
        raise NotImplementedError

    @pytest.fixture
    def member_process(self, settings: Settings) -> Iterator[Callable[[str, str], Popen[str]]]:
        """Starts a process that joins a group."""
        environment = os.environ | environment_of(settings)
        started: list[Popen[str]] = []

        def start(group: str, member: str) -> Popen[str]:
            command = [sys.executable, "-m", "tests.contract.member", group, member]
            started.append(process := Popen(command, stdout=PIPE, text=True, env=environment))
            assert process.stdout is not None
            assert process.stdout.readline() == "joined\n"
            return process

        yield start
        for process in started:
            process.kill()
            process.communicate()

    @pytest.fixture
    async def log(self, settings: Settings) -> AsyncIterator[EventLog]:
        log = await open_log(settings)
        yield log
        await log.close()

    @pytest.fixture
    async def other(self, settings: Settings) -> AsyncIterator[EventLog]:
        """The log as another process opens it."""
        log = await open_log(settings)
        yield log
        await log.close()

    async def test_a_record_is_what_was_written(self, log: EventLog) -> None:
        headers = (("ce_id", "é".encode()), ("empty", b""), ("binary", bytes(range(256))))
        await log.append([Message(LEADS, "鍵", headers, b"\x00\xff")])
        ends = await log.ends([LEADS])
        (at,) = [at for at, end in ends.items() if end]
        (record,) = await log.read(at, 0, 10)
        assert (record.at, record.offset, record.key) == (at, 0, "鍵")
        assert (record.headers, record.value) == (headers, b"\x00\xff")

    async def test_a_key_falls_into_the_same_partition_of_each_topic(self, log: EventLog) -> None:
        keys = [f"lead-{n}" for n in range(50)]
        await log.append([message(key, topic=topic) for key in keys for topic in (LEADS, ACTIVITIES)])
        found: dict[str, set[str | None]] = {}
        for at in await log.ends([LEADS, ACTIVITIES]):
            for record in await log.read(at, 0, 1000):
                found.setdefault(str(record.key), set()).add(str(at.partition))
        assert found.keys() == set(keys)
        assert all(len(partitions) == 1 for partitions in found.values())
        assert len(set.union(*found.values())) > 1

    async def test_offsets_are_dense_while_many_append(self, log: EventLog, other: EventLog) -> None:
        """A reader that follows the writers never sees a gap that is filled later."""
        total, seen = 40 * 25, Counter[TopicPartition]()
        written = asyncio.Event()

        async def follow() -> None:
            last_round = False
            while not last_round:
                last_round = written.is_set()
                for at in await log.ends([LEADS]):
                    for record in await log.read(at, seen[at], 1000):
                        assert record.offset == seen[at]
                        seen[at] += 1

        following = asyncio.create_task(follow())
        batches = [[message(f"lead-{(n * 7 + i) % 40}", i) for i in range(25)] for n in range(40)]
        await asyncio.gather(*(writer.append(b) for b, writer in zip(batches, [log, other] * 20, strict=True)))
        written.set()
        await following
        assert seen.total() == total
        assert {at: n for at, n in (await log.ends([LEADS])).items() if n} == {at: n for at, n in seen.items() if n}

    async def test_records_of_a_key_keep_their_order(self, log: EventLog) -> None:
        for start in range(0, 300, 30):
            await log.append([message(f"lead-{n % 3}", n) for n in range(start, start + 30)])
        reader = await log.join("group", "a", [LEADS], Keeper())
        records = await fetch_until(reader, 300, max_records=70)
        for key in ("lead-0", "lead-1", "lead-2"):
            numbers = [int(r.value or b"") for r in records if r.key == key]
            assert numbers == sorted(numbers)
            assert len(numbers) == 100
        await reader.close()

    async def test_fetch_gives_no_more_than_asked_for_and_forgets_no_partition(self, log: EventLog) -> None:
        await log.append([message("busy", n) for n in range(500)])
        await log.append([message(f"lead-{n}", n) for n in range(20)])
        reader = await log.join("group", "a", [LEADS], Keeper())
        first = (await reader.fetch(100, 1)).records
        assert 0 < len(first) <= 100
        assert {r.key for r in first} >= {"busy"}
        assert len({r.partition for r in first}) > 1
        rest = await fetch_until(reader, 520 - len(first), max_records=100)
        assert len({(r.at, r.offset) for r in [*first, *rest]}) == 520
        await reader.close()

    async def test_a_waiting_reader_wakes_when_another_process_appends(self, log: EventLog, other: EventLog) -> None:
        reader = await log.join("group", "a", [LEADS], Keeper())
        waiting = asyncio.create_task(reader.fetch(10, 100 * FAR_OFF_S))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        await other.append([message("lead", 1)])
        async with asyncio.timeout(FAR_OFF_S):
            (record,) = (await waiting).records
        assert record.value == b"1"
        await reader.close()

    async def test_fetch_returns_empty_when_nothing_comes(self, log: EventLog) -> None:
        reader = await log.join("group", "a", [LEADS], Keeper())
        assert await reader.fetch(10, 0.01) == Fetched((), {})
        await reader.close()

    async def test_ends_and_lag(self, log: EventLog) -> None:
        keeper = Keeper()
        assert set((await log.ends([LEADS, ACTIVITIES])).values()) == {0}
        await log.append([message(f"lead-{n}", n) for n in range(100)])
        ends = await log.ends([LEADS])
        assert len(ends) == log.partitions
        assert sum(ends.values()) == 100
        reader = await log.join("group", "a", [LEADS], keeper)
        fetched = (await reader.fetch(30, 1)).records
        assert sum((await reader.lag()).values()) == 100 - len(fetched)
        await fetch_until(reader, 100 - len(fetched))
        assert set((await reader.lag()).values()) == {0}
        await reader.close()

    async def test_rewind_delivers_again_from_the_stored_position(self, log: EventLog) -> None:
        keeper = Keeper()
        await log.append([message("lead", n) for n in range(10)])
        reader = await log.join("group", "a", [LEADS], keeper)
        keeper.commit(await fetch_until(reader, 4, max_records=4))
        lost = await fetch_until(reader, 6)
        await reader.rewind(reader.shards)
        assert await fetch_until(reader, 6) == lost
        await reader.close()

    async def test_a_fetch_that_is_broken_off_loses_nothing(self, log: EventLog) -> None:
        await log.append([message(f"lead-{n % 7}", n) for n in range(300)])
        reader = await log.join("group", "a", [LEADS], Keeper())
        records = list((await reader.fetch(3, 1)).records)
        for n in range(60):
            fetching = asyncio.create_task(reader.fetch(3, 0.05))
            await asyncio.wait({fetching}, timeout=n % 12 / 4000)
            fetching.cancel()
            await asyncio.wait({fetching})
            if not fetching.cancelled():
                records += fetching.result().records
        records += await fetch_until(reader, 300 - len(records))
        assert len({(r.at, r.offset) for r in records}) == len(records) == 300
        await reader.close()

    async def test_a_group_goes_on_where_its_stored_positions_are(self, log: EventLog) -> None:
        keeper = Keeper()
        await log.append([message("lead", n) for n in range(10)])
        reader = await log.join("group", "a", [LEADS], keeper)
        keeper.commit(await fetch_until(reader, 3, max_records=3))
        await reader.fetch(3, 1)  # fetched, not committed
        await reader.close()
        again = await log.join("group", "a", [LEADS], keeper)
        assert [r.value for r in await fetch_until(again, 7)] == [str(n).encode() for n in range(3, 10)]
        await again.close()

    async def test_groups_do_not_touch_one_another(self, log: EventLog) -> None:
        await log.append([message(f"lead-{n}", n) for n in range(20)])
        readers = [await log.join(group, "a", [LEADS], Keeper()) for group in ("one", "two")]
        for reader in readers:
            assert len(await fetch_until(reader, 20)) == 20
            await reader.close()

    async def test_a_position_beyond_the_end_is_lost(self, log: EventLog) -> None:
        keeper = Keeper()
        await log.append([message("lead", 1)])
        reader = await log.join("group", "a", [LEADS], keeper)
        keeper.commit(await fetch_until(reader, 1))
        (at,) = keeper.stored
        keeper.stored[at] = 5
        await reader.rewind(reader.shards)
        with pytest.raises(PositionLost, match="beyond the end"):
            await reader.fetch(10, 1)
        await reader.close()

    async def test_members_share_the_shards_and_one_that_leaves_frees_its_own(
        self, log: EventLog, other: EventLog
    ) -> None:
        keeper = Keeper()
        a = await log.join("group", "a", [LEADS], keeper)
        assert a.shards == frozenset(range(log.partitions))
        b = await other.join("group", "b", [LEADS], keeper)
        await settle(lambda: len(a.shards) == len(b.shards) == log.partitions // 2, a, b)
        assert a.shards | b.shards == frozenset(range(log.partitions))
        await log.append([message(f"lead-{n}", n) for n in range(100)])
        both = [*(await a.fetch(1000, 1)).records, *(await b.fetch(1000, 1)).records]
        assert len({(r.at, r.offset) for r in both}) == len(both) == 100
        await b.close()
        await settle(lambda: len(a.shards) == log.partitions, a)
        await a.close()

    async def test_a_shard_whose_batch_is_in_hand_stays_until_it_is_committed(
        self, log: EventLog, other: EventLog
    ) -> None:
        keeper = Keeper()
        a = await log.join("group", "a", [LEADS], keeper)
        everywhere = [message(f"lead-{n}", n) for n in range(100)]
        await log.append(everywhere)
        in_hand = {r.partition for r in await fetch_until(a, 100)}
        assert in_hand == a.shards
        b = await other.join("group", "b", [LEADS], keeper)
        async with asyncio.timeout(FAR_OFF_S):
            going_on: Collection[int] = a.shards
            while len(going_on) > log.partitions // 2:  # what is to be given up is read no further
                await log.append(everywhere)
                going_on = {r.partition for r in (await a.fetch(1000, 1, in_hand)).records} or going_on
        assert a.shards == in_hand
        assert not b.shards
        in_hand.clear()
        await settle(lambda: len(a.shards) == len(b.shards) == log.partitions // 2, a, b)
        await a.close()
        await b.close()

    async def test_a_member_of_the_same_name_takes_its_shards_at_once(self, log: EventLog, other: EventLog) -> None:
        keeper = Keeper()
        old = await log.join("group", "a", [LEADS], keeper)
        new = await other.join("group", "a", [LEADS], keeper)
        assert new.shards == frozenset(range(log.partitions))
        await settle(lambda: not old.shards, old)
        await new.close()
        await old.close()

    async def test_the_shards_of_a_killed_process_go_on(
        self, log: EventLog, member_process: Callable[[str, str], Popen[str]]
    ) -> None:
        killed = member_process("group", "b")
        a = await log.join("group", "a", [LEADS], Keeper())
        await settle(lambda: len(a.shards) == log.partitions // 2, a)
        killed.send_signal(signal.SIGKILL)
        await settle(lambda: len(a.shards) == log.partitions, a)
        await a.close()

    async def test_the_shards_of_a_stopped_process_go_on_and_it_comes_back(
        self, log: EventLog, member_process: Callable[[str, str], Popen[str]]
    ) -> None:
        stopped = member_process("group", "b")
        a = await log.join("group", "a", [LEADS], Keeper())
        await settle(lambda: len(a.shards) == log.partitions // 2, a)
        stopped.send_signal(signal.SIGSTOP)
        await settle(lambda: len(a.shards) == log.partitions, a)
        stopped.send_signal(signal.SIGCONT)
        await settle(lambda: len(a.shards) == log.partitions // 2, a)
        await a.close()

    @pytest.mark.parametrize("statement", ["copy", "prepared"])
    async def test_who_is_stopped_in_the_midst_of_a_statement_keeps_no_locks(
        self, log: EventLog, settings: Settings, member_process: Callable[[str, str], Popen[str]], statement: str
    ) -> None:
        """No timeout of PostgreSQL reaches a statement that waits for its client."""

        async def never() -> AsyncIterator[bytes]:
            await asyncio.sleep(10 * FAR_OFF_S)
            yield b""

        limits = {"statement_timeout": "500", "idle_in_transaction_session_timeout": "500"}
        connection = await asyncpg.connect(dsn(str(settings.database_url)), server_settings=limits)
        if statement == "copy":
            working = asyncio.create_task(connection.copy_to_table("moved", schema_name="log", source=never()))
        else:
            await connection.prepare("select 1")
            working = asyncio.create_task(asyncio.sleep(10 * FAR_OFF_S))
        stopped = member_process("group", "b")
        a = await log.join("group", "a", [LEADS], Keeper())
        await settle(lambda: len(a.shards) == log.partitions // 2, a)
        assert not connection.is_closed(), "else the timeouts would do"
        stopped.send_signal(signal.SIGSTOP)
        await settle(lambda: len(a.shards) == log.partitions, a)
        async with asyncio.timeout(FAR_OFF_S):
            while not connection.is_closed():  # noqa: ASYNC110 - PostgreSQL closes it
                await asyncio.sleep(0.05)
        working.cancel()
        await asyncio.wait({working})
        await a.close()

    async def test_who_is_stopped_while_it_holds_the_lock_of_the_group_holds_up_nobody(
        self, log: EventLog, settings: Settings
    ) -> None:
        impatient = await open_log(settings.model_copy(update={"statement_timeout_s": 1.0}))
        connection = await asyncpg.connect(dsn(str(settings.database_url)))
        await connection.execute("begin; select pg_advisory_xact_lock(hashtext('tasuki_group_group'))")
        await connection.prepare("select 1")
        async with asyncio.timeout(FAR_OFF_S):
            while True:
                try:
                    a = await impatient.join("group", "a", [LEADS], Keeper())
                except LogUnavailable:
                    continue
                break
        assert len(a.shards) == log.partitions
        await a.close()
        await impatient.close()
        connection.terminate()

    async def test_a_log_that_cannot_be_reached_says_so(
        self, log: EventLog, broken: Callable[[], Awaitable[None]]
    ) -> None:
        await broken()
        with pytest.raises(LogUnavailable):
            await log.append([message("lead")])
        with pytest.raises(LogUnavailable):
            await log.ends([LEADS])
