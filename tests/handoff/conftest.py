from collections.abc import AsyncIterator

import pytest_asyncio

from tests.handoff.desk import Desk, running


@pytest_asyncio.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A handoff service of one test's own."""
    async with running(database_url) as made:
        yield made
