"""Relays for the tests, and what they have published."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.db import transaction
from shared.eventlog.port import Record
from shared.events import ACTIVITIES, LEADS, from_record
from shared.outbox import (
    pending,
)
from shared.relay import Relay
from tests.shared.consuming import SCHEMA, Toy

BOTH = pytest.mark.parametrize("toy", ["takes", "is given"], indirect=True)
HANDING = pytest.mark.parametrize("toy", ["is given"], indirect=True)


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


async def is_published(toy: Toy, id_: str) -> bool:
    return id_ in await published_ids(toy)


async def nothing_pending(toy: Toy) -> bool:
    async with transaction(toy.engine) as conn:
        return (await pending(conn, SCHEMA))[0] == 0
