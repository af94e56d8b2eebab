"""Numbers that are remembered and brought up to date are those of the cells, in every snapshot."""

import asyncio
import itertools
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics import store
from services.metrics.query import Asker, Memory
from services.metrics.question import Question
from services.metrics.store import changes
from shared.config.team import Team
from shared.db import driver, snapshot, transaction
from tests.metrics.compare import BOUNDED, GRAINS, LAST_DAY
from tests.metrics.desk import Desk, call, utc, void
from tests.metrics.numbers import TODAY, Numbers
from tests.metrics.strategies import REPS, deliveries, histories
from tests.metrics.test_any_order import examples


@st.composite
def questions(draw: st.DrawFn, numbers: Numbers) -> Question:
    """Any KPI, cut and bounded in any way."""
    kpi = draw(st.sampled_from(list(numbers.catalogue)))
    by = draw(st.lists(st.sampled_from(kpi.dimensions), unique=True, max_size=2)) if kpi.dimensions else []
    where: tuple[Any, ...] = ()
    if "rep" in kpi.dimensions and draw(st.booleans()):
        where = (("rep", tuple(draw(st.lists(st.sampled_from(REPS), min_size=1, unique=True)))),)
    day = st.dates(LAST_DAY.replace(year=2026, month=10), LAST_DAY)
    first, last = sorted((draw(day), draw(day)))
    first_or_none = draw(st.sampled_from([first, None]))
    last_or_none = last if kpi.definition.kind in BOUNDED else draw(st.sampled_from([last, None]))
    return Question(kpi, draw(st.sampled_from(GRAINS)), first_or_none, last_or_none, tuple(by), where)


async def answer(conn: asyncpg.Connection, question: Question, memory: Memory | None = None) -> Any:
    """From memory, or without one from the cells."""
    asker = Asker(conn, TODAY, 4, cells=await store.shown_cells(conn), memory=memory)
    return await asker.answer(question)


async def both(numbers: Numbers, memory: Memory, question: Question) -> tuple[Any, Any]:
    """The answer from memory and from the cells, in one snapshot."""
    async with snapshot(numbers.engine) as conn:
        raw = await driver(conn)
        remembered = await answer(raw, question, memory)
        return remembered, await answer(raw, question)


async def forget(numbers: Numbers) -> None:
    async with transaction(numbers.engine) as conn:
        await store.forget_changes(await driver(conn), kept_s=0)


@examples
@given(data=st.data())
def test_what_is_remembered_is_what_the_cells_say(
    data: st.DataObject, numbers: Numbers, runner: asyncio.Runner
) -> None:
    batches = data.draw(deliveries(data.draw(histories())))
    asked = data.draw(st.lists(questions(numbers), min_size=1, max_size=6))
    memory = Memory(4, data.draw(st.sampled_from([60, 200_000])))

    async def live() -> None:
        await numbers.reset()
        for batch in batches:
            await numbers.take(batch)
            match data.draw(st.sampled_from(["", "", "rebuild", "forget", "forget twice"])):
                case "rebuild":
                    await numbers.rebuild()
                case "forget":
                    await forget(numbers)
                case "forget twice":
                    await forget(numbers)
                    await forget(numbers)
            for question in asked:
                remembered, summed = await both(numbers, memory, question)
                assert remembered == summed, question

    runner.run(live())


def question(numbers: Numbers, *by: str) -> Question:
    kpi = numbers.catalogue.get("calls")
    assert kpi is not None
    return Question(kpi, "all", None, None, by)


