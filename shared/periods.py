"""Periods: days of the business time zone, and the weeks, months, quarters and fiscal years that they fall into. Pure.

Labels: `2026-11-23`, `2026-W48` (ISO week), `2026-11`, `2026-Q4` (calendar quarter), `FY2026` (the fiscal year that
begins in 2026), `all`. `fiscal_start` is the first month of the fiscal year, 1 to 12.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

import holidays

Grain = Literal["day", "week", "month", "quarter", "fiscal_year", "all"]
GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter", "fiscal_year", "all")
CURRENT_PERIODS = ("today", "this_week", "this_month", "this_quarter", "this_fiscal_year", "last_28_days")

_DAY = timedelta(days=1)
_LABEL = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})|(?P<week>\d{4}-W\d{2})|(?P<month>\d{4}-\d{2})|(?P<quarter>\d{4}-Q[1-4])|"
    r"(?P<fiscal_year>FY\d{4})|(?P<all>all)",
    re.ASCII,  # \d would take the digits of any script: a target with such a label loads, and then is of no period
)


class OpeningHours(NamedTuple):
    """When a company works: from `opens` to `closes` on business days, but not on the days on which it is closed."""

    opens: time = time(9)
    closes: time = time(18)
    closed: frozenset[date] = frozenset()

    def is_open(self, day: date) -> bool:
        """Whether anybody works on the day."""
        return is_business_day(day) and day not in self.closed


class Period(NamedTuple):
    """A stretch of days, both ends inclusive."""

    label: str
    first: date
    last: date


def business_date(moment: datetime, zone: tzinfo) -> date:
    """The day on which a moment falls in the business time zone."""
    return moment.astimezone(zone).date()


def period_of(day: date, grain: Grain, fiscal_start: int = 4) -> Period:
    """The period of a grain that holds the day. Those at the ends of the calendar are cut off there."""
    if grain == "day":
        return Period(day.isoformat(), day, day)
    if grain == "week":
        year, week, weekday = day.isocalendar()
        first = day - timedelta(days=weekday - 1)
        return Period(f"{year:04}-W{week:02}", first, _last_of(first, days=7))
    if grain == "month":
        return Period(f"{day.year:04}-{day.month:02}", day.replace(day=1), _end_of_months(day.year, day.month, 1))
    if grain == "quarter":
        quarter = (day.month - 1) // 3
        first = date(day.year, quarter * 3 + 1, 1)
        return Period(f"{day.year:04}-Q{quarter + 1}", first, _end_of_months(first.year, first.month, 3))
    if grain == "fiscal_year":
        year = day.year if day.month >= fiscal_start else day.year - 1
        first = date(year, fiscal_start, 1) if year >= date.min.year else date.min
        return Period(f"FY{year:04}", first, _end_of_months(year, fiscal_start, 12))
    return Period("all", date.min, date.max)


def parse_period(label: str, fiscal_start: int = 4) -> tuple[Grain, Period]:
    """The grain and the days of a label. Raises ValueError that says what a label looks like."""
    match = _LABEL.fullmatch(label)
    if match is None:
        raise ValueError(f"{label[:40]!r} is no period: write 2026-11-23, 2026-W48, 2026-11, 2026-Q4, FY2026 or all")
    grain: Grain = next(g for g in GRAINS if match[g] is not None)
    try:
        return grain, period_of(_first_day(label, grain, fiscal_start), grain, fiscal_start)
    except ValueError as error:
        raise ValueError(f"{label!r} is no period: {error}") from error


def periods_between(first: date, last: date, grain: Grain, fiscal_start: int = 4) -> Iterator[Period]:
    """Every period that holds a day from `first` to `last` (inclusive), in order; the outer ones are given whole."""
    while first <= last:
        period = period_of(first, grain, fiscal_start)
        yield period
        if period.last == date.max:
            return
        first = period.last + _DAY


def current_periods(today: date, fiscal_start: int = 4) -> dict[str, Period]:
    """The periods that boards and Prometheus show, by name; `last_28_days` ends with today and is labelled so."""
    grains: tuple[Grain, ...] = ("day", "week", "month", "quarter", "fiscal_year")
    current = {
        name: period_of(today, grain, fiscal_start) for name, grain in zip(CURRENT_PERIODS, grains, strict=False)
    }
    return {**current, "last_28_days": Period("last_28_days", today - timedelta(days=27), today)}


def is_holiday(day: date) -> bool:
    """Whether the day is a public holiday in Japan (国民の祝日, with substitutes)."""
    return day in _holidays_of(day.year)


def is_business_day(day: date) -> bool:
    """Monday to Friday and no public holiday in Japan."""
    return day.weekday() < 5 and not is_holiday(day)


def business_days(first: date, last: date) -> int:
    """How many business days there are from `first` to `last`, both inclusive."""
    return sum(is_business_day(first + timedelta(days=offset)) for offset in range((last - first).days + 1))


@lru_cache(maxsize=256)
def _holidays_of(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("JP", years=year, expand=False))


def _first_day(label: str, grain: Grain, fiscal_start: int) -> date:
    if grain == "day":
        return date.fromisoformat(label)
    if grain == "week":
        return date.fromisocalendar(int(label[:4]), int(label[6:]), 1)
    if grain == "month":
        return date(int(label[:4]), int(label[5:]), 1)
    if grain == "quarter":
        return date(int(label[:4]), int(label[6]) * 3 - 2, 1)
    if grain == "fiscal_year":
        return date(int(label[2:]), fiscal_start, 1)
    return date.min


def _end_of_months(year: int, month: int, months: int) -> date:
    """The last day of the stretch of months that begins with the given one."""
    years, following = divmod(month - 1 + months, 12)
    return date.max if year + years > date.max.year else date(year + years, following + 1, 1) - _DAY


def _last_of(first: date, days: int) -> date:
    """The last of `days` days."""
    return date.max if (date.max - first).days < days - 1 else first + timedelta(days=days - 1)
