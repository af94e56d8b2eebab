"""Contributors explain numbers: what they add up to is the number, for every KPI and every cut."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.catalogue.kpis import Kpi, Simple
from services.metrics.contributors import Contributors, Position
from services.metrics.counting import Counting
from services.metrics.match import Matcher
from services.metrics.question import Grain, Question
from shared.db import driver, snapshot
from tests.metrics.desk import Desk, call, jpy, step, term, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import deliveries, histories
from tests.metrics.test_any_order import DIMENSIONS, examples

KINDS = ("count", "sum", "points")
NOVEMBER = (date(2026, 11, 1), date(2026, 11, 30))


async def contributors(numbers: Numbers, question: Question, limit: int = 1000) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    after: Position | None = None
    async with snapshot(numbers.engine) as conn:
        counting = Counting(Matcher(numbers.fold.team, 4), numbers.today, 4)
        explaining = Contributors(await driver(conn), numbers.rules, counting)
        while page := await explaining.page(question, after, limit):
            found += [row for _, row in page]
            after = page[-1][0]
    return found


async def contributors_of(numbers: Numbers, kpi: str, grain: Grain, *by: str) -> list[dict[str, Any]]:
    """All of a KPI."""
    found = numbers.catalogue.get(kpi)
    assert found is not None
    return await contributors(numbers, Question(found, grain, None, None, by))


def key_of(kpi: Kpi, cuts: Sequence[str], row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("period", *cuts, *(["currency"] if kpi.money else [])))


async def sums_of_contributors(numbers: Numbers, question: Question, limit: int) -> dict[tuple[str, ...], float]:
    """What the contributors of each period and cut add up to, but for nothing."""
    sums: dict[tuple[str, ...], float] = {}
    for row in await contributors(numbers, question, limit):
        key = key_of(question.kpi, question.by, row)
        sums[key] = sums.get(key, 0) + row["value"]
    return {key: value for key, value in sums.items() if value}


def figures(kpi: Kpi, cuts: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], float]:
    """The same as the KPI answers it; of a mean, what is divided."""
    figure = "numerator" if kpi.definition.kind == "trailing" else "value"
    return {key_of(kpi, cuts, row): row[figure] for row in rows if row[figure]}


@examples
@given(data=st.data())
def test_contributors_add_up_to_the_number(data: st.DataObject, numbers: Numbers, runner: asyncio.Runner) -> None:
    events = data.draw(histories())
    batches = data.draw(deliveries(events))
    grain: Grain = data.draw(st.sampled_from(["day", "month", "all"]))
    by = data.draw(st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=2))

    async def live() -> None:
        await numbers.reset()
        for batch in batches:
            await numbers.take(batch)
        for kpi in numbers.catalogue:
            if not isinstance(kpi, Simple) or kpi.definition.kind not in KINDS:
                continue
            cuts = tuple(d for d in by if d in kpi.dimensions)
            sums = await sums_of_contributors(numbers, Question(kpi, grain, None, None, cuts), limit=3)
            rows = await numbers.ask(kpi.id, grain, cuts)
            assert sums == pytest.approx(figures(kpi, cuts, rows)), kpi.id

    runner.run(live())


@examples
@given(data=st.data())
def test_contributors_of_what_stands_add_up_to_it(
    data: st.DataObject, numbers: Numbers, runner: asyncio.Runner
) -> None:
    events = data.draw(histories())
    grain: Grain = data.draw(st.sampled_from(["day", "week", "month", "all"]))
    by = data.draw(st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=1))

    async def live() -> None:
        await numbers.reset()
        await numbers.take(events)
        for kpi in numbers.catalogue:
            if kpi.definition.kind not in ("stock", "trailing"):
                continue
            cuts = tuple(d for d in by if d in kpi.dimensions)
            sums = await sums_of_contributors(numbers, Question(kpi, grain, *NOVEMBER, cuts), limit=40)
            rows = await numbers.ask(kpi.id, grain, cuts, NOVEMBER)
            assert sums == pytest.approx(figures(kpi, cuts, rows)), kpi.id

    runner.run(live())


def test_a_rate_shows_both_parts_and_a_deal_all_its_events(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    desk.take(
        call("a", utc(2026, 11, 20, 1), outcome="conversation"),
        call("b", utc(2026, 11, 20, 2)),
        call("c", utc(2026, 11, 20, 3)),
        void("x", utc(2026, 11, 21), "c"),
        step("1", utc(2026, 11, 1), "created", amount=jpy(100)),
        step("2", utc(2026, 11, 5), "won", amount=jpy(120)),
    )
    rate, booked = numbers.catalogue.get("connect_rate"), numbers.catalogue.get("booked_amount")
    assert rate is not None
    assert booked is not None
    rows = runner.run(contributors(numbers, Question(rate, "month", None, None)))
    assert [(row["part"], [e.id for e in row["events"]]) for row in rows] == [
        ("numerator", ["a"]),
        ("denominator", ["a"]),
        ("denominator", ["b"]),
    ]
    (deal,) = runner.run(contributors(numbers, Question(booked, "month", None, None)))
    assert (deal["value"], deal["currency"], deal["lead_id"]) == (120, "JPY", "lead-a")
    assert [e.id for e in deal["events"]] == ["1", "2"]


def test_what_stands_is_explained_by_what_came_before_the_period(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    desk.take(
        term("k1", "2026-05-01", "started", 1200),
        term("k2", "2026-09-01", "changed", 1500),
        step("1", utc(2026, 10, 1), "created", amount=jpy(100), opportunity_id="O-1"),
        step("2", utc(2026, 10, 2), "created", amount=jpy(70), opportunity_id="O-2"),
        step("3", utc(2026, 10, 3), "lost", opportunity_id="O-2"),
        call("c1", utc(2026, 11, 1), outcome="gatekeeper"),
        call("c2", utc(2026, 11, 10), outcome="gatekeeper"),
    )

    def shown(kpi: str) -> list[tuple[str, float, list[str]]]:
        found = numbers.catalogue.get(kpi)
        assert found is not None
        rows = runner.run(contributors(numbers, Question(found, "month", *NOVEMBER)))
        return [(row["part"], row["value"], [event.id for event in row["events"]]) for row in rows]

    assert shown("arr") == [("value", 1500, ["k1", "k2"])]
    assert shown("active_companies") == [("value", 1, ["k1", "k2"])]
    assert shown("open_pipeline_amount") == [("value", 100, ["1"])]
    # the four weeks that ended by November 30 began on the 2nd
    assert shown("expected_weekly_connects") == [("of", 1, ["c2"])]
