"""One database for all tests of a module, emptied before each: making one for each would take most of the time."""

import asyncio

import asyncpg
import pytest

from shared.db import dsn


@pytest.fixture
def database_url(module_database_url: str) -> str:
    """A migrated database in which ingest has nothing yet."""
    asyncio.run(_empty(module_database_url))
    return module_database_url


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(dsn(url))
    try:
        statements = await connection.fetchval(
            "select string_agg(format('delete from ingest.%I', tablename), ';' order by tablename = 'leads')"
            " from pg_tables where schemaname = 'ingest' and tablename <> 'alembic_version'"
        )
        await connection.execute(statements)  # of so few rows faster than truncate, which makes new files
    finally:
        await connection.close()
