from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.handoff.due import due_at
from shared.periods import OpeningHours

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-24 10:00", 4, "2026-11-24 14:00"),
        ("2026-11-24 09:00", 9, "2026-11-24 18:00"),
        ("2026-11-24 14:00", 4, "2026-11-24 18:00"),
        ("2026-11-24 16:00", 4, "2026-11-25 11:00"),
        ("2026-11-24 07:30", 4, "2026-11-24 13:00"),
        ("2026-11-24 18:00", 4, "2026-11-25 13:00"),
        ("2026-11-24 23:59", 4, "2026-11-25 13:00"),
        ("2026-11-13 16:00", 4, "2026-11-16 11:00"),  # over a weekend
        ("2026-11-14 12:00", 4, "2026-11-16 13:00"),  # from a Saturday
        ("2026-11-20 16:00", 4, "2026-11-24 11:00"),  # over a weekend and 勤労感謝の日
        ("2026-05-01 17:00", 4, "2026-05-07 12:00"),  # over Golden Week with its substitute holiday
        ("2026-11-24 09:00", 18, "2026-11-25 18:00"),
        ("2026-11-24 10:00", 0.5, "2026-11-24 10:30"),
    ],
)
def test_business_hours(start: str, hours: float, due: str) -> None:
    found = due_at(datetime.fromisoformat(f"{start}+09:00"), hours, "business", TOKYO)
    assert found.astimezone(TOKYO).strftime("%Y-%m-%d %H:%M") == due
    assert found.tzinfo is UTC


HALF_DAYS = OpeningHours(time(8, 30), time(12), frozenset({date(2026, 11, 25), date(2026, 12, 29)}))


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-24 08:00", 3.5, "2026-11-24 12:00"),
        ("2026-11-24 11:00", 2, "2026-11-26 09:30"),  # the 25th is closed
        ("2026-11-25 10:00", 1, "2026-11-26 09:30"),
        ("2026-12-28 11:30", 1, "2026-12-30 09:00"),  # over the end of the year
    ],
)
def test_hours_and_days_of_the_company(start: str, hours: float, due: str) -> None:
    found = due_at(datetime.fromisoformat(f"{start}+09:00"), hours, "business", TOKYO, HALF_DAYS)
    assert found.astimezone(TOKYO).strftime("%Y-%m-%d %H:%M") == due


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    st.floats(0.01, 60),
    st.sampled_from(["Asia/Tokyo", "Europe/Berlin", "America/New_York"]),
)
def test_what_is_due_is_due_in_opening_hours_after_as_much_of_them(start: datetime, hours: float, zone: str) -> None:
    """Counted again minute by minute on the wall clock, where a business day has no change of the clocks."""
    tz, opening = ZoneInfo(zone), HALF_DAYS
    begins = start.replace(tzinfo=tz)
    due = due_at(begins, hours, "business", tz, opening).astimezone(tz)
    assert opening.is_open(due.date())
    assert opening.opens <= due.timetz().replace(tzinfo=None) <= opening.closes
    worked, day = timedelta(), begins.date()
    while day <= due.date():
        if opening.is_open(day):
            first = max(datetime.combine(day, opening.opens, tz), begins)
            last = min(datetime.combine(day, opening.closes, tz), due)
            worked += max(last - first, timedelta())
        day += timedelta(days=1)
    assert abs(worked - timedelta(hours=hours)) <= timedelta(milliseconds=1)


def test_any_hours() -> None:
    friday = datetime.fromisoformat("2026-11-20T23:00+09:00")
    assert due_at(friday, 4, "any", TOKYO) == datetime.fromisoformat("2026-11-21T03:00+09:00")


def test_an_hour_of_summer_time_is_an_hour() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    friday = datetime(2026, 3, 27, 17, tzinfo=berlin)  # the clocks go forward on Sunday
    assert due_at(friday, 2, "business", berlin) == datetime(2026, 3, 30, 10, tzinfo=berlin)
