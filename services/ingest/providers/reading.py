"""What stands somewhere in a parsed body, or nothing: no sender is trusted to keep to a form. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

MAX_ID = 200
_MILLISECONDS_FROM = 10**11
"""As seconds that would be the year 5138; as milliseconds it is 1973."""


def object_at(value: Any, *path: str) -> dict[str, Any]:
    """The object below the names, empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def objects_in(value: Any) -> list[dict[str, Any]]:
    """Those entries of a list that are objects."""
    return [entry for entry in list_of(value) if isinstance(entry, dict)]


def text_of(value: Any) -> str | None:
    """A text that says something, or a whole number as one: ids come as both."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def id_of(value: Any) -> str | None:
    """What may be an identity: 1 to 200 printable characters without spaces."""
    text = text_of(value)
    return text if text and len(text) <= MAX_ID and text.isprintable() and " " not in text else None


def time_of(value: Any) -> datetime | None:
    """An ISO 8601 text (UTC where it has no offset), or seconds or milliseconds since 1970, as a time in UTC."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value.strip())
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def in_order(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those of these names first, in their order: of several that mean one field the first counts."""
    return {name: values[name] for name in names if name in values} | dict(values)
