"""Values from outside as types whose times are written as RFC 3339 wants them. Pure.

msgspec takes an offset without its colon, too (`+0900`). What is in the log is read by msgspec alone: it is there, and
what other programs write to it is theirs.
"""

from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T")

_EACH = "*"
"""In the place of a time: every item of a list."""
_SIGNS = ("+", "-")


def convert(value: Any, type_: type[T], *, strict: bool = True) -> T:
    """As `msgspec.convert`. Raises msgspec.ValidationError also for a time whose offset has no colon."""
    made = msgspec.convert(value, type_, strict=strict)
    for place in places(type_):  # type: ignore[arg-type]  # every type is hashable
        if path := _unfit(value, place, "$"):
            raise msgspec.ValidationError(f"RFC 3339 writes an offset with a colon, as in +09:00 - at `{path}`")
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


def _unfit(value: Any, place: tuple[str, ...], path: str) -> str | None:
    """The path to a time that stands there and is not written so: what msgspec took ends in Z, +09:00 or +0900."""
    if not place:
        return path if isinstance(value, str) and value[-5:-4] in _SIGNS else None
    if isinstance(value, list):
        found = (_unfit(item, place[1:], f"{path}[{n}]") for n, item in enumerate(value))
        return next((unfit for unfit in found if unfit), None)
    return _unfit(value.get(place[0]), place[1:], f"{path}.{place[0]}") if isinstance(value, dict) else None
