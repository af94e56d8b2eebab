"""A rebuild goes on beside the numbers that are shown and beside consuming, and finds what they are."""

import asyncio
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.metrics import store
from services.metrics.fold.fold import OtherRules
from services.metrics.rebuild.rebuilder import Rebuilder
from services.metrics.rebuild.steps import Rebuild
from shared.db import connect, driver, transaction
from tests.metrics.desk import Desk, call, step, utc
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import deliveries, histories, make

NOON = utc(2026, 11, 2, 3)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes with a database
)
@given(data=st.data())
def test_steps_between_batches_end_in_the_same_cells_and_digests(
    data: st.DataObject, numbers: Numbers, runner: asyncio.Runner
) -> None:
    batches = data.draw(deliveries(data.draw(histories())))
    steps = data.draw(st.lists(st.integers(0, 3), min_size=len(batches), max_size=len(batches)))
    events_a_step = data.draw(st.integers(1, 5))

    async def live() -> None:
        await numbers.reset()
        rebuild = Rebuild(numbers.engine, numbers.rules, events_a_step)
        for batch, some in zip(batches, steps, strict=True):
            await numbers.take(batch)
            for _ in range(some):
                await rebuild.begin()
                before = await numbers.cells()
                await rebuild.step()
                assert await numbers.cells() == before
        cells, digests = await numbers.cells(), await numbers.digests()
        await numbers.rebuild()
        assert await numbers.cells() == cells
        assert {k: v for k, v in (await numbers.digests()).items() if v} == {k: v for k, v in digests.items() if v}

    runner.run(live())


def test_consuming_goes_on_while_it_is_built(desk: Desk, runner: asyncio.Runner) -> None:
    calls = [call(f"c{n}", NOON, f"lead-{n % 40:02}") for n in range(400)]
    opportunities = [step(f"o{n}", NOON, "created", f"lead-{n:02}", opportunity_id=f"O{n % 7}") for n in range(40)]
    desk.take(*calls[:200])
    numbers = desk.numbers

    async def consume() -> None:
        for n in range(40):
            told = [opportunities[n]] if n % 8 == 0 else []  # these reach beyond their leads and run alone
            await numbers.take([*calls[200 + 5 * n : 205 + 5 * n], *told])

    async def build() -> int:
        engine = connect(numbers.settings, "replica")
        rebuild, steps = Rebuild(engine, numbers.rules, 1), 1
        await rebuild.begin()
        while not await rebuild.step():
            steps += 1
        await engine.dispose()
        return steps

    async def both() -> int:
        _, steps, again = await asyncio.gather(consume(), build(), build())
        cells = await numbers.cells()
        await numbers.rebuild()
        assert await numbers.cells() == cells
        return steps + again

    assert runner.run(both()) > 40
    assert desk.ask("calls") == {"all": 400}


def test_what_is_shown_is_whole_at_every_moment(desk: Desk, runner: asyncio.Runner) -> None:
    desk.take(*(call(f"c{n}", NOON, f"lead-{n}") for n in range(9)))
    rebuild = Rebuild(desk.numbers.engine, desk.numbers.rules, 2)

    async def tamper() -> None:
        async with transaction(desk.numbers.engine) as conn:
            raw = await driver(conn)
            await raw.execute(f"update {await store.shown_cells(raw)} set n = n + 100 where n > 0")  # noqa: S608

    runner.run(tamper())
    wrong = desk.ask("calls")["all"]
    assert wrong > 9
    runner.run(rebuild.begin())
    while not runner.run(rebuild.step()):
        assert desk.ask("calls") == {"all": wrong}
    assert desk.ask("calls") == {"all": 9}


def test_a_snapshot_goes_on_showing_what_it_began_with(desk: Desk, runner: asyncio.Runner) -> None:
    desk.take(call("c1", NOON))
    numbers = desk.numbers

    async def asked_later() -> int:
        async with transaction(numbers.engine.execution_options(isolation_level="REPEATABLE READ")) as conn:
            raw = await driver(conn)
            await raw.fetchval("select 1 from metrics.meta")  # the snapshot is taken
            for n in range(2):  # the set that the snapshot shows is emptied and built again
                await numbers.rebuild()
                await numbers.take([call(f"later{n}", NOON)])
            cells = await store.shown_cells(raw)
            found: int = await raw.fetchval(f"select sum(n)::bigint from {cells}")  # noqa: S608
            return found

    before = sum(n for n, _ in runner.run(numbers.cells()).values())
    assert runner.run(asked_later()) == before


