"""The ends of a time that is asked for: days of the business time zone, or moments. Pure."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from shared.events import Undecodable, parse_time

_DAY = len("2026-11-01")


def begin_of(text: str, zone: tzinfo) -> datetime:
    """`2026-11-01`: when that day begins in the zone; `2026-11-01T09:00:00+09:00`: that moment. In UTC.

    Raises ValueError that says how to write it.
    """
    return _moment(text, zone, days=0)


def end_of(text: str, zone: tzinfo) -> datetime:
    """As begin_of, but of a day its last moment."""
    if len(text) != _DAY:
        return _moment(text, zone, days=0)
    return _moment(text, zone, days=1) - timedelta(microseconds=1)


def _moment(text: str, zone: tzinfo, *, days: int) -> datetime:
    try:
        if len(text) != _DAY:
            return parse_time(text)
        return datetime.combine(date.fromisoformat(text) + timedelta(days=days), time(), zone).astimezone(UTC)
    except (Undecodable, ValueError, OverflowError) as error:
        raise ValueError(f"write a day such as 2026-11-01, or a time with an offset: {error}") from error
