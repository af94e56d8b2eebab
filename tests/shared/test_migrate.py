"""Each schema comes to its newest revision, also when several processes start at once."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from shared import migrate as migration
from shared.db import connect, transaction
from shared.migrate import migrate
from shared.schemas import SCHEMAS, SchemaError, newest, require_schemas
from shared.settings import Settings
from tests.system import ROOT

FIRST = "create table toy.t (n int); insert into toy.t select generate_series(1, 1000);"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes a revision of the schema `toy`: its number, and the lines of its upgrade."""
    monkeypatch.setitem(SCHEMAS, "toy", tmp_path)

    def write(number: str, *lines: str, oldest: str | None = None) -> None:
        before = max((path.name[:4] for path in tmp_path.glob("[0-9]*.py") if path.name[:4] < number), default=None)
        head = [
            "from shared.migrate import make_index, run_sql",
            f'revision = "{number}"',
            f"down_revision = {before!r}",
        ]
        head += [f'oldest = "{oldest}"'] if oldest else []
        body = [f"    {line}" for line in lines]
        (tmp_path / f"{number}_x.py").write_text("\n".join([*head, "def upgrade():", *body, ""]))

    return write


async def _ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_two_starters_do_not_collide(empty_database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, empty_database_url) for _ in range(3)))
    connection = await asyncpg.connect(empty_database_url)
    for schema in SCHEMAS:
        assert await connection.fetchval(f"select count(*) from {schema}.alembic_version") == 1  # noqa: S608
    await connection.close()


def test_a_revision_is_named_as_its_file_is() -> None:
    for folder in SCHEMAS.values():
        for path in folder.glob("[0-9]*.py"):
            assert re.search(r'^revision = "(\d{4})"$', path.read_text(), re.MULTILINE)[1] == path.name[:4]  # type: ignore[index]


async def test_a_revision_that_fails_is_undone_whole_and_stops_the_start(
    empty_database_url: str, toy: Callable[..., None]
) -> None:
    toy("0001", f"run_sql('{FIRST}')")
    toy("0002", "run_sql('create table toy.undone (n int)')", "run_sql('select 1 / 0')")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    assert await _ask(empty_database_url, "select to_regclass('toy.undone')") is None
    assert await _ask(empty_database_url, "select version_num from toy.alembic_version") == "0001"


async def test_a_schema_without_revisions_is_an_error(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCHEMAS, "toy", tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="schema toy has no migrations"):
        await asyncio.to_thread(migrate, empty_database_url, ["toy"])


async def test_a_release_runs_with_a_newer_database_as_long_as_that_says_so(
    empty_database_url: str, toy: Callable[..., None], tmp_path: Path
) -> None:
    engine = connect(Settings(database_url=empty_database_url), "test", pool_size=1)
    toy("0001", f"run_sql('{FIRST}')")
    with pytest.raises(SchemaError, match=r"too old .* at revision none, not 0001\. Run `tasuki migrate`"):
        await require_schemas(engine, ["toy"])
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    await require_schemas(engine, ["toy"])

    toy("0002", "run_sql('alter table toy.t add column more int')")
    with pytest.raises(SchemaError, match=r"too old .* at revision 0001, not 0002"):
        await require_schemas(engine, ["toy"])
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    (tmp_path / "0002_x.py").unlink()  # the release before has only added, and this one is back
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    await require_schemas(engine, ["toy"])
    assert await _ask(empty_database_url, "select version_num from toy.alembic_version") == "0002"

    toy("0002", "pass")
    toy("0003", "run_sql('alter table toy.t drop column n')", oldest="0002")
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    (tmp_path / "0003_x.py").unlink()
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    await require_schemas(engine, ["toy"])
    (tmp_path / "0002_x.py").unlink()
    too_new = r"schema toy \(revision 0003\) needs a release that has revision 0002, and this one ends with 0001"
    with pytest.raises(SchemaError, match=too_new):
        await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    with pytest.raises(SchemaError, match=too_new):
        await require_schemas(engine, ["toy"])
    await engine.dispose()


