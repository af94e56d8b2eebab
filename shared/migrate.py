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
- A running release must live with the schema of the next: add first, remove one release later. A revision that removes
  says `oldest = "0007"`: the first revision whose release does without what goes (decision 11).
- Requests go on meanwhile: a revision changes one table that is not new, by no statement that rewrites it or reads
  through it under a lock. An index on it is made by `make_index`, alone in its revision.
'''

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.db import connect_once
from shared.schemas import SCHEMAS, THERE, SchemaError, Stand, is_newer, present, stand_of

LOCK_WAIT_S = 2
"""Who waits for a lock on a table makes all others wait that come after: so long a running release is held up."""
PATIENCE_S = 60.0
"""How long a revision is tried again that has not got its locks."""

_LOCK = 0x7461_7375_6B69  # "tasuki": one migration at a time in a database
_IN_USE = ("55P03", "40P01")  # a lock was not had in time, or two waited for each other
_PAUSE_S = 0.2


def migrate(database_url: str, schemas: Sequence[str] | None = None) -> None:
    """Upgrade the schemas (all of this installation by default) to their newest revisions, each revision in a
    transaction of its own. A schema that a newer release has migrated stays as it is.

    Several processes may do so at once: the second waits, then finds nothing to do. Raises SchemaError when this
    release cannot run with the database, or when somebody keeps a table locked; DatabaseUnavailable; FileNotFoundError
    for a schema without a folder of revisions, and whatever PostgreSQL says against a revision, which is then undone
    whole.
    Blocks; call it before an event loop runs, or in a thread.
    """
    asyncio.run(_migrate(database_url, present() if schemas is None else schemas))


def run_sql(script: str) -> None:
    """Run one or more SQL statements, for use in revisions (`op.execute` takes only one at a time)."""
    op.execute(text("select 1"))  # begins the revision's transaction, of which the driver itself knows nothing
    adapted: Any = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda connection: connection.execute(script))


def make_index(schema: str, name: str, on: str, *, unique: bool = False) -> None:
    """Make an index while its table is read and written: `make_index("ingest", "leads_rep", "leads (rep, seq)")`.

    It stands in no transaction, so it must be all of its revision; what a broken-off run has left is made anew.
    """
    with op.get_context().autocommit_block():
        run_sql("set lock_timeout = 0")  # it waits for transactions, and nobody waits for it
        run_sql(f"drop index concurrently if exists {schema}.{name}")
        run_sql(f"create {'unique ' if unique else ''}index concurrently {name} on {schema}.{on}")
        run_sql("reset lock_timeout")


async def _migrate(database_url: str, schemas: Sequence[str]) -> None:
    settings = {"application_name": "tasuki-migrate", "lock_timeout": f"{LOCK_WAIT_S}s"}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect_once(database_url, settings),
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as conn:
            await _wait_for_turn(conn)
            for schema in schemas:
                await _upgrade_patiently(conn, schema)
    finally:
        await engine.dispose()  # closing the connection frees the lock


async def _wait_for_turn(conn: AsyncConnection) -> None:
    """By asking again: a statement that waits is a transaction, and whoever makes an index would wait for that."""
    while not (await conn.execute(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK})).scalar_one():
        await conn.rollback()
        await asyncio.sleep(_PAUSE_S)
    await conn.commit()


async def _upgrade_patiently(conn: AsyncConnection, schema: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await conn.run_sync(_upgrade, schema)
        except (DBAPIError, asyncpg.PostgresError) as error:
            await conn.rollback()
            if _state(error) not in _IN_USE:
                raise
            if time.monotonic() > deadline:
                raise SchemaError(
                    f"schema {schema}: somebody has kept a table locked for {PATIENCE_S:g} s ({error}). End that "
                    "transaction (see pg_stat_activity), and migrate again"
                ) from error
        await asyncio.sleep(_PAUSE_S)  # who had to wait behind us goes first


def _state(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", ""))


def _upgrade(conn: Connection, schema: str) -> None:
    there = conn.execute(text(THERE), {"schema": schema}).scalar_one()
    stand = Stand(*conn.execute(text(stand_of(schema))).one()) if there else Stand(None, None)
    if is_newer(schema, stand):
        conn.commit()
        return
    conn.execute(text(f"create schema if not exists {schema}"))
    conn.execute(text(f"create table if not exists {schema}.runs_with (revision text not null)"))
    conn.commit()
    folder = str(SCHEMAS[schema])
    script = ScriptDirectory(folder, version_locations=[folder])

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    def remember(*, step: Any, **_: Any) -> None:
        oldest = getattr(step.up_revision.module, "oldest", None)
        if oldest is not None:
            conn.execute(text(f"insert into {schema}.runs_with values (:oldest)"), {"oldest": oldest})  # noqa: S608

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(
            connection=conn,
            version_table="alembic_version",
            version_table_schema=schema,
            transaction_per_migration=True,
            on_version_apply=remember,  # type: ignore[arg-type]  # it is called by names
        )
        with environment.begin_transaction():
            environment.run_migrations()
    conn.commit()
