"""What a transaction tells the log gets there, in order per key, if and only if it commits."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from shared.consume import consumer_tables
from shared.db import driver, transaction
from shared.eventlog.port import LogError, Message
from shared.events import LEADS, from_record
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
from shared.relay import BATCH_BYTES, BATCH_ROWS
from tests.shared.consuming import SCHEMA, Toy, call, open_toy
from tests.shared.outbox.relaying import BOTH, make_relay, nothing_pending, published, published_ids


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