async def test_a_service_and_a_start_refuse_a_database_that_is_too_new(
    database_url: str, free_port: Callable[[], int]
) -> None:
    await _ask(database_url, "insert into log.runs_with values ('9999')")
    environment = {"TASUKI_DATABASE_URL": database_url, "TASUKI_ADMIN_KEY": "0123456789abcdef"}
    environment |= {"TASUKI_INGEST_PORT": str(free_port())}
    for module, status in ("services.ingest", 2), ("shared.prepare", 1):
        done = subprocess.run(  # noqa: ASYNC221 - nobody else waits
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        assert f"needs a release that has revision 9999, and this one ends with {newest('log')}" in done.stderr


async def test_a_revision_waits_for_a_table_in_short_turns_and_gives_up(
    empty_database_url: str, toy: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads the table meanwhile, as a service does, waits a turn, and no longer than a service can wait."""
    toy("0001", f"run_sql('{FIRST}')")
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    toy("0002", "run_sql('alter table toy.t add column more int')")
    holder = await asyncpg.connect(empty_database_url)
    holding = holder.transaction()
    await holding.start()
    await holder.fetch("select * from toy.t limit 1")
    monkeypatch.setattr(migration, "PATIENCE_S", 0)
    with pytest.raises(SchemaError, match=r"schema toy: somebody has kept a table locked"):
        await asyncio.to_thread(migrate, empty_database_url, ["toy"])

    monkeypatch.setattr(migration, "PATIENCE_S", 60)
    migrating = asyncio.create_task(asyncio.to_thread(migrate, empty_database_url, ["toy"]))
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter table toy%'"
    async with asyncio.timeout(60):
        while not await _ask(empty_database_url, waits):  # noqa: ASYNC110 - the database tells
            await asyncio.sleep(0.02)
    service = connect(Settings(database_url=empty_database_url), "test", pool_size=1)
    async with transaction(service) as conn:  # behind the one that waits
        assert (await conn.execute(text("select count(*) from toy.t"))).scalar_one() == 1000
    assert not migrating.done()
    await service.dispose()
    await holding.rollback()
    await migrating
    await holder.close()
    assert await _ask(empty_database_url, "select count(more) from toy.t") == 0


async def test_an_index_is_made_beside_writers_while_another_process_waits_for_its_turn(
    empty_database_url: str, toy: Callable[..., None]
) -> None:
    toy("0001", f"run_sql('{FIRST}')")
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    toy("0002", "make_index('toy', 't_n', 't (n)')")
    writer = await asyncpg.connect(empty_database_url)
    writing = writer.transaction()
    await writing.start()
    await writer.execute("insert into toy.t values (1001)")  # the index waits for it
    both = [asyncio.create_task(asyncio.to_thread(migrate, empty_database_url, ["toy"])) for _ in range(2)]
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'create index%'"
    async with asyncio.timeout(60):
        while not await _ask(empty_database_url, waits):  # noqa: ASYNC110 - the database tells
            await asyncio.sleep(0.02)
    await _ask(empty_database_url, "insert into toy.t values (1002)")
    await writing.commit()
    await asyncio.gather(*both)
    await writer.close()
    assert await _ask(empty_database_url, "select indisvalid from pg_index where indexrelid = 'toy.t_n'::regclass")


async def test_an_index_that_was_broken_off_is_made_anew(empty_database_url: str, toy: Callable[..., None]) -> None:
    toy("0001", f"run_sql('{FIRST}')")
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    await _ask(empty_database_url, "insert into toy.t values (1)")
    with pytest.raises(asyncpg.UniqueViolationError):  # leaves an index that is not valid
        await _ask(empty_database_url, "create unique index concurrently t_n on toy.t (n)")
    toy("0002", "make_index('toy', 't_n', 't (n)')")
    await asyncio.to_thread(migrate, empty_database_url, ["toy"])
    assert await _ask(empty_database_url, "select indisvalid from pg_index where indexrelid = 'toy.t_n'::regclass")
