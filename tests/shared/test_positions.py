"""Positions move as they are expected to, whoever else moves them at the same time."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared import positions
from shared.db import driver, transaction
from shared.eventlog.port import TopicPartition
from shared.events import ACTIVITIES
from tests.shared.consuming import SCHEMA, Toy, open_toy

SHARDS = (7, 5, 3)


@pytest.fixture
async def toy(database_url: str) -> AsyncIterator[Toy]:
    async with open_toy(database_url) as opened:
        yield opened


def at(shard: int) -> TopicPartition:
    return TopicPartition(ACTIVITIES, shard)


async def test_positions_are_held_in_one_order_however_postgresql_finds_them(toy: Toy) -> None:
    """Two members that move some of the same would wait for each other otherwise."""
    for shard in SHARDS:  # so that the table has them in the other order
        async with transaction(toy.engine) as conn:
            await positions.move(conn, SCHEMA, {at(shard): (0, 1)})
    async with transaction(toy.engine) as first, transaction(toy.engine) as second:
        ours, theirs = await driver(first), await driver(second)
        await theirs.execute("select from toy.positions where partition = 5 for update")
        await ours.execute("set local enable_nestloop = off; set local enable_mergejoin = off")
        moving = asyncio.create_task(positions.move(first, SCHEMA, {at(shard): (1, 2) for shard in SHARDS}))
        while not await theirs.fetchval("select exists (select from pg_locks where not granted)"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await theirs.execute("select from toy.positions where partition = 7 for update nowait")
        held = theirs.transaction()
        await held.start()
        with pytest.raises(asyncpg.LockNotAvailableError):
            await theirs.execute("select from toy.positions where partition = 3 for update nowait")
        await held.rollback()
        await theirs.execute("commit")
        await moving
    assert await toy.rows("select distinct next_offset from toy.positions") == [(2,)]


async def test_who_waited_for_a_position_that_has_moved_is_superseded(toy: Toy) -> None:
    async with transaction(toy.engine) as conn:
        await positions.move(conn, SCHEMA, {at(3): (0, 1)})

    async def too_late() -> None:
        async with transaction(toy.engine) as conn:
            await positions.move(conn, SCHEMA, {at(3): (1, 9)})

    async with transaction(toy.engine) as conn:
        await positions.move(conn, SCHEMA, {at(3): (1, 2)})
        waiting = asyncio.create_task(too_late())
        while not await (await driver(conn)).fetchval(  # noqa: ASYNC110
            "select exists (select from pg_locks where not granted)"
        ):
            await asyncio.sleep(0.01)
    with pytest.raises(positions.Superseded):
        await waiting
    assert await toy.rows("select next_offset from toy.positions") == [(2,)]
