"""Cells are ledgers: rows are entered, and settling makes one of many without changing what they add up to."""

import asyncio
from datetime import date

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.metrics import store
from services.metrics.settling import Settling
from shared.db import connect, driver, transaction
from tests.metrics.desk import Desk, call, utc
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import deliveries, histories

NOON = utc(2026, 11, 2, 3)


async def rows_by_day(numbers: Numbers) -> dict[date, int]:
    """Rows of cells of each day."""
    async with transaction(numbers.engine) as conn:
        raw = await driver(conn)
        cells = await store.shown_cells(raw)
        rows = await raw.fetch(f"select day, count(*) as n from {cells} group by day")  # noqa: S608
    return {row["day"]: row["n"] for row in rows}


async def settle_all(numbers: Numbers) -> int:
    """Settle each day once; how many rows that saves."""
    settling, saved = Settling(numbers.engine), 0
    while True:
        saved += await settling.step()
        if settling.reached == date.min:
            return saved


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
@given(data=st.data())
def test_what_cells_add_up_to_stays(data: st.DataObject, numbers: Numbers, runner: asyncio.Runner) -> None:
    batches = data.draw(deliveries(data.draw(histories())))
    steps = data.draw(st.lists(st.integers(0, 3), min_size=len(batches), max_size=len(batches)))

    async def live() -> None:
        await numbers.reset()
        settling = Settling(numbers.engine)
        for batch, some in zip(batches, steps, strict=True):
            await numbers.take(batch)
            before = await numbers.cells()
            for _ in range(some):
                await settling.step()
            assert await numbers.cells() == before
        await settle_all(numbers)
        cells = await numbers.cells()
        assert cells == before
        assert await settle_all(numbers) == 0, "all is settled"
        await numbers.rebuild()
        assert await numbers.cells() == cells

    runner.run(live())


def test_a_cell_that_much_was_entered_into_becomes_one_row(desk: Desk, runner: asyncio.Runner) -> None:
    for n in range(12):
        desk.take(call(f"c{n}", NOON, "lead-a"), call(f"d{n}", utc(2026, 11, 3, 3, n), f"lead-{n}"))
    before, cells = runner.run(rows_by_day(desk.numbers)), runner.run(desk.numbers.cells())
    assert before[date(2026, 11, 2)] >= 12
    saved = runner.run(settle_all(desk.numbers))
    after = runner.run(rows_by_day(desk.numbers))
    assert saved == sum(before.values()) - sum(after.values()) > 10
    assert after[date(2026, 11, 2)] == sum(key[1] == date(2026, 11, 2) for key in cells)
    assert runner.run(desk.numbers.cells()) == cells


def test_others_settle_count_and_rebuild_at_the_same_time(desk: Desk, runner: asyncio.Runner) -> None:
    numbers = desk.numbers

    async def all_at_once() -> None:
        engine = connect(numbers.settings, "settling", pool_size=4)
        settlers = [Settling(engine) for _ in range(3)]
        for n in range(25):
            batch = [call(f"c{n}-{m}", utc(2026, 11, 2 + m % 3, 3, n), f"lead-{m}") for m in range(9)]
            work = [numbers.take(batch), *(settler.step() for settler in settlers)]
            await asyncio.gather(*work, *([numbers.rebuild()] if n % 8 == 7 else []))
        await engine.dispose()
        cells = await numbers.cells()
        await numbers.rebuild()
        assert await numbers.cells() == cells

    runner.run(all_at_once())
    assert desk.ask("calls") == {"all": 225}


def test_a_deadlock_ends_no_process(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settled() -> date:
        await numbers.take([call("a", NOON)])
        held, left = store.hold_shown, [asyncpg.DeadlockDetectedError("deadlock detected")]

        async def hold(conn: asyncpg.Connection) -> store.Side:
            if left:
                raise left.pop()
            return await held(conn)

        monkeypatch.setattr(store, "hold_shown", hold)
        settling = Settling(numbers.engine)
        await settling.step()
        return settling.reached

    assert runner.run(settled()) == NOON.date()
