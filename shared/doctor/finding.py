"""What the doctor finds."""

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How a finding is to be taken. Only `wrong` makes the doctor's exit status 1."""

    OK = "ok"
    WATCH = "watch"
    WRONG = "wrong"


class Finding(NamedTuple):
    """One thing that was looked at: where, how it is, and what to do where it is not well. Never holds a secret."""

    area: str
    state: State
    what: str
    do: str = ""


def judged(area: str, what: str, *, wrong: bool = False, watch: bool = False, do: str = "") -> Finding:
    """A finding that is well unless told otherwise; `do` is said only then."""
    state = State.WRONG if wrong else State.WATCH if watch else State.OK
    return Finding(area, state, what, do if wrong or watch else "")
