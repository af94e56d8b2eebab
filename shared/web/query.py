"""Query parameters as msgspec structs, and paging by opaque cursors."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from shared import times
from shared.mistakes import FieldError, explain
from shared.web.bodies import parse_json
from shared.web.problems import Problem, invalid

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

MAX_PARAMETERS = 50
Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]


class Paging(msgspec.Struct, kw_only=True):
    """Base of the query of an endpoint that answers in pages."""

    limit: Limit = 50
    cursor: str | None = None


def parse_query(raw: bytes, type_: type[S]) -> S:
    """`a=1&b=x` as the struct. Raises Problem 422, also for a parameter that is unknown or given twice."""
    values: dict[str, str] = {}
    known = [f.encode_name for f in msgspec.structs.fields(type_)]
    moments = {name for name, *_ in times.places(type_)}
    for name, value in _pairs(raw):
        if name not in known:
            shown = ", ".join(known) or "none"
            raise _wrong(name, f"This parameter is not known here; known: {shown}.")
        if name in values:
            raise _wrong(name, "This parameter may be given once only.")
        if "\0" in value:
            raise _wrong(name, "A parameter may not hold NUL.")
        if name in moments and ":" not in value:  # a number would be taken for seconds since 1970
            raise _wrong(name, "A time is written as RFC 3339 wants it, as in 2026-11-24T10:00:00Z.")
        values[name] = value
    try:
        return times.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        raise invalid([explain(error, values, type_, strict=False)]) from error


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        text = raw.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS) if text else []
    except UnicodeDecodeError as error:
        raise _wrong("", "The query must be percent-encoded UTF-8.") from error
    except ValueError as error:
        raise _wrong("", f"The query may have {MAX_PARAMETERS} parameters at most.") from error


def _wrong(name: str, detail: str) -> Exception:
    pointer = "/" + name[:50].replace("~", "~0").replace("/", "~1") if name else ""
    return invalid([FieldError(pointer, detail)])


Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Where a page of a list goes on that is in the order of a number."""


def read_cursor(cursor: str | None, type_: type[T]) -> T | None:
    """The position that a cursor stands for, None at the beginning. Raises Problem 422 for what we never gave out."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        said = parse_json(base64.b64decode(padded, altchars=b"-_", validate=True))
        return msgspec.convert(said, type_)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, ValueError, Problem) as error:
        raise _wrong("cursor", "This is not a cursor of this list; take `next_cursor` of its last page.") from error


def page(items: Sequence[Any], limit: int, position: Any) -> dict[str, Any]:
    """The answer of a list: `items` holds up to `limit` + 1 rows as read; the last one only tells that more follow.

    `position(item)` gives what the cursor must hold to go on after the item.
    """
    shown = items[:limit]
    more = len(items) > limit
    return {"items": shown, "next_cursor": _cursor(position(shown[-1])) if more else None}


def _cursor(position: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()
