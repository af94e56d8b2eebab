"""The tables that the code describes are those that the migrations make."""

from services.ingest.tables import SCHEMA, metadata
from tests.ingest.door import Door


async def test_columns_are_those_of_the_migrations(door: Door) -> None:
    rows = await door.rows(
        "select table_name, column_name, is_nullable from information_schema.columns where table_schema = $1", SCHEMA
    )
    made = {(r["table_name"], r["column_name"], r["is_nullable"] == "YES") for r in rows}
    described = {(t.name, c.name, bool(c.nullable)) for t in metadata.tables.values() for c in t.columns}
    of_migrations = {("alembic_version", "version_num", False), ("runs_with", "revision", False)}
    assert made - of_migrations == described


async def test_indexes_are_those_of_the_migrations(door: Door) -> None:
    rows = await door.rows("select indexname from pg_indexes where schemaname = $1", SCHEMA)
    made = {row["indexname"] for row in rows}
    described = {index.name for table in metadata.tables.values() for index in table.indexes}
    assert described <= made
