"""When a delivery that failed is tried again, and when it is given up. Pure."""

from datetime import datetime
from email.utils import parsedate_to_datetime

TRIES = 13
"""With the pauses below, about three days."""
FIRST_PAUSE_S = 5.0
FACTOR = 4.0
MOST_PAUSE_S = 12 * 3600.0
JITTER = 0.2
"""By how much of itself a pause is longer or shorter, so that what failed together does not come back together."""
ASKED_MOST_S = 24 * 3600.0
"""How long an endpoint may ask to be left alone by `Retry-After`."""


def pause_s(attempt: int, chance: float) -> float:
    """Seconds until the next attempt after this one (from 1) has failed. chance: evenly from 0 to 1."""
    usual = min(MOST_PAUSE_S, FIRST_PAUSE_S * FACTOR ** min(attempt - 1, 30))
    return usual * (1 - JITTER + 2 * JITTER * chance)


def asked_pause_s(retry_after: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` asks for: a number or a date (RFC 9110, 10.2.3); None where it says nothing."""
    written = (retry_after or "").strip()
    if written.isascii() and written.isdigit():
        return min(float(written[:9]), ASKED_MOST_S)
    try:
        until = parsedate_to_datetime(written)
    except (ValueError, OverflowError):  # a year of twenty digits is no ValueError
        return None
    seconds = (until - now).total_seconds() if until.tzinfo else 0.0
    return min(max(seconds, 0.0), ASKED_MOST_S)
