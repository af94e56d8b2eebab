"""What holds of every score, and of every calendar that it rests on."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.pace import Calendar
from services.metrics.scorecards import KpiScore, score
from shared.config.team import SCORE_CAP, Member
from shared.periods import OpeningHours, Period, business_days, parse_period

attainments = st.none() | st.floats(0, 10)
rows = st.lists(st.tuples(st.floats(0.001, 100), attainments), max_size=6)


def scores_of(drawn: Iterable[tuple[float, float | None]]) -> list[KpiScore]:
    return [KpiScore("kpi", "rep", None, None, None, None, weight, attainment, None) for weight, attainment in drawn]


@given(rows)
def test_a_score_lies_between_the_worst_and_the_best_that_counts(drawn: list[tuple[float, float | None]]) -> None:
    counted = [min(attainment, SCORE_CAP) for _, attainment in drawn if attainment is not None]
    found = score(scores_of(drawn), SCORE_CAP)
    if not counted:
        assert found is None
    else:
        assert found is not None
        assert min(counted) - 1e-9 <= found <= max(counted) + 1e-9


@given(rows, st.floats(0.1, 10), st.randoms())
def test_a_score_depends_on_shares_alone(drawn: list[tuple[float, float | None]], factor: float, random: Any) -> None:
    found = score(scores_of(drawn), SCORE_CAP)
    other = [(weight * factor, attainment) for weight, attainment in drawn] + [(5.0, None)]
    random.shuffle(other)
    assert score(scores_of(other), SCORE_CAP) == (None if found is None else pytest.approx(found))


@given(rows, st.integers(0, 5), st.floats(1.3, 10))
def test_what_lies_above_the_cap_changes_nothing(drawn: list[tuple[float, float | None]], n: int, more: float) -> None:
    capped = [*drawn[:n], (1.0, SCORE_CAP), *drawn[n:]]
    over = [*drawn[:n], (1.0, more), *drawn[n:]]
    assert score(scores_of(capped), SCORE_CAP) == score(scores_of(over), SCORE_CAP)


days = st.dates(date(2025, 12, 1), date(2027, 4, 30))


@given(st.sampled_from(["2026-W19", "2026-W53", "2026-05", "2026-Q2", "FY2026"]), days, st.lists(days, max_size=3))
def test_business_days_are_those_of_the_calendar(label: str, today: date, changes: list[date]) -> None:
    period: Period = parse_period(label)[1]
    calendar = Calendar(period, today, OpeningHours())
    whole = calendar.whole()
    assert whole is not None
    assert whole.total == business_days(period.first, period.last)
    assert whole.elapsed == sum(
        business_days(period.first + timedelta(n), period.first + timedelta(n))
        for n in range((period.last - period.first).days + 1)
        if period.first + timedelta(n) <= today
    )
    # Who changes team or role on some days is a member on all days all the same.
    firsts = [date.min, *sorted(set(changes))]
    lasts = [first - timedelta(1) for first in firsts[1:]]
    always = Member(id="x", name="X", role="inside_sales", team="smb", from_=date.min, to=date.max)
    spans = zip(firsts, [*lasts, date.max], strict=True)
    entries = [msgspec.structs.replace(always, from_=first, to=last) for first, last in spans]
    assert calendar.of(entries) == whole
    assert calendar.of([]) == type(whole)(0, 0)
