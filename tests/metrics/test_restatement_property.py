"""What holds of every history: the close is what was known then, and nothing moves without a cause."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics import store
from services.metrics.catalogue.kpis import Kpi
from services.metrics.match import Matcher
from services.metrics.query import Asker
from services.metrics.query.values import Row
from services.metrics.question import Question
from services.metrics.restatement.closed import Closed, closed_period, compared, moved
from services.metrics.restatement.reading import Movers, at_close
from tests.metrics.compare import LAST_DAY
from tests.metrics.desk import Desk, call, utc
from tests.metrics.numbers import Numbers
from tests.metrics.office import AFTER, IN_TIME, JANUARY, recorded
from tests.metrics.strategies import deliveries, histories
from tests.metrics.test_any_order import DIMENSIONS, examples


class Restated(NamedTuple):
    """Of each KPI the rows at the close and now, and all events that moved one, with the KPIs they moved."""

    before: dict[str, list[Row]]
    now: dict[str, list[Row]]
    causes: list[tuple[str, list[str]]]


def question_of(kpi: Kpi, by: list[str], closed: Closed) -> Question:
    cuts = tuple(dimension for dimension in by if dimension in kpi.dimensions)
    return Question(kpi, closed.grain, closed.period.first, closed.period.last, cuts)


async def answers(conn: asyncpg.Connection, numbers: Numbers, by: list[str], closed: Closed, cells: str) -> Any:
    asker = Asker(conn, LAST_DAY, 4, (), cells=cells)
    return {kpi.id: await asker.answer(question_of(kpi, by, closed)) for kpi in numbers.catalogue}


async def restated(numbers: Numbers, by: list[str], closed: Closed) -> Restated:
    """For each KPI by those dimensions that it has."""

    async def ask(conn: asyncpg.Connection, cells: str) -> Restated:
        before = await answers(conn, numbers, by, closed, cells)
        now = await answers(conn, numbers, by, closed, await store.shown_cells(conn))
        found: list[tuple[str, list[str]]] = []
        for cuts in {question_of(kpi, by, closed).by for kpi in numbers.catalogue}:
            kpis = [kpi for kpi in numbers.catalogue if question_of(kpi, by, closed).by == cuts]
            movers = Movers(conn, numbers.rules, Matcher(numbers.fold.team, 4), kpis, cuts, closed)
            found += [(e.id, kpis) async for _, causes in movers.moved() for e, kpis in causes]
        return Restated(before, now, sorted(found))

    return await at_close(numbers.engine, numbers.rules, closed.at, ask)


PERIODS = ["2026-11", "2026-W14", "2026-Q3", "FY2025", "FY2026", "2026-03", "2026-04-01", "2024-02-29", "2026-12"]


@settings(examples, max_examples=20)
@given(data=st.data())
def test_the_close_is_what_a_fresh_database_knows_and_nothing_moves_without_a_cause(
    data: st.DataObject, numbers: Numbers, runner: asyncio.Runner
) -> None:
    now, zone = datetime(2029, 1, 1, tzinfo=UTC), numbers.settings.zone
    closed = closed_period(data.draw(st.sampled_from(PERIODS)), None, now, zone, 4)
    offsets = [timedelta(days=-1), timedelta(0), timedelta(microseconds=1), timedelta(days=1), timedelta(days=2)]
    happened = data.draw(histories())
    events = [recorded(closed.at + data.draw(st.sampled_from(offsets)), event)[0] for event in happened]
    by = data.draw(st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=2))
    batches = data.draw(deliveries(events))

    async def live() -> None:
        await numbers.reset()
        for batch in batches:
            await numbers.take(batch)
        found = await restated(numbers, by, closed)
        await numbers.rebuild()
        assert await restated(numbers, by, closed) == found
        moving = {kpi for _, kpis in found.causes for kpi in kpis}
        for kpi in numbers.catalogue:
            rows = compared(question_of(kpi, by, closed), found.before[kpi.id], found.now[kpi.id])
            assert kpi.id in moving or not any(moved(row) for row in rows), (kpi.id, rows)
        assert {e for e, _ in found.causes} <= {e.id for e in events if e.recorded_at > closed.at}
        await numbers.reset()
        await numbers.take([event for event in events if event.recorded_at <= closed.at])
        assert found.before == await _fresh(numbers, by, closed)

    runner.run(live())


async def _fresh(numbers: Numbers, by: list[str], closed: Closed) -> dict[str, list[Row]]:
    async def ask(conn: asyncpg.Connection, _cells: str) -> Any:
        return await answers(conn, numbers, by, closed, await store.shown_cells(conn))

    found: dict[str, list[Row]] = await at_close(numbers.engine, numbers.rules, closed.at, ask)
    return found


def test_all_is_of_one_moment(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    """What is taken in while a report is made is not in it."""
    closed = closed_period("2026-10", None, JANUARY, numbers.settings.zone, 4)
    desk.take(*recorded(IN_TIME, call("a", utc(2026, 10, 5))))

    async def ask(conn: asyncpg.Connection, cells: str) -> Any:
        before = await answers(conn, numbers, [], closed, cells)
        await numbers.take(recorded(AFTER, call("b", utc(2026, 10, 6))))
        movers = Movers(conn, numbers.rules, Matcher(numbers.fold.team, 4), list(numbers.catalogue), (), closed)
        now = await answers(conn, numbers, [], closed, await store.shown_cells(conn))
        return before == now, [causes async for _, causes in movers.moved()]

    assert runner.run(at_close(numbers.engine, numbers.rules, closed.at, ask)) == (True, [])
