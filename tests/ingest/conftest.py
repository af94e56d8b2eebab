"""A running ingest for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.ingest.door import Door, open_door


@pytest.fixture
def database_url(emptied_database_url: str) -> str:
    """A migrated database in which ingest has nothing yet."""
    return emptied_database_url


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    """ingest on that database."""
    async with open_door(database_url) as opened:
        yield opened
