from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from shared.periods import (
    CURRENT_PERIODS,
    GRAINS,
    Grain,
    Period,
    business_date,
    business_days,
    current_periods,
    is_business_day,
    is_holiday,
    parse_period,
    period_of,
    periods_between,
)


def test_a_day_ends_at_midnight_of_the_business_zone() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    assert business_date(datetime(2026, 11, 22, 14, 59, 59, tzinfo=UTC), tokyo) == date(2026, 11, 22)
    assert business_date(datetime(2026, 11, 22, 15, 0, tzinfo=UTC), tokyo) == date(2026, 11, 23)


@pytest.mark.parametrize(
    ("day", "grain", "label", "first", "last"),
    [
        ("2026-11-23", "day", "2026-11-23", "2026-11-23", "2026-11-23"),
        ("2026-11-29", "week", "2026-W48", "2026-11-23", "2026-11-29"),
        ("2027-01-03", "week", "2026-W53", "2026-12-28", "2027-01-03"),
        ("2027-01-04", "week", "2027-W01", "2027-01-04", "2027-01-10"),
        ("2028-02-29", "month", "2028-02", "2028-02-01", "2028-02-29"),
        ("2026-12-31", "month", "2026-12", "2026-12-01", "2026-12-31"),
        ("2026-11-23", "quarter", "2026-Q4", "2026-10-01", "2026-12-31"),
        ("2026-03-31", "fiscal_year", "FY2025", "2025-04-01", "2026-03-31"),
        ("2026-04-01", "fiscal_year", "FY2026", "2026-04-01", "2027-03-31"),
        ("9999-12-31", "week", "9999-W52", "9999-12-27", "9999-12-31"),
        ("0001-01-01", "fiscal_year", "FY0000", "0001-01-01", "0001-03-31"),
        ("9999-12-31", "fiscal_year", "FY9999", "9999-04-01", "9999-12-31"),
    ],
)
def test_labels_and_ends(day: str, grain: Grain, label: str, first: str, last: str) -> None:
    expected = Period(label, date.fromisoformat(first), date.fromisoformat(last))
    assert period_of(date.fromisoformat(day), grain) == expected


@pytest.mark.parametrize("start", [1, 4, 12])
def test_a_fiscal_year_may_begin_in_any_month(start: int) -> None:
    period = period_of(date(2026, 6, 1), "fiscal_year", start)
    assert period.first.month == start
    assert period.first <= date(2026, 6, 1) <= period.last
    assert 365 <= (period.last - period.first).days + 1 <= 366


@pytest.mark.parametrize("grain", GRAINS)
def test_a_label_reads_back_as_its_period(grain: Grain) -> None:
    period = period_of(date(2026, 11, 23), grain)
    assert parse_period(period.label) == (grain, period)


@pytest.mark.parametrize(
    "label",
    ["2026", "2026-13", "2026-W54", "2026-Q5", "2026-02-30", "FY26", "0000-01", "", "ALL", "２０２６-11", "FY２０２６"],
)
def test_what_is_no_label_is_refused_with_what_one_looks_like(label: str) -> None:
    with pytest.raises(ValueError, match="is no period"):
        parse_period(label)


@pytest.mark.parametrize("grain", GRAINS[:-1])
def test_periods_follow_one_another_without_gap(grain: Grain) -> None:
    periods = list(periods_between(date(2025, 12, 30), date(2027, 1, 2), grain))
    assert periods[0].first <= date(2025, 12, 30) <= periods[0].last
    assert periods[-1].first <= date(2027, 1, 2) <= periods[-1].last
    assert all((b.first - a.last).days == 1 for a, b in pairwise(periods))


def test_the_end_of_the_calendar_ends_the_walk() -> None:
    assert [p.label for p in periods_between(date(9999, 11, 30), date.max, "month")] == ["9999-11", "9999-12"]
    assert list(periods_between(date(2026, 1, 2), date(2026, 1, 1), "day")) == []


def test_current_periods() -> None:
    current = current_periods(date(2026, 11, 24))
    assert tuple(current) == CURRENT_PERIODS
    assert {name: period.label for name, period in current.items()} == {
        "today": "2026-11-24",
        "this_week": "2026-W48",
        "this_month": "2026-11",
        "this_quarter": "2026-Q4",
        "this_fiscal_year": "FY2026",
        "last_28_days": "last_28_days",
    }
    assert current["last_28_days"] == Period("last_28_days", date(2026, 10, 28), date(2026, 11, 24))


def test_business_days_know_japanese_holidays_and_their_substitutes() -> None:
    assert is_holiday(date(2026, 11, 23))  # 勤労感謝の日
    assert is_holiday(date(2026, 5, 6))  # 振替休日 of 憲法記念日, a Sunday
    assert is_holiday(date(2026, 9, 22))  # 国民の休日 between two holidays
    assert not is_business_day(date(2026, 11, 22))
    assert is_business_day(date(2026, 11, 24))
    assert business_days(date(2026, 11, 1), date(2026, 11, 30)) == 19
    assert business_days(date(2026, 11, 24), date(2026, 11, 23)) == 0
