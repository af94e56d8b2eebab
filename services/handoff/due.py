"""Until when sales has to answer a handoff. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from shared.periods import OpeningHours

Calendar = Literal["business", "any"]


def due_at(
    start: datetime, hours: float, calendar: Calendar, zone: ZoneInfo, opening: OpeningHours | None = None
) -> datetime:
    """`start` plus `hours`, in UTC.

    With calendar `business` only opening hours count (9:00 to 18:00 of business days where none are given), in `zone`:
    four hours from Friday 16:00 end on Monday 11:00, or on Tuesday where Monday is a holiday.
    """
    opening = opening or OpeningHours()
    left = timedelta(hours=hours)
    if calendar == "any":
        return start.astimezone(UTC) + left
    day = start.astimezone(zone).date()
    while True:
        if opening.is_open(day):
            # In UTC, because differences of wall clock times lie on the day when summer time begins.
            begins = max(start.astimezone(UTC), _at(day, opening.opens, zone))
            open_for = _at(day, opening.closes, zone) - begins
            if open_for > timedelta(0):
                if left <= open_for:
                    return begins + left
                left -= open_for
        day += timedelta(days=1)


def _at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
