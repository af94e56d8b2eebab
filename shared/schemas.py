"""Which schemas there are, which revision of each this release needs, and whether it may run with a database's.

A database may be newer than a release that runs with it: while the releases change, and after going back. It says in
`<schema>.runs_with` which revision a release must have at least to run with it: decision 11.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import transaction

_ROOT = Path(__file__).resolve().parent.parent
SHARED = ("log", "access")
SERVICES = ("ingest", "handoff", "metrics", "outreach")

SCHEMAS: dict[str, Path] = {schema: _ROOT / "shared/migrations" / schema for schema in SHARED} | {
    service: _ROOT / "services" / service / "migrations" for service in SERVICES
}
"""Folder of revisions of each schema, in the order in which they are migrated."""


class SchemaError(Exception):
    """The database's schemas are not those that this release can run with; the message says what to do."""


class Stand(NamedTuple):
    """How far a database's schema is. `oldest`: the revision that a release must have to run with it; None: any."""

    revision: str | None
    oldest: str | None


def present() -> list[str]:
    """Every schema but those of services that this installation does not hold."""
    return [s for s in SCHEMAS if s in SHARED or (_ROOT / "services" / s).is_dir()]


def newest(schema: str) -> str:
    """The last revision that this release has. Raises FileNotFoundError for a schema without a folder of revisions."""
    found = sorted(path.name.partition("_")[0] for path in SCHEMAS[schema].glob("[0-9]*_*.py"))
    if not found:
        raise FileNotFoundError(f"schema {schema} has no migrations: {SCHEMAS[schema]} is missing")
    return found[-1]


def is_newer(schema: str, stand: Stand) -> bool:
    """Whether the database was migrated by a newer release. Raises SchemaError when this one cannot run with it."""
    ours = newest(schema)
    if stand.oldest is not None and stand.oldest > ours:
        raise SchemaError(
            f"the database is too new for this release: schema {schema} (revision {stand.revision}) needs a release "
            f"that has revision {stand.oldest}, and this one ends with {ours}. Install that release"
        )
    return stand.revision is not None and stand.revision > ours


async def require_schemas(engine: AsyncEngine, schemas: Iterable[str]) -> None:
    """Raises SchemaError when the database is too new for this release, or has not been migrated for it;
    DatabaseUnavailable."""
    for schema, stand in (await _stands(engine, schemas)).items():
        if not is_newer(schema, stand) and stand.revision != newest(schema):
            raise SchemaError(
                f"the database is too old for this release: schema {schema} is at revision {stand.revision or 'none'}, "
                f"not {newest(schema)}. Run `tasuki migrate`"
            )


async def _stands(engine: AsyncEngine, schemas: Iterable[str]) -> Mapping[str, Stand]:
    stands = dict[str, Stand]()
    async with transaction(engine) as conn:
        for schema in schemas:
            there = (await conn.execute(text(THERE), {"schema": schema})).scalar_one()
            stands[schema] = Stand(*(await conn.execute(text(stand_of(schema)))).one()) if there else Stand(None, None)
    return stands


THERE = (
    "select count(*) = 2 from pg_tables where schemaname = :schema and tablename in ('alembic_version', 'runs_with')"
)
"""Whether a schema has been migrated."""


def stand_of(schema: str) -> str:
    """The query that answers a Stand."""
    return (
        f"select (select max(version_num) from {schema}.alembic_version), "  # noqa: S608 - a name of ours
        f"(select max(revision) from {schema}.runs_with)"
    )
