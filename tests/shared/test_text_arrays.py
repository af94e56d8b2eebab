"""Texts that go to PostgreSQL as one parameter arrive as they were."""

import asyncio

import asyncpg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.db import dsn
from shared.text_arrays import columns, text_array, text_rows, texts


def test_texts_are_the_same_in_the_database(runner: asyncio.Runner, module_database_url: str) -> None:
    async def told(values: list[str | None]) -> list[str | None]:
        conn = await asyncpg.connect(dsn(module_database_url))
        try:
            found: list[str | None] = await conn.fetchval(f"select {text_array(2)} where $1", True, texts(values))
            return found
        finally:
            await conn.close()

    anything = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)

    @settings(max_examples=200, deadline=None)
    @example([])
    @example([""])
    @example([None])
    @example(["", ""])
    @example([None, "", None])
    @example(["a\x1fb", "c"])
    @example(["\x1e", None])
    @example(["\x1e", "c"])
    @example(["[", "j", "t", "null", "NULL", "{}"])
    @given(st.lists(st.none() | st.sampled_from(["\x1e", "\x1f"]) | anything, max_size=5))
    def each(values: list[str | None]) -> None:
        assert runner.run(told(values)) == values

    each()


async def test_rows_that_somebody_else_changes_meanwhile_are_found_by_texts(database_url: str) -> None:
    """PostgreSQL looks again at rows that it waited for, and runs all queries inside of the statement for that."""
    ours, theirs = await asyncpg.connect(dsn(database_url)), await asyncpg.connect(dsn(database_url))
    try:
        await ours.execute("set plan_cache_mode = force_generic_plan")
        await ours.execute("create table t (name text, n int); insert into t values ('a', 1), ('b', 2)")
        theirs_is_open = theirs.transaction()
        await theirs_is_open.start()
        await theirs.execute("update t set n = n + 10 where name = 'a'")
        found = asyncio.create_task(
            ours.fetch(
                f"select t.name, n from {text_rows(1)} as asked(name) join t using (name) for no key update of t",  # noqa: S608
                *columns([("a",), ("b",)]),
            )
        )
        while not await theirs.fetchval("select exists (select from pg_locks where not granted)"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await theirs_is_open.commit()
        assert {(row["name"], row["n"]) for row in await found} == {("a", 11), ("b", 2)}
    finally:
        await ours.close()
        await theirs.close()
