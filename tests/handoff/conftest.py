from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.handoff.desk import Desk, running


@pytest.fixture
def database_url(emptied_database_url: str) -> str:
    """A migrated database in which handoff has nothing yet."""
    return emptied_database_url


@pytest_asyncio.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A handoff service of one test's own."""
    async with running(database_url) as made:
        yield made
