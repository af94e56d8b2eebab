"""Parts of a body whose shape nobody promises: each is of the kind that is asked for, or None. Pure."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from services.ingest.providers.base import Unusable
from shared.events import Timestamp

T = TypeVar("T")


def part(value: Any, *path: str) -> Any:
    """What stands at a path of names in nested objects."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def mapping(value: Any) -> dict[str, Any] | None:
    """An object."""
    return value if isinstance(value, dict) else None


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none when it holds something else, too."""
    return value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else []


def text(value: Any) -> str | None:
    """Text that is not blank. A whole number is text, too: some senders write identities so."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def choice(value: Any, *options: str) -> str | None:
    """One of these texts."""
    return value if isinstance(value, str) and value in options else None


def instant(value: Any, per_s: int = 1) -> datetime | None:
    """A time: text of RFC 3339 with its offset, or a number since 1970 in seconds (`per_s` of its units)."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / per_s, UTC)
        moment: datetime = msgspec.convert(value, Timestamp)
    except (msgspec.ValidationError, ValueError, OverflowError, OSError):
        return None
    return moment


def seconds_between(start: datetime | None, end: datetime | None) -> int | None:
    """Whole seconds; None when one of the times is not known, or they stand in the wrong order."""
    if start is None or end is None or end < start:
        return None
    return int((end - start).total_seconds())


def needed(value: T | None, name: str) -> T:
    """The value. Raises Unusable, which names the part but never tells what stood there."""
    if value is None:
        raise Unusable(f"`{name}` is missing, or of another kind than this provider documents")
    return value
