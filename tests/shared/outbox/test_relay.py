"""Relays look when they are told, share the work, and go on where one of them has died or the log says no."""

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from shared.db import driver, transaction
from shared.eventlog.port import LogUnavailable, Message, Taken
from shared.events import LEADS
from shared.outbox import (
    SHARDS,
    enqueue,
    enqueue_messages,
)
from shared.partition import partition_of
from shared.relay import BATCH_BYTES, BATCH_ROWS, Relay
from tests.shared.consuming import SCHEMA, Toy, call, open_toy, until
from tests.shared.outbox.relaying import (
    BOTH,
    HANDING,
    at_work,
    is_published,
    make_relay,
    nothing_pending,
    published,
    published_ids,
)


@BOTH
async def test_a_commit_wakes_the_relay(toy: Toy, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.relay.SAFETY_POLL_S", 3600)
    for n in range(3):
        async with transaction(toy.engine) as conn:
            await enqueue(conn, SCHEMA, [call(f"{n}")])
        await until(partial(is_published, toy, f"{n}"))


@BOTH
async def test_a_relay_looks_once_for_what_it_is_told_of(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.relay.SAFETY_POLL_S", 3600)
    relay = make_relay(toy)
    publish, looks = relay.publish, list[int]()

    async def counted() -> int:
        looks.append(await publish())
        return looks[-1]

    async def listens() -> bool:
        return len(looks) == 2  # it has looked when it began, and when it had begun to listen

    monkeypatch.setattr(relay, "publish", counted)
    async with at_work(relay):
        await until(listens)
        for n in range(3):
            async with transaction(toy.engine) as conn:
                await enqueue(conn, SCHEMA, [call(f"{n}")])
            await until(partial(is_published, toy, f"{n}"))
    assert looks == [0, 0, 1, 1, 1]


@BOTH
@pytest.mark.parametrize(
    "backlog",
    [
        [Message(LEADS, str(n), (), b"{}") for n in range(BATCH_ROWS + 5 * SHARDS)],
        [Message(LEADS, "lead", (), bytes(BATCH_BYTES // 2)) for _ in range(5)],
    ],
    ids=["rows", "bytes"],
)
async def test_a_backlog_that_is_told_of_once_goes_as_a_whole(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, backlog: list[Message]
) -> None:
    monkeypatch.setattr("shared.relay.SAFETY_POLL_S", 3600)
    async with at_work(make_relay(toy)):
        async with transaction(toy.engine) as conn:
            await enqueue_messages(conn, SCHEMA, backlog)
        await until(partial(nothing_pending, toy))
    assert len(await published(toy)) == len(backlog)


@BOTH
async def test_relays_beside_one_another_publish_once_and_in_order(toy: Toy, database_url: str) -> None:
    async with open_toy(database_url, create=False) as other:
        stop = asyncio.Event()
        relays = [asyncio.create_task(make_relay(one).run(stop)) for one in (toy, other, toy)]
        for start in range(0, 400, 20):
            async with transaction(toy.engine) as conn:
                await enqueue(conn, SCHEMA, [call(f"{n:04}") for n in range(start, start + 20)])
        await until(lambda: nothing_pending(toy))
        stop.set()
        await asyncio.gather(*relays)
    assert await published_ids(toy) == [f"{n:04}" for n in range(400)]


@HANDING
async def test_what_was_appended_and_not_deleted_is_published_again(toy: Toy) -> None:
    """A relay that dies between the append and its commit."""

    class Dying(Exception):
        pass

    hand_over = toy.log.hand_over

    async def hand_over_and_die(messages: list[Message]) -> None:
        await hand_over(messages)
        raise Dying

    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [call("a"), call("b")])
    toy.log.hand_over = hand_over_and_die  # type: ignore[method-assign, assignment]
    with pytest.raises(Dying):
        await make_relay(toy).publish()
    toy.log.hand_over = hand_over  # type: ignore[method-assign]
    assert await make_relay(toy).publish() == 2
    assert await published_ids(toy) == ["a", "b", "a", "b"]


async def test_what_the_log_takes_is_in_one_of_the_two(toy: Toy) -> None:
    """A relay that dies before its commit, and one that goes on: nothing is published twice."""

    class Dying(Exception):
        pass

    take = toy.log.take

    async def take_and_die(*arguments: Any, **named: Any) -> Taken:
        assert (await take(*arguments, **named)).rows == 2
        raise Dying

    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [call("a"), call("b")])
    toy.log.take = take_and_die  # type: ignore[method-assign]
    with pytest.raises(Dying):
        await make_relay(toy).publish()
    assert await published_ids(toy) == []
    toy.log.take = take  # type: ignore[method-assign]
    assert await make_relay(toy).publish() == 2
    assert await published_ids(toy) == ["a", "b"]
    assert await make_relay(toy).publish() == 0


@BOTH
async def test_when_the_relay_at_work_is_killed_another_goes_on(toy: Toy, database_url: str) -> None:
    """Another process holds the lock as a relay in the midst of publishing does, until it is killed."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDER, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [call("a")])
    assert await make_relay(toy).publish() == 0
    holder.kill()
    await holder.communicate()
    await until(lambda: _published_something(toy))
    assert await published_ids(toy) == ["a"]


async def _published_something(toy: Toy) -> bool:
    return await make_relay(toy).publish() > 0


_HOLDER = """
import asyncio, sys, asyncpg
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute("begin")
    await connection.execute(
        "select pg_try_advisory_xact_lock(hashtext('tasuki.relay.toy'), s) from generate_series(0, 11) s"
    )
    print("held", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@BOTH
async def test_each_shard_is_locked_by_itself(toy: Toy) -> None:
    a, b = (next(k for k in map(str, range(99)) if partition_of(k, SHARDS) == shard) for shard in (3, 7))
    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [call("a", lead=a), call("b", lead=b)])
    async with transaction(toy.engine) as conn:
        connection = await driver(conn)
        await connection.execute("select pg_advisory_xact_lock(hashtext('tasuki.relay.toy'), 7)")
        assert await make_relay(toy).publish() == 1
        assert await published_ids(toy) == ["a"]
    assert await make_relay(toy).publish() == 1
    assert sorted(await published_ids(toy)) == ["a", "b"]


@HANDING
async def test_relays_share_a_backlog(toy: Toy) -> None:
    async with transaction(toy.engine) as conn:
        await enqueue_messages(
            conn, SCHEMA, [Message(LEADS, str(n), (), b"{}") for n in range(BATCH_ROWS + 5 * SHARDS)]
        )
    one = make_relay(toy)
    assert await one.publish() == BATCH_ROWS
    locked: list[int] = []
    hand_over = toy.log.hand_over

    async def look(messages: list[Message]) -> Sequence[asyncio.Future[None]]:
        rows = await toy.rows("select objid from pg_locks where locktype = 'advisory' and objsubid = 2")
        locked.extend(row[0] for row in rows)
        return await hand_over(messages)

    toy.log.hand_over = look  # type: ignore[method-assign, assignment]
    await one.publish()
    assert len(locked) == SHARDS // 2, "half of the shards are left to others while there is much to do"


@HANDING
async def test_what_the_log_does_not_confirm_holds_up_its_own_shard_only(
    toy: Toy, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.relay.PATIENCE_S", 0.05)
    stuck, free = (next(k for k in map(str, range(99)) if partition_of(k, SHARDS) == shard) for shard in (3, 7))
    hand_over, owed = toy.log.hand_over, list[tuple[Message, asyncio.Future[None]]]()

    async def withhold(messages: list[Message]) -> Sequence[asyncio.Future[None]]:
        others = iter(await hand_over([m for m in messages if m.key != stuck]))
        written = [asyncio.get_running_loop().create_future() if m.key == stuck else next(others) for m in messages]
        owed.extend((m, w) for m, w in zip(messages, written, strict=True) if m.key == stuck)
        return written

    toy.log.hand_over = withhold  # type: ignore[method-assign, assignment]
    for n in range(5):
        async with transaction(toy.engine) as conn:
            await enqueue(conn, SCHEMA, [call(f"s{n}", lead=stuck), call(f"f{n}", lead=free)])
        await until(partial(is_published, toy, f"f{n}"))
    assert len(owed) == 1, "nothing more is handed over for a shard that owes something"
    toy.log.hand_over = hand_over  # type: ignore[method-assign]
    owed[0][1].set_exception(LogUnavailable("it was not written after all"))
    await until(lambda: nothing_pending(toy))
    assert [i for i in await published_ids(toy) if i[0] == "s"] == [f"s{n}" for n in range(5)]


@BOTH
async def test_the_relay_tries_again_until_the_log_takes_it(toy: Toy, relay: Relay) -> None:
    await toy.rows("alter table log.records rename to aside")
    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [call("a"), call("b")])
    await until(lambda: _said(toy, "relay_repeats"))
    await toy.rows("alter table log.aside rename to records")
    await until(lambda: is_published(toy, "b"))
    assert await published_ids(toy) == ["a", "b"]


async def _said(toy: Toy, name: str) -> bool:
    return name in toy.lines.getvalue()
