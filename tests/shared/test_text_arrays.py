"""Texts that go to PostgreSQL as one parameter arrive as they were."""

import asyncio

import asyncpg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.db import dsn
from shared.text_arrays import text_array, texts


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
