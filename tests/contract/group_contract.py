"""What every adapter of the log must do with the members of a group: who holds which shards, also when one is gone."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from subprocess import PIPE, Popen

import asyncpg
import pytest

from shared.db import dsn
from shared.eventlog.opened import open_log
from shared.eventlog.port import EventLog, LogUnavailable, Record
from shared.events import LEADS
from shared.settings import Settings
from tests.contract.reading import FAR_OFF_S, Keeper, fetch_until, message, settle
from tests.system import environment_of


class GroupContract:
    """A fixture that an adapter gives: `settings` of a log without records, where a silent member is gone after 2 s."""

    @pytest.fixture
    def settings(self) -> Settings:
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
        both: list[Record] = []
        async with asyncio.timeout(60):
            while len(both) < 100:
                both += [*(await a.fetch(1000, 1)).records, *(await b.fetch(1000, 1)).records]
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
