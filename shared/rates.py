"""How much is let through in a time: rates such as `100/s`, and a bucket of tokens for each who comes."""

import re
import time
from collections.abc import Callable
from typing import NamedTuple

_WRITTEN = re.compile(r"([1-9][0-9]{0,8})/([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_REMEMBERED_MAX = 10_000


class Rate(NamedTuple):
    """So many `requests` in `seconds`, and so many at once."""

    requests: int
    seconds: float


def parse_rate(written: str) -> Rate:
    """`100/s`, `6000/m` or `1000/h`. Raises ValueError that says what is wrong."""
    match = _WRITTEN.fullmatch(written.strip())
    if match is None:
        raise ValueError(f"{written[:40]!r} is no rate; write a number and a time, as in 100/s, 6000/m or 1000/h")
    return Rate(int(match[1]), _SECONDS[match[2]])


class Buckets:
    """A bucket of `rate.requests` tokens for each name, which fills again in `rate.seconds`; kept in this process only.

    Of each bucket one number is kept: when it will be full again. One that is full need not be remembered.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = rate.seconds
        self._token_s = rate.seconds / rate.requests
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def take(self, name: str) -> float:
        """Take a token: 0.0, or the seconds until there will be one; then nothing is taken."""
        now = self._clock()
        full_at = max(self._full_at.get(name, now), now) + self._token_s
        missing = full_at - now - self._seconds
        if missing > self._token_s * 1e-6:  # what rounding leaves is no token
            return missing
        if len(self._full_at) >= _REMEMBERED_MAX and name not in self._full_at:
            self._forget(now)
        self._full_at[name] = full_at
        return 0.0

    def _forget(self, now: float) -> None:
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        if len(self._full_at) >= _REMEMBERED_MAX:
            self._full_at.clear()  # to let some through too early does less harm than memory without bounds
