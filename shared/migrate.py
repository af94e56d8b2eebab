'''Brings each schema to its newest revision: alembic without an ini file or an env.py.

To write a revision, put one file into the schema's folder, named in order (`0001_first.py`, `0002_add_owner.py`):

    """What changes and why."""

    from shared.migrate import run_sql

    revision = "0001"
    down_revision = None  # the revision before: "0001" in 0002_add_owner.py
    branch_labels = None
    depends_on = None


    def upgrade() -> None:
        run_sql("""
            create table handoff.inbox (id uuid primary key, due_at timestamptz not null);
            create index on handoff.inbox (due_at);
        """)


    def downgrade() -> None:
        run_sql("drop table handoff.inbox;")

- Name tables with their schema; the schema itself is made here. `op.create_table(..., schema=...)` serves as well.
- A revision is frozen once it is released: do not build it from `tables.py`, which goes on changing.
- `shared.outbox.CREATE_V1.format(schema="handoff")` and `shared.consume.CREATE_V1.format(...)` are the frozen SQL of
  the outbox and of the consumer's tables: pass them to `run_sql`.
- A running release must live with the schema of the next: add first, remove one release later.
'''

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.db import dsn

_ROOT = Path(__file__).resolve().parent.parent
_SHARED = ("log", "access")
_SERVICES = ("ingest", "handoff", "metrics")
_LOCK = 0x7461_7375_6B69  # "tasuki": one migration at a time in a database

SCHEMAS: dict[str, Path] = {schema: _ROOT / "shared/migrations" / schema for schema in _SHARED} | {
    service: _ROOT / "services" / service / "migrations" for service in _SERVICES
}
"""Folder of revisions of each schema, in the order in which they are migrated."""


def migrate(database_url: str, schemas: Sequence[str] | None = None) -> None:
    """Upgrade the schemas (all of this installation by default) to their newest revisions.

    Several processes may do so at once: the second waits, then finds nothing to do. Raises FileNotFoundError for a
    schema without a folder of revisions, and whatever PostgreSQL says against a revision, which is then undone whole.
    Blocks; call it before an event loop runs, or in a thread.
    """
    asyncio.run(_migrate(database_url, _present() if schemas is None else schemas))


def run_sql(script: str) -> None:
    """Run one or more SQL statements, for use in revisions (`op.execute` takes only one at a time)."""
    adapted: Any = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda connection: connection.execute(script))


def _present() -> list[str]:
    """Every schema but those of services that this installation does not hold."""
    return [s for s in SCHEMAS if s in _SHARED or (_ROOT / "services" / s).is_dir()]


async def _migrate(database_url: str, schemas: Sequence[str]) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(
            dsn(database_url), server_settings={"application_name": "tasuki-migrate", "lock_timeout": "0"}
        ),
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as conn:
            await conn.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
            await conn.commit()
            for schema in schemas:
                await conn.run_sync(_upgrade, schema)
                await conn.commit()
    finally:
        await engine.dispose()  # closing the connection frees the lock


def _upgrade(conn: Connection, schema: str) -> None:
    folder = SCHEMAS[schema]
    if not folder.is_dir():
        raise FileNotFoundError(f"schema {schema} has no migrations: {folder} is missing")
    conn.execute(text(f"create schema if not exists {schema}"))
    script = ScriptDirectory(str(folder), version_locations=[str(folder)])

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=conn, version_table="alembic_version", version_table_schema=schema)
        with environment.begin_transaction():
            environment.run_migrations()
