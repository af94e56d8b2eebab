"""Each event has its effect exactly once, whatever comes out of the log and whatever fails meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from types import MethodType
from uuid import UUID

import asyncpg
import msgspec
import pytest

from shared.consume import Consumer, Received, Rejected
from shared.consume_batch import Batch
from shared.db import DatabaseUnavailable, transaction
from shared.eventlog.port import Message
from shared.events import ACTIVITIES, DEAD_LETTERS, Undecodable, to_message
from shared.positions import Superseded
from tests.shared.consuming import Toy, call, open_toy, until


@pytest.fixture
async def toy(database_url: str) -> AsyncIterator[Toy]:
    async with open_toy(database_url) as opened:
        yield opened


def raw(value: bytes, **headers: str) -> Message:
    given = {
        "ce_id": "x",
        "ce_source": "test",
        "ce_type": "tasuki.call.v1",
        "ce_time": "2026-11-02T12:00:00Z",
        **headers,
    }
    return Message(ACTIVITIES, "lead", tuple((name, text.encode()) for name, text in given.items()), value)


async def test_events_are_taken_once_and_counted(toy: Toy) -> None:
    await toy.append(*(call(f"e{n:03}", lead=f"lead-{n % 9}") for n in range(100)))
    async with toy.running():
        assert await toy.caught_up() == (100, 0, 0, 0)
        await toy.append(call("late"))
        assert await toy.caught_up() == (101, 0, 0, 0)
    assert len(await toy.effects()) == 101
    assert await toy.rows("select max(last_event_at) from toy.positions") == [(call("late").time,)]


async def test_reliability_3_an_event_at_two_offsets_is_one_effect(toy: Toy) -> None:
    """In one batch, and again when it was taken long ago; also in another partition."""
    async with toy.running():
        await toy.append(call("a"), call("a"), call("b"))
        assert await toy.caught_up() == (2, 1, 0, 0)
        await toy.append(call("a"))
        assert await toy.caught_up() == (2, 2, 0, 0)
        await toy.log.append([msgspec.structs.replace(to_message(call("a")), key=f"key-{n}") for n in range(5)])
        assert await toy.caught_up() == (2, 7, 0, 0)
    assert await toy.effects() == ["a", "b"]


async def test_reliability_2_other_content_under_a_known_identity_has_no_effect(toy: Toy) -> None:
    async with toy.running():
        await toy.append(call("a", duration_s=1), call("a", duration_s=2), call("a", duration_s=1))
        assert await toy.caught_up() == (1, 1, 1, 0)
        # The first of this batch contradicts what is stored, the second agrees with what is stored.
        await toy.append(call("a", duration_s=3), call("a", duration_s=1), call("a", duration_s=3))
        assert await toy.caught_up() == (1, 2, 3, 0)
    assert await toy.rows("select id, duration_s from toy.effects") == [("a", 1)]
    assert {reason for reason, *_ in await toy.dead_letters()} == {"identity_conflict"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (raw(b"{"), "invalid_data"),
        (raw(b"\xff\xfe"), "invalid_data"),
        (raw(b"[" * 100_000), "invalid_data"),
        (raw(b'{"rep": "tanaka"}'), "invalid_data"),
        (raw(b"{}", ce_type="tasuki.call.v2"), "unknown_version"),
        (raw(b"{}", ce_type="tasuki.dream.v1"), "unknown_type"),
        (raw(b"{}", ce_type="com.example.call.v1"), "unknown_type"),
        (raw(b"{}", ce_time="yesterday"), "invalid_time"),
        (raw(b"{}", ce_id=""), "missing_attribute"),
        (Message(ACTIVITIES, "lead", (("ce_id", b"\xff"),), b"{}"), "invalid_headers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_reliability_17_what_is_no_event_becomes_a_dead_letter_and_the_partition_goes_on(
    toy: Toy, message: Message, reason: str
) -> None:
    await toy.append(call("before"))
    await toy.append_raw(message)
    await toy.append(call("after"))
    async with toy.running():
        assert await toy.caught_up() == (2, 0, 1, 0)
    assert await toy.effects() == ["after", "before"]
    ((found, value, error),) = await toy.dead_letters()
    assert (found, value) == (reason, message.value)
    assert error
    ((topic, headers),) = await toy.rows("select topic, headers from toy.outbox")
    assert topic == DEAD_LETTERS
    assert reason.encode() in headers


async def test_reliability_17_a_record_without_value_becomes_a_dead_letter(toy: Toy) -> None:
    await toy.append(call("a"))
    await toy.rows("update log.records set value = null, key = null returning 1")
    async with toy.running():
        assert await toy.caught_up() == (0, 0, 1, 0)
    ((reason, value, _),) = await toy.dead_letters()
    assert (reason, value) == ("null_value", None)


async def test_a_rejected_event_is_a_dead_letter_and_the_rest_of_its_batch_is_taken(toy: Toy) -> None:
    def reject(received: list[Received]) -> None:
        for r in received:
            if int(r.event.id) % 10 == 3:
                raise Rejected(r, "unlucky", f"{r.event.id} ends in a three")

    toy.handler.failing = reject  # type: ignore[assignment]
    await toy.append(*(call(str(n), lead=f"lead-{n}") for n in range(200)))
    async with toy.running():
        assert await toy.caught_up() == (180, 0, 20, 0)
    assert not [id_ for id_ in await toy.effects() if id_.endswith("3")]
    letters = await toy.dead_letters()
    assert {(reason, error) for reason, _, error in letters} == {
        ("unlucky", f"{n} ends in a three") for n in range(3, 200, 10)
    }


async def test_an_unexpected_error_condemns_only_the_record_that_fails_alone(toy: Toy) -> None:
    def fail(received: list[Received]) -> None:
        if any(r.event.id == "37" for r in received):
            raise ZeroDivisionError("thirty-seven")

    toy.handler.failing = fail  # type: ignore[assignment]
    await toy.append(*(call(str(n), lead=f"lead-{n % 5}") for n in range(60)))
    async with toy.running():
        assert await toy.caught_up() == (59, 0, 1, 0)
    ((reason, value, error),) = await toy.dead_letters()
    assert (reason, error) == ("handler_error", "ZeroDivisionError: thirty-seven")
    assert value == to_message(call("37")).value
    assert "ZeroDivisionError" in toy.lines.getvalue()


async def test_reliability_18_an_error_that_passes_condemns_nothing(toy: Toy) -> None:
    def fail_twice(_received: list[Received]) -> None:
        if toy.handler.calls <= 2:
            raise ZeroDivisionError("not ready yet")

    toy.handler.failing = fail_twice  # type: ignore[assignment]
    await toy.append(*(call(str(n)) for n in range(10)))
    async with toy.running():
        assert await toy.caught_up() == (10, 0, 0, 0)
    assert len(await toy.effects()) == 10


async def test_a_deadlock_repeats_the_batch(toy: Toy) -> None:
    def deadlock(_received: list[Received]) -> None:
        if toy.handler.calls <= 5:
            raise asyncpg.DeadlockDetectedError("deadlock detected")

    toy.handler.failing = deadlock  # type: ignore[assignment]
    await toy.append(call("a"), call("b"))
    async with toy.running():
        assert await toy.caught_up() == (2, 0, 0, 0)


@pytest.mark.parametrize("outage", [DatabaseUnavailable("away"), ConnectionResetError(), asyncpg.DiskFullError("full")])
async def test_reliability_18_an_outage_moves_nothing_and_condemns_nothing(toy: Toy, outage: Exception) -> None:
    back = asyncio.Event()

    def away(_received: list[Received]) -> None:
        if not back.is_set():
            raise outage

    toy.handler.failing = away  # type: ignore[assignment]
    await toy.append(*(call(str(n)) for n in range(10)))
    async with toy.running():
        await until(lambda: true_when(toy.handler.calls >= 4))
        assert await toy.counts() == (0, 0, 0, 10)
        assert await toy.rows("select sum(next_offset) from toy.positions") in ([(None,)], [(0,)])
        back.set()
        assert await toy.caught_up() == (10, 0, 0, 0)
    assert await toy.dead_letters() == []


async def test_reliability_18_a_dead_letter_that_cannot_be_written_leaves_the_position(toy: Toy) -> None:
    await toy.append(call("good"))
    await toy.append_raw(raw(b"{"))
    await toy.rows("alter table toy.outbox rename to aside")
    async with toy.running():
        await until(lambda: true_when("consumer_repeats" in toy.lines.getvalue()))
        assert await toy.dead_letters() == []
        assert (await toy.counts())[2:] == (0, 1)
        await toy.rows("alter table toy.aside rename to outbox")
        assert await toy.caught_up() == (1, 0, 1, 0)


async def test_the_commit_of_a_consumer_that_lost_its_shards_is_refused(toy: Toy, database_url: str) -> None:
    """A zombie: paused in the midst of a batch, superseded, and awake again."""
    held, let_go = asyncio.Event(), asyncio.Event()
    refused: list[Superseded] = []
    commit = Consumer._commit

    async def commit_late(consumer: Consumer, batch: Batch) -> None:
        held.set()
        await let_go.wait()
        try:
            await commit(consumer, batch)
        except Superseded as error:
            refused.append(error)
            raise

    await toy.append(*(call(str(n)) for n in range(10)))
    async with open_toy(database_url, create=False, member="a") as zombie:
        zombie.consumer._commit = MethodType(commit_late, zombie.consumer)  # type: ignore[method-assign]
        async with zombie.running():
            await held.wait()
            successor = Toy(toy.settings, toy.engine, toy.log, member="a")  # of the same name: has all shards at once
            async with successor.running():
                assert await successor.caught_up() == (10, 0, 0, 0)
                let_go.set()
                await until(lambda: true_when(bool(refused)))
    assert await toy.counts() == (10, 0, 0, 0)
    assert len(await toy.effects()) == 10


async def test_consumers_that_come_and_go_take_everything_once(toy: Toy, database_url: str) -> None:
    async def write() -> None:
        for start in range(0, 1000, 20):
            await toy.append(*(call(f"{n:04}", lead=f"lead-{n % 50}") for n in range(start, start + 20)))
            await asyncio.sleep(0.02)

    writing = asyncio.create_task(write())
    async with toy.running():
        while not writing.done():
            async with open_toy(database_url, create=False, member="guest") as guest, guest.running():
                await asyncio.sleep(0.2)
        await writing
        processed, duplicates, dead_lettered, _ = await toy.caught_up()
    assert (processed, duplicates, dead_lettered) == (1000, 0, 0)
    assert await toy.effects() == [f"{n:04}" for n in range(1000)]


async def test_reliability_17_a_dead_letter_is_retried_after_the_fix(toy: Toy) -> None:
    def reject(received: list[Received]) -> None:
        raise Rejected(received[0], "not_yet", "wait for the fix")

    toy.handler.failing = reject  # type: ignore[assignment]
    await toy.append(call("a"))
    async with toy.running():
        await toy.caught_up()
    ((dead_letter_id,),) = await toy.rows("select id from toy.dead_letters")
    with pytest.raises(Rejected):
        await retry(toy, dead_letter_id)
    assert await toy.effects() == []
    toy.handler.failing = lambda _: None
    await retry(toy, dead_letter_id)
    assert await toy.effects() == ["a"]
    assert await toy.counts() == (1, 0, 1, 0)
    with pytest.raises(LookupError):
        await retry(toy, dead_letter_id)


async def test_a_retry_of_what_still_is_no_event_says_so(toy: Toy) -> None:
    await toy.append_raw(raw(b"{"))
    async with toy.running():
        await toy.caught_up()
    ((dead_letter_id,),) = await toy.rows("select id from toy.dead_letters")
    with pytest.raises(Undecodable, match="invalid_data"):
        await retry(toy, dead_letter_id)
    assert await toy.rows("select id from toy.dead_letters where resolved_at is null") == [(dead_letter_id,)]


async def retry(toy: Toy, dead_letter_id: UUID) -> None:
    async with transaction(toy.engine) as conn:
        await toy.consumer.retry(conn, dead_letter_id)


async def test_a_position_outside_the_log_halts_the_consumer(toy: Toy) -> None:
    await toy.append(call("a"))
    async with toy.running():
        await toy.caught_up()
    await toy.rows("update toy.positions set next_offset = 1000")
    async with toy.running():
        unwell = await until(toy.consumer.healthy)
        assert "beyond the end" in unwell
        await toy.append(call("b"))
    assert await toy.effects() == ["a"]


async def true_when(condition: bool) -> bool:
    return condition
