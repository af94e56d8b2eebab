"""Questions and changes that share a statement do what each would do by itself."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.db import dsn
from shared.one_statement import Change, Connection, Question, apply, ask

INSERT = "insert into {} (word) select unnest($1::text[]) on conflict do nothing returning 1"
ONE, OTHER = INSERT.format("one"), INSERT.format("other")


class Raced(Exception):
    pass


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    conn = await asyncpg.connect(dsn(database_url))
    try:
        await conn.execute("create temporary sequence turn")
        for table in ("one", "other"):
            await conn.execute(
                f"create temporary table {table} (word text primary key, turn bigint not null default nextval('turn'))"
            )
        yield conn
    finally:
        await conn.close()


async def words(db: Connection) -> list[str]:
    found = await db.fetch("select word from (table one union all table other) as both_tables order by turn")
    return [row["word"] for row in found]


async def test_each_question_has_its_own_answer(db: Connection) -> None:
    many = ", ".join(f"${n}::int" for n in range(1, 12))
    questions = [
        Question("select $1::text as a, null::bytea, $2::int", ["x", 3]),
        Question("select 1 where $1::bool", [False]),
        Question(f"select {many}", list(range(11))),
        Question("select unnest($1::text[])", [["b", "a"]]),
    ]
    answers = await ask(db, questions)
    assert [[tuple(row) for row in rows] for rows in answers] == [
        [("x", None, 3)],
        [],
        [tuple(range(11))],
        [("b",), ("a",)],
    ]


async def test_changes_are_made_in_the_order_given(db: Connection) -> None:
    await apply(db, [Change(OTHER, [["a"]], 1), Change(ONE, [["b", "c"]], 2), Change(OTHER, [["d"]])])
    assert await words(db) == ["a", "b", "c", "d"]


async def test_a_function_is_called_once(db: Connection) -> None:
    await apply(db, [Change("select nextval('turn'), $1::int", [7]), Change(ONE, [["a"]])])
    assert await db.fetchval("select turn from one") == 2


async def test_another_number_of_rows_is_told(db: Connection) -> None:
    await apply(db, [Change(ONE, [["a"]], 1, Raced)])
    with pytest.raises(Raced):
        async with db.transaction():
            await apply(db, [Change(OTHER, [["b"]], 1), Change(ONE, [["a", "c"]], 2, Raced)])
    assert await words(db) == ["a"]


async def test_nothing_to_change_is_no_statement(db: Connection) -> None:
    await apply(db, [])
    assert await words(db) == []
