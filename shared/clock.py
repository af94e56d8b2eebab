"""The one place that asks what time it is, so that everything else can be told."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that knows the current time."""

    def now(self) -> datetime:
        """The current time, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, at: datetime) -> None:
        self.at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self.at
