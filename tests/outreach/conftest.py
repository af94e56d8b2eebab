from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.outreach.desk import Desk, running


@pytest.fixture
def database_url(emptied_database_url: str) -> str:
    """A migrated database in which outreach has nothing yet."""
    return emptied_database_url


@pytest_asyncio.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """An outreach service of one test's own."""
    async with running(database_url, tmp_path) as made:
        yield made
