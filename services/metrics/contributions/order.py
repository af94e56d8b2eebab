"""The order of events, and values that remember where in it they were said."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

Order = tuple[datetime, str, str]
"""(time, source, id): the order of events that every rule of the contract means."""


class Told(NamedTuple):
    """Something that an event said, with its place in the order of events."""

    order: Order
    text: str


class Ordered(Protocol):
    """Anything that remembers where in the order of events it was said."""

    @property
    def order(self) -> Order:
        """Its place."""


def earlier(held: Told | None, told: Told) -> Told:
    """Of two the one that was said first."""
    return told if held is None or told < held else held


def latest(values: Iterable[str]) -> str:
    """The last value that is not empty, "" without any."""
    known = ""
    for value in values:
        known = value or known
    return known
