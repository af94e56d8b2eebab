"""What the data of all events is made of."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from shared.money import Money

Text = Annotated[str, msgspec.Meta(max_length=500)]
LongText = Annotated[str, msgspec.Meta(max_length=20_000)]
SealableText = Annotated[str, msgspec.Meta(max_length=120_000)]
"""A LongText, or what it becomes when it is sealed (shared/sealing.py)."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]
Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]

FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far in the future the time of an event may lie: clocks differ."""
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""Before any inside sales: a time before it is a mistake, and would make numbers begin there."""

FieldStatus = Literal["confirmed", "denied", "assumed", "unknown"]
Method = Literal["form", "hearing", "tool"]
Direction = Literal["outbound", "inbound"]
CallOutcome = Literal["no_answer", "busy", "voicemail", "invalid_number", "gatekeeper", "conversation"]
Channel = Literal[
    "email", "sns_dm", "cxo_letter", "partner", "advisor", "seminar", "community", "newsletter", "auto_email", "other"
]
TouchOutcome = Literal["sent", "opened", "clicked", "replied", "bounced", "attended", "declined"]
HowSet = Literal[
    "call",
    "email",
    "sns_dm",
    "cxo_letter",
    "partner",
    "advisor",
    "seminar",
    "community",
    "newsletter",
    "auto_email",
    "other",
]
ContentKind = Literal["template", "snippet", "talk", "case_study"]
Language = Literal["ja", "en"]
ReturnReason = Literal[
    "unreachable", "bad_data", "no_need", "no_budget", "no_authority", "bad_timing", "not_a_fit", "duplicate"
]
FieldValue = str | int | float | bool | list[str] | Money


def check_times(*moments: datetime | None) -> None:
    """Raises ValueError for a time that UTC cannot tell: the first and last hours of the calendar, by their offset.

    For `__post_init__`: whoever takes such a time cannot answer it again.
    """
    for moment in moments:
        if moment is not None and not 1 < moment.year < 9999:
            raise ValueError(f"the year {moment.year} lies outside of 2 to 9998")


def check_days(*days: date) -> None:
    """Raises ValueError for a day before any inside sales. For `__post_init__`."""
    for day in days:
        if day < EARLIEST.date():
            raise ValueError(f"{day} lies before the year {EARLIEST.year}")


class Undecodable(Exception):
    """A record that is no event we understand. `reason` is a short stable word, the message says more."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the data of every event type.

    ALWAYS: what stands in the log also where it says nothing, for readers that expect it. It is no part of an event's
    content (`content_digest`), so releases that do not write it agree with those that do.
    """

    ALWAYS: ClassVar[Mapping[str, Any]] = {}
