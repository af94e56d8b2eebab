"""A running ingest for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.ingest.door import Door, open_door


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    """ingest on a fresh database."""
    async with open_door(database_url) as opened:
        yield opened
