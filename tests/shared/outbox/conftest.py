"""A database with an outbox, and a relay at work on it."""

from collections.abc import AsyncIterator

import pytest

from shared.outbox import (
    SHARDS,
)
from shared.relay import Relay
from tests.shared.consuming import Toy, open_toy
from tests.shared.outbox.relaying import at_work, make_relay


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
