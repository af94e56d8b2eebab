"""Kinds of activities: all that conditions on events can tell apart, in one word. Pure.

A lead has few kinds however many activities it has, so the first of each is found without walking through the others.
"""

from typing import get_args

from shared.conditions import EVENT_FILTERS, Condition
from shared.events import Channel, Data

_SEPARATOR = "|"  # in no word of the contract
APPOINTMENTS = tuple(f"appointment||||{status}" for status in ("set", "held", "cancelled", "no_show"))
"""The kinds of all that is told of appointments."""
OPPORTUNITIES = tuple(f"opportunity||||{status}" for status in ("created", "valid", "invalid", "won", "lost"))
"""The kinds of all that is told of opportunities."""
CONTENT = tuple(
    f"{what}|{channel}|"
    for what in ("content-used||", *(f"touch|outbound|{outcome}" for outcome in ("", "sent", "opened", "clicked")))
    for channel in ("", *get_args(Channel))
)
"""The kinds of what sends content to a lead."""


def kind_of(name: str, data: Data) -> str:
    """`call|outbound|no_answer||`: the name and the words that a condition may filter by."""
    return _SEPARATOR.join([name, *(getattr(data, filter_, None) or "" for filter_ in EVENT_FILTERS)])


def counts(condition: Condition, kind: str) -> bool:
    """Whether a condition on events counts activities of this kind."""
    name, *words = kind.split(_SEPARATOR)
    wanted = (getattr(condition, filter_) for filter_ in EVENT_FILTERS)
    return name == condition.event and all(want in (None, word) for want, word in zip(wanted, words, strict=True))