def test_what_a_dead_process_has_begun_is_finished(desk: Desk, runner: asyncio.Runner) -> None:
    desk.take(*(call(f"c{n}", NOON, f"lead-{n}") for n in range(9)))
    numbers = desk.numbers

    async def scenario() -> tuple[store.Side, store.Side]:
        begun = Rebuild(numbers.engine, numbers.rules, 2)
        await begun.begin()
        await begun.step()
        stop = asyncio.Event()
        running = asyncio.ensure_future(Rebuilder(numbers.engine, numbers.rules).run(stop))
        await _until_side_2_is_shown(numbers)
        stop.set()
        await running
        async with transaction(numbers.engine) as conn:
            return await store.sides(await driver(conn))

    shown, other = runner.run(scenario())
    assert (shown.side, shown.events, shown.building, other.building) == (2, 9, False, False)
    assert desk.ask("calls") == {"all": 9}


async def _until_side_2_is_shown(numbers: Numbers) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        async with transaction(numbers.engine) as conn:
            shown, _ = await store.sides(await driver(conn))
        if shown.side == 2:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def test_whoever_asks_while_it_runs_gets_the_same_one(desk: Desk, runner: asyncio.Runner) -> None:
    desk.take(*(call(f"c{n}", NOON, f"lead-{n}") for n in range(9)))
    numbers = desk.numbers

    async def scenario() -> list[int]:
        rebuilder, stop = Rebuilder(numbers.engine, numbers.rules), asyncio.Event()
        gone = asyncio.ensure_future(rebuilder.request())
        wanted = [asyncio.ensure_future(rebuilder.request()) for _ in range(2)]
        await asyncio.sleep(0)
        gone.cancel()
        running = asyncio.ensure_future(rebuilder.run(stop))
        found = await asyncio.gather(*wanted)
        stop.set()
        await running
        return found

    assert runner.run(scenario()) == [9, 9]


def test_nobody_counts_into_numbers_of_other_rules(desk: Desk, runner: asyncio.Runner) -> None:
    numbers = desk.numbers
    desk.take(call("c1", NOON))

    async def other(column: str) -> None:
        async with transaction(numbers.engine) as conn:
            raw = await driver(conn)
            await raw.execute(f"update metrics.sides set {column}, fingerprint = 'of others' where {_OTHER[column]}")  # noqa: S608

    for column in _OTHER:
        runner.run(numbers.reset())
        runner.run(other(column))
        with pytest.raises(OtherRules):
            desk.take(call("c2", NOON))
        runner.run(numbers.rebuild())
        desk.take(call("c2", NOON))
        assert desk.ask("calls") == {"all": 1}


_OTHER = {"shown = true": "shown", "building = true": "not shown"}


def test_by_new_rules_events_are_tied_that_stood_alone(desk: Desk, runner: asyncio.Runner) -> None:
    """As if the rules that took the events in had known neither merges nor shared opportunities."""
    numbers = desk.numbers
    desk.take(
        call("c1", NOON, "lead-a"),
        call("c2", utc(2026, 11, 3, 3), "lead-b"),
        make("lead-merged", "m", "lead-b", utc(2026, 11, 4), {"into": "lead-a"}),
        step("o1", NOON, "created", "lead-c"),
        step("o2", utc(2026, 11, 5), "won", "lead-d"),
    )
    whole = runner.run(numbers.cells())

    async def forget() -> None:
        async with transaction(numbers.engine) as conn:
            raw = await driver(conn)
            await raw.execute("update metrics.events set lead = subject")
            await raw.execute("delete from metrics.ties")
            await raw.execute("delete from metrics.groups")
            await raw.execute("update metrics.sides set fingerprint = 'before'")

    runner.run(forget())
    runner.run(numbers.rebuild())
    assert runner.run(numbers.cells()) == whole
    desk.take(step("o3", utc(2026, 11, 6), "lost", "lead-c"))
    later = runner.run(numbers.cells())
    runner.run(numbers.rebuild())
    assert runner.run(numbers.cells()) == later


def test_a_group_that_comes_to_be_beyond_what_is_built_is_counted_once(desk: Desk, runner: asyncio.Runner) -> None:
    numbers = desk.numbers
    desk.take(*(call(f"c{lead}", NOON, lead) for lead in ("lead-a", "lead-y", "lead-z")))
    rebuild = Rebuild(numbers.engine, numbers.rules, 1)
    runner.run(rebuild.begin())
    runner.run(rebuild.step())
    desk.take(step("o1", NOON, "created", "lead-y"), step("o2", utc(2026, 11, 5), "won", "lead-z"))
    live = runner.run(numbers.cells())
    runner.run(numbers.rebuild())
    assert runner.run(numbers.cells()) == live
