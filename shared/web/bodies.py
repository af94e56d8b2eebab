"""JSON that came from outside: strict parsing, then conversion to a type with JSON pointers for what is wrong.

Stricter than RFC 8259 asks, because what is let in here goes to PostgreSQL and to every consumer: no duplicate keys
(which one would count?), no NaN or infinity, no NUL or lone surrogate (PostgreSQL's text cannot hold them), integers of
64 bits at most.
"""

import json
import math
import re
from functools import cache
from types import UnionType
from typing import Any, NoReturn, TypeVar, cast, get_args, get_origin

import msgspec

from shared import times
from shared.mistakes import FieldError, explain
from shared.web.problems import invalid, not_json

T = TypeVar("T")

MAX_DEPTH = 64
INT64 = 2**63

_STRUCTURE = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(c for c in range(256) if c not in b'[]{}"\\')
# An unterminated string matches to the end, else each of its escaped quotes would be tried anew: quadratic.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_ESCAPE_TO_CHECK = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNFIT_CHARACTER = re.compile("[\x00\ud800-\udfff]")


class _Unfit(Exception):
    """JSON that is well formed but holds what we do not take."""


def parse_json(raw: bytes) -> Any:
    """The value of a JSON text. Raises Problem 400 (not JSON, too deep) or 422 (holds what we do not take)."""
    if _is_too_deep(raw):
        raise not_json(f"It is cut off or nested more than {MAX_DEPTH} levels deep.")
    try:
        value = _decode(raw.decode())
    except UnicodeDecodeError as error:
        raise not_json(f"It is not UTF-8 (byte {error.start}).") from error
    except ValueError as error:
        raise not_json(f"{error}.") from error
    except _Unfit as error:
        raise invalid([FieldError("", str(error))]) from error
    if _ESCAPE_TO_CHECK.search(raw):
        _check_characters(value)
    return value


def convert(value: Any, type_: type[T]) -> T:
    """A parsed value as a type, strictly. Raises Problem 422 with a pointer to what is wrong."""
    if isinstance(value, _plain(type_)):  # type: ignore[arg-type]  # every type is hashable
        return cast("T", value)
    try:
        return times.convert(value, type_)
    except msgspec.ValidationError as error:
        raise invalid([explain(error, value, type_)]) from error


@cache
def _plain(type_: Any) -> tuple[type, ...]:
    """(dict, list) for `dict[str, Any] | list[Any]`, as nothing of such is converted (asking msgspec costs 3 % of a
    request); empty for all other types."""
    whole: dict[Any, type] = {dict[str, Any]: dict, list[Any]: list}
    parts = get_args(type_) if get_origin(type_) is UnionType else (type_,)
    return tuple(whole[part] for part in parts) if all(part in whole for part in parts) else ()


def _is_too_deep(raw: bytes) -> bool:
    """Whether brackets are left after taking off MAX_DEPTH levels: too deep, or not closed. Linear in C.

    Where strings hold no bracket or quote they vanish at once; only otherwise are they cut out by a regular expression.
    """
    if _peel(raw.translate(_STRUCTURE, _NOT_STRUCTURE).replace(b'""', b"")):
        return bool(_peel(_STRING.sub(b"", raw).translate(_STRUCTURE, _NOT_STRUCTURE)))
    return False


def _peel(brackets: bytes) -> bytes:
    for _ in range(MAX_DEPTH):
        rest = brackets.replace(b"[]", b"")
        if len(rest) == len(brackets):
            break
        brackets = rest
    return brackets


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Unfit("An object has the same key twice.")
    return made


def _integer(text: str) -> int:
    number = int(text) if len(text) <= 20 else INT64
    if not -INT64 <= number < INT64:
        raise _Unfit(f"The number {text[:24]} does not fit in 64 bits.")
    return number


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Unfit(f"The number {text[:24]} is too large.")
    return number


def _constant(text: str) -> NoReturn:
    raise _Unfit(f"{text} is not a number that JSON knows.")


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode


def _check_characters(value: Any) -> None:
    """Raises Problem 422 when any string in the value holds NUL or a lone surrogate."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _UNFIT_CHARACTER.search(item):
                detail = r"A string holds \u0000 or half of a surrogate pair, which is no character."
                raise invalid([FieldError("", detail)])
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
