from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.handoff.due import due_at

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


def test_any_hours() -> None:
    friday = datetime.fromisoformat("2026-11-20T23:00+09:00")
    assert due_at(friday, 4, "any", TOKYO) == datetime.fromisoformat("2026-11-21T03:00+09:00")


def test_an_hour_of_summer_time_is_an_hour() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    friday = datetime(2026, 3, 27, 17, tzinfo=berlin)  # the clocks go forward on Sunday
    assert due_at(friday, 2, "business", berlin) == datetime(2026, 3, 30, 10, tzinfo=berlin)
