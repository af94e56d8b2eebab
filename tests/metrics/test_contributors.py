"""Contributors explain numbers: what they add up to is the number, for every KPI and every cut."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.catalogue.kpis import Simple
from services.metrics.contributors import Contributors, Position
from services.metrics.match import Matcher
from services.metrics.question import Grain, Question
from shared.db import driver, snapshot
from tests.metrics.desk import Desk, call, jpy, step, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import deliveries, histories
from tests.metrics.test_any_order import DIMENSIONS, examples

KINDS = ("count", "sum", "points")


async def contributors(numbers: Numbers, question: Question, limit: int = 1000) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    after: Position | None = None
    async with snapshot(numbers.engine) as conn:
        explaining = Contributors(await driver(conn), numbers.rules, Matcher(numbers.fold.team, 4))
        while page := await explaining.page(question, after, limit):
            found += [row for _, row in page]
            after = page[-1][0]
    return found


async def contributors_of(numbers: Numbers, kpi: str, grain: Grain, *by: str) -> list[dict[str, Any]]:
    """All of a KPI."""
    found = numbers.catalogue.get(kpi)
    assert found is not None
    return await contributors(numbers, Question(found, grain, None, None, by))


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
            keys = ("period", *cuts, *(["currency"] if kpi.money else []))
            sums: dict[tuple[str, ...], float] = {}
            for row in await contributors(numbers, Question(kpi, grain, None, None, cuts), limit=3):
                key = tuple(row[name] for name in keys)
                sums[key] = sums.get(key, 0) + row["value"]
            rows = await numbers.ask(kpi.id, grain, cuts)
            assert {k: v for k, v in sums.items() if v} == pytest.approx(
                {tuple(row[name] for name in keys): row["value"] for row in rows if row["value"]}
            ), kpi.id

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
