"""Values from outside as types whose times are written as RFC 3339 wants them. Pure.

msgspec takes an offset without its colon, too (`+0900`). What is in the log is read by msgspec alone: it is there, and
what other programs write to it is theirs.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T")

_EACH = "*"
"""In the place of a time: every item of a list."""
_SIGNS = ("+", "-")
_OUTER_DAYS = ("0001-01-01", "9999-12-31")


def convert(value: Any, type_: type[T], *, strict: bool = True) -> T:
    """As `msgspec.convert`. Raises msgspec.ValidationError also for a time whose offset has no colon, and for one that
    UTC has no year for: no answer could tell it and no database hold it."""
    made = msgspec.convert(value, type_, strict=strict)
    for place in places(type_):  # type: ignore[arg-type]  # every type is hashable
        if fault := _fault(value, place):
            raise msgspec.ValidationError(fault)
    return made


@cache
def places(type_: Any, within: tuple[Any, ...] = ()) -> tuple[tuple[str, ...], ...]:
    """Where in a value of a type times stand: names of fields, each within the one before."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        if type_ in within:
            return ()
        fields = [(f.encode_name, places(f.type, (*within, type_))) for f in msgspec.structs.fields(type_)]
        return tuple((name, *place) for name, of_field in fields for place in of_field)
    if type_ is datetime:
        return ((),)
    found = dict.fromkeys(place for part in get_args(type_) for place in places(part, within))
    return tuple((_EACH, *place) for place in found) if get_origin(type_) is list else tuple(found)


def _fault(value: Any, place: tuple[str, ...], path: str = "$") -> str | None:
    """What is wrong with a time that stands there, and where that is."""
    for depth, name in enumerate(place):
        if isinstance(value, list):
            here = ".".join((path, *place[:depth]))
            faults = (_fault(item, place[depth + 1 :], f"{here}[{n}]") for n, item in enumerate(value))
            return next((fault for fault in faults if fault), None)
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    wrong = _wrong(value) if isinstance(value, str) else None
    return wrong and f"{wrong} - at `{'.'.join((path, *place))}`"


def _wrong(time: str) -> str | None:
    if time[-5:-4] in _SIGNS:  # what msgspec took ends in Z, +09:00 or +0900
        return "RFC 3339 writes an offset with a colon, as in +09:00"
    if time[:10] in _OUTER_DAYS:
        try:
            msgspec.convert(time, datetime).astimezone(UTC)
        except OverflowError:
            return "This time lies beyond the years 1 to 9999 of UTC"
    return None
