"""What a transaction tells the log gets there, in order per key, if and only if it commits."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from shared.consume import consumer_tables
from shared.db import driver, transaction
from shared.eventlog.port import LogError, LogUnavailable, Message, Record, Taken
from shared.events import ACTIVITIES, LEADS, from_record
from shared.outbox import (
    SHARDS,
    enqueue,
    enqueue_messages,
    outbox_table,
    pack_headers,
    pending,
    set_shards,
    unpack_headers,
)
from shared.partition import partition_of
from shared.relay import BATCH_BYTES, BATCH_ROWS, Relay
from tests.shared.consuming import SCHEMA, Toy, call, open_toy, until

BOTH = pytest.mark.parametrize("toy", ["takes", "is given"], indirect=True)
HANDING = pytest.mark.parametrize("toy", ["is given"], indirect=True)


@pytest.fixture
async def toy(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Toy]:
    """`takes`: with one partition a shard the log takes rows by itself; `is given`: else the relay gives them to it."""
    partitions = 5 if getattr(request, "param", "takes") == "is given" else SHARDS
    async with open_toy(database_url, log_partitions=partitions) as opened:
        yield opened


@pytest.fixture
async def relay(toy: Toy) -> AsyncIterator[Relay]:
    """A relay at work."""
    async with at_work(make_relay(toy)) as relay:
        yield relay


@asynccontextmanager
async def at_work(relay: Relay) -> AsyncIterator[Relay]:
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield relay
    finally:
        stop.set()
        await task


def make_relay(toy: Toy) -> Relay:
    return Relay(toy.engine, SCHEMA, toy.log, toy.telemetry)


async def published(toy: Toy) -> list[Record]:
    """All records of the log, partition by partition."""
    ends = await toy.log.ends([ACTIVITIES, LEADS])
    return [record for at in ends for record in await toy.log.read(at, 0, 100_000)]


async def published_ids(toy: Toy) -> list[str]:
    return [from_record(record).id for record in await published(toy)]


@BOTH
async def test_events_are_published_as_they_are_and_then_gone(toy: Toy) -> None:
    event = call("a", lead="リード")
    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [event])
        assert (await pending(conn, SCHEMA))[0] == 1
    assert await make_relay(toy).publish() == 1
    assert [from_record(record) for record in await published(toy)] == [event]
    async with transaction(toy.engine) as conn:
        assert await pending(conn, SCHEMA) == (0, 0.0)


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
        await until(partial(is_empty, toy))
    assert len(await published(toy)) == len(backlog)


async def is_empty(toy: Toy) -> bool:
    async with transaction(toy.engine) as conn:
        return (await pending(conn, SCHEMA))[0] == 0


async def is_published(toy: Toy, id_: str) -> bool:
    return id_ in await published_ids(toy)


@BOTH
async def test_what_is_rolled_back_is_not_published(toy: Toy) -> None:
    async def fail() -> None:
        async with transaction(toy.engine) as conn:
            await enqueue(conn, SCHEMA, [call("never")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await make_relay(toy).publish() == 0


@BOTH
async def test_reliability_6_a_row_that_becomes_visible_after_later_ones_is_published(toy: Toy) -> None:
    """A takes its id first, B takes the next and commits, the relay runs, then A commits."""
    relay = make_relay(toy)
    async with transaction(toy.engine) as slow:
        await enqueue(slow, SCHEMA, [call("first id")])
        async with transaction(toy.engine) as fast:
            await enqueue(fast, SCHEMA, [call("second id")])
        assert await relay.publish() == 1
        assert await published_ids(toy) == ["second id"]
    assert await relay.publish() == 1
    assert await published_ids(toy) == ["second id", "first id"]


@BOTH
async def test_a_large_backlog_goes_in_batches_and_in_order_per_key(toy: Toy) -> None:
    count = 2 * BATCH_ROWS + 10
    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [call(f"{n:06}", lead=f"lead-{n % 7}") for n in range(count)])
    relay = make_relay(toy)
    taken = [await relay.publish() for _ in range(5)]
    assert sum(taken) == count
    assert taken[0] == max(taken) == BATCH_ROWS
    assert taken[-1] == 0
    ids: dict[str, list[str]] = {}
    for record in await published(toy):
        ids.setdefault(str(record.key), []).append(from_record(record).id)
    assert sum(map(len, ids.values())) == count
    assert all(of_key == sorted(of_key) for of_key in ids.values())


@BOTH
async def test_a_batch_is_bounded_in_bytes(toy: Toy) -> None:
    large = [Message(LEADS, "lead", (), bytes(BATCH_BYTES // 2)) for _ in range(5)]
    async with transaction(toy.engine) as conn:
        await enqueue_messages(conn, SCHEMA, large)
    assert [await make_relay(toy).publish() for _ in range(4)] == [2, 2, 1, 0]


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


async def nothing_pending(toy: Toy) -> bool:
    async with transaction(toy.engine) as conn:
        return (await pending(conn, SCHEMA))[0] == 0


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


@pytest.mark.parametrize(("partitions", "takes"), [(1, True), (2, True), (3, True), (4, True), (6, True), (8, False)])
async def test_what_the_log_takes_falls_into_the_partition_of_its_key(
    database_url: str, partitions: int, takes: bool
) -> None:
    async with open_toy(database_url, log_partitions=partitions) as toy:
        assert toy.log.takes(SHARDS) == takes
        keys = [f"lead {n}" for n in range(200)]
        async with transaction(toy.engine) as conn:
            await enqueue(conn, SCHEMA, [call(key, lead=key) for key in keys])
        assert await make_relay(toy).publish() == len(keys)
        for record in (records := await published(toy)):
            assert record.partition == partition_of(str(record.key), partitions)
        assert sorted(str(record.key) for record in records) == sorted(keys)


async def test_rows_of_a_release_without_shards_find_their_partition(toy: Toy) -> None:
    keys = [f"lead {n}" for n in range(50)]
    async with transaction(toy.engine) as conn:
        await (await driver(conn)).execute(
            "insert into toy.outbox (topic, key, headers, value) select $1, key, $3, '' from unnest($2::text[]) key",
            LEADS,
            keys,
            pack_headers(()),
        )
        await conn.run_sync(lambda connection: set_shards(connection, SCHEMA))
    assert await make_relay(toy).publish() == len(keys)
    assert {str(r.key): r.partition for r in await published(toy)} == {k: partition_of(k, SHARDS) for k in keys}


@BOTH
async def test_a_topic_that_the_log_does_not_have_is_said_and_kept(toy: Toy) -> None:
    async with transaction(toy.engine) as conn:
        await enqueue_messages(conn, SCHEMA, [Message("tasuki.nowhere.v1", "lead", (), b"{}")])
    with pytest.raises(LogError, match=r"tasuki\.nowhere\.v1"):
        await make_relay(toy).publish()
    assert not await nothing_pending(toy)


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


def test_headers_survive_packing() -> None:
    headers = (("ce_id", b"\x00\xff"), ("", b""), ("é", b"1"), ("ce_id", b"again"))
    assert unpack_headers(pack_headers(headers)) == headers


async def test_the_frozen_sql_makes_the_tables_that_queries_know(toy: Toy) -> None:
    metadata = MetaData()
    outbox_table(metadata, SCHEMA)
    consumer_tables(metadata, SCHEMA)
    async with transaction(toy.engine) as conn:
        await driver(conn)

        def differences(sync: object) -> list[object]:
            options = {
                "include_schemas": True,
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
            }
            return list(compare_metadata(MigrationContext.configure(sync, opts=options), metadata))  # type: ignore[arg-type]

        found = await conn.run_sync(differences)
    assert [d for d in found if "effects" not in str(d)] == []