def test_each_snapshot_is_answered_as_it_sees_it(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    memory, calls = Memory(4), question(numbers)

    async def ask() -> None:
        async with snapshot(numbers.engine) as conn:
            early = await driver(conn)
            assert await answer(early, calls) == []
            await numbers.take([call("a", utc(2026, 11, 20, 1))])
            assert await both(numbers, memory, calls) == ([{"period": "all", "value": 1}],) * 2
            await numbers.take([call("b", utc(2026, 11, 20, 2))])
            assert await both(numbers, memory, calls) == ([{"period": "all", "value": 2}],) * 2
            assert await answer(early, calls, memory) == []
        assert await both(numbers, memory, calls) == ([{"period": "all", "value": 2}],) * 2

    runner.run(ask())


def test_many_who_ask_while_batches_come_are_answered_each_for_itself(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    memory, by_rep, ids = Memory(4), question(numbers, "rep"), itertools.count()

    async def happen() -> None:
        for n in range(20):
            await numbers.take([call(f"c{next(ids)}", utc(2026, 11, 20, 1), rep=REPS[n % 2])])

    async def ask() -> None:
        for _ in range(20):
            remembered, summed = await both(numbers, memory, by_rep)
            assert remembered == summed

    async def all_at_once() -> None:
        await happen()
        await asyncio.gather(happen(), ask(), ask())

    runner.run(all_at_once())


@pytest.mark.parametrize("limit", ["FACTS_AT_MOST", "BYTES_AT_MOST"])
def test_what_is_too_much_to_tell_is_not_missed(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    memory, calls = Memory(4), question(numbers)
    monkeypatch.setattr(changes, limit, 3)
    for n in range(3):
        desk.take(*(call(f"c{n}-{m}", utc(2026, 11, 20, m), f"lead-{m}") for m in range(n * 3 + 1)))
        remembered, summed = runner.run(both(numbers, memory, calls))
        assert remembered == summed


def test_the_id_of_a_transaction_that_a_crash_undid_may_come_again(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    """What a reader saw of the last moments before a crash may say of a later transaction that it has ended."""
    memory, calls = Memory(4), question(numbers)

    async def ask() -> None:
        for n in range(3):
            await numbers.take([call(f"c{n}", utc(2026, 11, 20, 1))])
            async with transaction(numbers.engine) as conn:
                await (await driver(conn)).execute("update metrics.changes set xid = '3'")
            assert await both(numbers, memory, calls) == ([{"period": "all", "value": n + 1}],) * 2

    runner.run(ask())


def test_teams_are_those_in_the_database(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    """Also when a process with another team.yaml has started since."""
    memory, by_team = Memory(4), question(numbers, "team")
    team = numbers.fold.team
    other, *_ = [t for t in team.teams if t != team.team_of("tanaka", utc(2026, 11, 20).date())]
    moved = [msgspec.structs.replace(m, team=other) if m.id == "tanaka" else m for m in team.members]

    async def ask() -> None:
        await numbers.take([call("a", utc(2026, 11, 20, 1))])
        await both(numbers, memory, by_team)
        async with transaction(numbers.engine) as conn:
            await store.set_membership(await driver(conn), Team(list(team.teams.values()), moved, team.roles))
        for n in range(2):
            await numbers.take([call(f"b{n}", utc(2026, 11, 20, 1))])
            row = {"period": "all", "team": other, "value": n + 2}
            assert await both(numbers, memory, by_team) == ([row], [row])

    runner.run(ask())


def test_measured_times_that_are_taken_back_are_forgotten(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    memory, kpi = Memory(4), numbers.catalogue.get("days_to_second_action")
    assert kpi is not None
    asked = Question(kpi, "month", None, None, ("rep",))
    batches = [
        [call("b", utc(2026, 11, 3, 1)), call("c", utc(2026, 11, 5, 1))],
        [call("a", utc(2026, 11, 2, 1))],  # now the second is b
        [call("d", utc(2026, 11, 4, 1), "lead-b"), call("e", utc(2026, 11, 9, 1), "lead-b")],
        [void("x", utc(2026, 11, 10), "e")],
        [void("y", utc(2026, 11, 10), "b"), void("z", utc(2026, 11, 10), "c")],
    ]

    async def ask() -> list[list[float]]:
        told = []
        for batch in batches:
            await numbers.take(batch)
            remembered, summed = await both(numbers, memory, asked)
            assert remembered == summed
            told.append([row["value"] for row in remembered])
        return told

    assert runner.run(ask()) == [[2.0], [1.0], [3.0], [1.0], []]


def test_what_was_asked_for_takes_room_as_its_answers_do(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    """A question may hold ten thousand names: remembered without end, they filled the process's memory."""
    memory = Memory(4)
    names = [tuple(f"{n}-{name}" for name in range(9_000)) for n in range(40)]

    async def ask_all() -> None:
        async with snapshot(numbers.engine) as conn:
            raw = await driver(conn)
            for reps in names:
                asked = msgspec.structs.replace(question(numbers), where=(("rep", reps),))
                await answer(raw, asked, memory)

    runner.run(ask_all())
    held = [entry.size for entry in memory._entries.values()]
    assert len(held) < len(names)
    assert sum(held) <= 200_000
