"""A board that is brought up to date is the board that would be made anew, and its text is what Prometheus reads."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest

from services.metrics import store
from services.metrics.contributions.facts import Amount, Fact
from services.metrics.live.board import Board
from services.metrics.live.gauges import Gauges, Sample
from shared.clock import FixedClock
from shared.config.targets import Target
from shared.db import driver, transaction
from shared.periods import current_periods
from shared.telemetry import Lines
from shared.telemetry.lines import Families
from tests.metrics.desk import Desk, call, jpy, step, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.scraped import Scraper
from tests.metrics.strategies import deliveries, histories, times
from tests.metrics.test_any_order import examples

CALLS_TODAY = Sample("calls", "today", "total", "", "")
BOOKED = Target(kpi="booked_amount", period="2026-11", value=Decimal(9_000_000), currency="JPY")


def board_of(numbers: Numbers, clock: FixedClock) -> Board:
    team, policy = numbers.fold.team, numbers.rules.policy
    return Board(numbers.engine, numbers.catalogue, team, policy, numbers.settings, clock, [BOOKED])


@examples
@given(data=st.data())
def test_a_board_brought_up_to_date_is_a_board_made_anew(
    data: st.DataObject, numbers: Numbers, runner: asyncio.Runner
) -> None:
    batches = data.draw(deliveries(data.draw(histories())))
    clock = FixedClock(data.draw(times))

    async def live() -> None:
        await numbers.reset()
        kept = board_of(numbers, clock)
        scraper = Scraper(kept)
        for batch in batches:
            await numbers.take(batch)
            match data.draw(st.sampled_from(["", "", "", "rebuild", "forget", "next day"])):
                case "rebuild":
                    await numbers.rebuild()
                case "forget":
                    async with transaction(numbers.engine) as conn:
                        await store.forget_changes(await driver(conn), kept_s=0)
                case "next day":
                    clock.at += timedelta(days=1)
            kept_up = await kept.keep_up() if data.draw(st.booleans()) else None
            now, anew = await kept.now(), await board_of(numbers, clock).now()
            assert kept_up in (None, now)
            assert (now.values, now.counts, now.targets) == (anew.values, anew.counts, anew.targets)
            families = await scraper.families()
            shown = {Sample(**s.labels): s.value for s in families["tasuki_kpi_value"].samples}
            assert shown == now.values
            assert stock_shown(shown, "segment") == await stock_asked_for(numbers, "segment", now.moment.day)

    runner.run(live())


def stock_shown(shown: Mapping[Sample, float], cut: str) -> dict[tuple[str, str], float]:
    """Open pipeline as the board has it: member and currency -> amount."""
    return {
        (sample.member, sample.currency): value
        for sample, value in shown.items()
        if (sample.kpi, sample.period, sample.dimension) == ("open_pipeline_amount", "today", cut)
    }


async def stock_asked_for(numbers: Numbers, cut: str, day: date) -> dict[tuple[str, str], float]:
    """The same as it is answered."""
    rows = await numbers.ask("open_pipeline_amount", "all", (cut,), (None, day))
    return {(row[cut], row["currency"]): row["value"] for row in rows}


def test_what_turns_out_to_be_anothers_never_stood_with_the_first(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    clock = FixedClock(utc(2026, 11, 20, 3))

    async def follow() -> None:
        kept = board_of(numbers, clock)
        for news, stands in (
            (step("1", utc(2026, 11, 2), "created", amount=jpy(100)), {("", "JPY"): 100}),
            (step("2", utc(2026, 11, 3), "valid", credited_rep="tanaka"), {("tanaka", "JPY"): 100}),
            (step("3", utc(2026, 11, 4), "won"), {("tanaka", "JPY"): 0}),
            (step("4", utc(2026, 11, 5), "valid", amount={"value": "7", "currency": "USD"}), {("tanaka", "USD"): 0}),
            (void("x", utc(2026, 11, 6), "1"), {}),
        ):
            await numbers.take([news])
            for board in (kept, board_of(numbers, clock)):
                assert stock_shown((await board.now()).values, "rep") == stands
            assert await stock_asked_for(numbers, "rep", date(2026, 11, 20)) == stands

    runner.run(follow())


def test_a_board_that_was_told_stays_as_it_was(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    async def follow() -> None:
        board = board_of(numbers, FixedClock(utc(2026, 11, 20, 3)))
        before = await board.now()
        await numbers.take([call("a", utc(2026, 11, 20, 1))])
        assert (await board.now()).values[CALLS_TODAY] == 1
        assert not before.values

    runner.run(follow())


def test_a_new_day_begins_without_any_event(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    async def pass_midnight() -> None:
        await numbers.take([call("a", utc(2026, 11, 20, 1))])
        clock = FixedClock(utc(2026, 11, 20, 3))
        board = board_of(numbers, clock)
        assert (await board.now()).values[CALLS_TODAY] == 1
        clock.at += timedelta(days=1)
        assert await board.keep_up() is None
        assert CALLS_TODAY not in (await board.now()).values

    runner.run(pass_midnight())


def test_whoever_gives_up_waiting_for_the_first_board_finds_it_the_next_time(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    async def ask() -> None:
        await numbers.take([call("a", utc(2026, 11, 20, 1))])
        board = board_of(numbers, FixedClock(utc(2026, 11, 20, 3)))
        impatient = asyncio.ensure_future(board.now())
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await board.now()).values[CALLS_TODAY] == 1

    runner.run(ask())


def test_others_have_their_turn_while_a_board_is_brought_up_to_date(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    async def turns_of_others(calls: int) -> int:
        await numbers.reset()
        async with transaction(numbers.engine) as conn:
            seen, _ = await store.changes_since(await driver(conn), None)
        await numbers.take([call(f"c{n}", utc(2026, 11, 20, 1), rep=f"rep-{n}") for n in range(calls)])
        async with transaction(numbers.engine) as conn:
            _, told = await store.changes_since(await driver(conn), seen)
        assert told is not None
        assert len(told.facts) >= calls
        gauges = Gauges(numbers.catalogue, current_periods(utc(2026, 11, 20, 3).date(), 4), {}, {}, 4)
        taking = asyncio.ensure_future(_taken(gauges, told.facts))
        turns = 0
        while not taking.done():
            turns += 1
            await asyncio.sleep(0)
        assert await taking
        return turns

    async def ask() -> None:
        few, many = await turns_of_others(5), await turns_of_others(100)
        assert many > 10 * few

    runner.run(ask())


async def _taken(gauges: Gauges, facts: Iterable[tuple[Fact, Amount]]) -> dict[Sample, float | None]:
    await gauges.add(facts)
    return await gauges.changes()


label = st.text(st.characters(exclude_categories=["Cs"]))
values = st.floats(allow_nan=False) | st.integers(-(10**12), 10**12)


@given(st.lists(st.dictionaries(st.tuples(label, label), values), max_size=4))
def test_lines_are_those_of_the_library(rounds: list[dict[tuple[str, str], float]]) -> None:
    lines = Lines[tuple[str, str]](GaugeMetricFamily("name", 'help "with" \\ and \n', labels=("a", "b")), ("a", "b"))
    for samples in rounds:
        family = GaugeMetricFamily("name", 'help "with" \\ and \n', labels=("a", "b"))
        for labels, value in samples.items():
            family.add_metric(labels, value)
        assert lines.written(samples).text == generate_latest(Families([family]))


def test_counts_are_held_of_members_whoever_is_named(numbers: Numbers, runner: asyncio.Runner) -> None:
    """Every scrape went through all names that activities ever told of, and each batch copied them."""

    async def live() -> None:
        await numbers.reset()
        board = board_of(numbers, FixedClock(utc(2026, 11, 20)))
        await numbers.take([call(f"a{n}", utc(2026, 11, 2), rep=f"stranger{n}") for n in range(200)])
        anew = (await board.now()).counts
        await numbers.take([call(f"b{n}", utc(2026, 11, 2), rep=f"another{n}") for n in range(200)])
        later = (await board.now()).counts
        for counts, n in ((anew, 200), (later, 400)):
            activities = {labels: held for (name, labels), held in counts.items() if name == "activities"}
            assert sum(activities.values()) == n
            assert {labels[4] for labels in activities} == {"other"}

    runner.run(live())
