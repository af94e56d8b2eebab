"""Each schema comes to its newest revision, also when several processes start at once."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from shared import migrate as migration
from shared.migrate import SCHEMAS, migrate


async def test_two_starters_do_not_collide(empty_database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, empty_database_url) for _ in range(3)))
    connection = await asyncpg.connect(empty_database_url)
    for schema in SCHEMAS:
        assert await connection.fetchval(f"select count(*) from {schema}.alembic_version") == 1  # noqa: S608
    await connection.close()


async def test_a_revision_that_fails_is_undone_and_stops_the_start(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_first.py").write_text(
        'from shared.migrate import run_sql\nrevision = "0001"\ndown_revision = None\n'
        'def upgrade():\n    run_sql("create table toy.t (n int); select 1 / 0;")\n'
    )
    monkeypatch.setitem(migration.SCHEMAS, "toy", tmp_path)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    connection = await asyncpg.connect(empty_database_url)
    assert await connection.fetchval("select to_regclass('toy.t')") is None
    await connection.close()


async def test_a_schema_without_revisions_is_an_error(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(migration.SCHEMAS, "toy", tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="schema toy has no migrations"):
        await asyncio.to_thread(migrate, empty_database_url, ["toy"])
