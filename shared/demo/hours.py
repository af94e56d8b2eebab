"""When the demo's people work: business days in Japan, from nine to six, with peaks. Pure."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from shared.periods import is_business_day

OPENS: Final = time(9)
CLOSES: Final = time(18)

_HOURS: Final = {9: 7, 10: 14, 11: 12, 12: 3, 13: 10, 14: 14, 15: 13, 16: 11, 17: 6}
"""How much is done in each hour: most before lunch and in the afternoon, little at noon."""
_LAST: Final = timedelta(minutes=2)
"""Nothing begins in the last minutes, so that what follows at once still falls into the day."""
_LEAST_DAYS: Final = 3


def last_full_week(today: date) -> date:
    """The Monday of the last whole week before today that is a week of work: one around New Year is passed over."""
    monday = today - timedelta(days=today.weekday() + 7)
    while len(working_days(monday, monday + timedelta(days=6))) < _LEAST_DAYS:
        monday -= timedelta(days=7)
    return monday


def working_days(first: date, last: date) -> list[date]:
    """Business days from `first` to `last`, both inclusive."""
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return [day for day in days if is_business_day(day)]


def moments(
    rng: Random, days: Sequence[date], count: int, zone: ZoneInfo, after: datetime | None = None
) -> list[datetime]:
    """So many different moments of work on these days, in order; `after` needs a whole day that is left."""
    found: set[datetime] = set()
    while len(found) < count:
        (hour,) = rng.choices(list(_HOURS), list(_HOURS.values()))
        at = datetime.combine(rng.choice(days), time(hour, rng.randrange(60), rng.randrange(60)), zone)
        if at <= _closing(at) - _LAST and (after is None or at > after):
            found.add(at)
    return sorted(found)


def soon(rng: Random, at: datetime, minutes: int) -> datetime:
    """A moment within so many minutes after `at`, still on its working day."""
    room = int(min(timedelta(minutes=minutes), _closing(at) - at) / timedelta(seconds=1))
    return at + timedelta(seconds=rng.randint(1, max(1, room - 1)))


def _closing(at: datetime) -> datetime:
    return datetime.combine(at.date(), CLOSES, at.tzinfo)
