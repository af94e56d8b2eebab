"""What every adapter of the log must do: inherit `LogContract` and say how to open the log."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from shared.eventlog.port import EventLog, Fetched, LogUnavailable, Message, PositionLost, TopicPartition
from shared.events import ACTIVITIES, LEADS
from tests.contract.group_contract import GroupContract
from tests.contract.reading import FAR_OFF_S, Keeper, fetch_until, message


class LogContract(GroupContract):
    """A further fixture that an adapter gives: `broken` makes the log unreachable."""

    @pytest.fixture
    def broken(self) -> Callable[[], Awaitable[None]]:
        raise NotImplementedError

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

    async def test_what_is_handed_over_is_there_when_each_of_its_futures_says_so(self, log: EventLog) -> None:
        messages = [message(f"lead-{n % 30}", n) for n in range(300)]
        written = await log.hand_over(messages)
        assert len(written) == len(messages)
        async with asyncio.timeout(FAR_OFF_S):
            for done in written:
                await done
        for at, end in (await log.ends([LEADS])).items():
            records = await log.read(at, 0, 1000)
            assert len(records) == end
            keys = {record.key for record in records}
            mine = [m.value for m in messages if m.key in keys]
            assert [record.value for record in records] == mine, "in the order in which they were handed over"
        assert await log.hand_over([]) == []

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

    async def test_a_log_that_cannot_be_reached_says_so(
        self, log: EventLog, broken: Callable[[], Awaitable[None]]
    ) -> None:
        await broken()
        with pytest.raises(LogUnavailable):
            await log.append([message("lead")])
        with pytest.raises(LogUnavailable):
            await log.ends([LEADS])
