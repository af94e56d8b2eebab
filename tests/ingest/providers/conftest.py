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
        tables = await connection.fetchval(
            "select string_agg(format('ingest.%I', tablename), ', ') from pg_tables"
            " where schemaname = 'ingest' and tablename <> 'alembic_version'"
        )
        await connection.execute(f"truncate {tables} restart identity")
    finally:
        await connection.close()
