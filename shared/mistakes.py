"""What is wrong in something that came from outside, and where: the same form for everybody who checks. Pure."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

_PATH = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`$")
_PATH_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_SEARCHED_MAX = 100_000
"""Values that are converted to find a key at most: each key that might be meant takes all of the rest once more."""


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong in a request: `pointer` is a JSON pointer (RFC 6901) into the body or names a parameter."""

    pointer: str
    detail: str


def explain(error: msgspec.ValidationError, value: Any, type_: Any, *, strict: bool = True) -> FieldError:
    """What is wrong and where. msgspec writes `[...]` for a key of a mapping; we look for the key that it means."""
    text = str(error)
    found = _PATH.search(text)
    if not found:
        return FieldError("", text)
    detail = text[: found.start()]
    parts = [name or index for name, index in _PATH_PART.findall(found["path"])]
    if "..." in parts:
        parts = _with_keys(parts, text, value, type_, strict)
    return FieldError(pointer(*parts), detail)


def pointer(*parts: str) -> str:
    """The JSON pointer of a path."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _with_keys(parts: list[str], text: str, value: Any, type_: Any, strict: bool) -> list[str]:
    """The path with each `...` replaced by the key that alone brings the same error; cut off where none is found."""
    known: list[str] = []
    for part in parts:
        if part != "...":
            known.append(part)
            continue
        mapping = _at(value, known)
        if not isinstance(mapping, dict) or not _is_small(value, _SEARCHED_MAX // max(len(mapping), 1)):
            return known
        for key in mapping:
            reduced = _replaced(value, known, {key: mapping[key]})
            try:
                msgspec.convert(reduced, type_, strict=strict)
            except msgspec.ValidationError as error:
                if str(error) == text:
                    known.append(str(key))
                    value = reduced
                    break
        else:
            return known
    return known


def _is_small(value: Any, most: int) -> bool:
    """Whether no more than so many values stand in one, itself included; looks at no more than that."""
    return sum(1 for _ in islice(_inside(value), most + 1)) <= most


def _inside(value: Any) -> Iterator[Any]:
    waiting = [iter((value,))]
    while waiting:
        for one in waiting[-1]:
            yield one
            if isinstance(one, dict | list):
                waiting.append(iter(one.values() if isinstance(one, dict) else one))
                break
        else:
            waiting.pop()


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value.get(part)
    return value


def _replaced(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    part, rest = path[0], path[1:]
    if isinstance(value, list):
        index = int(part)
        return [*value[:index], _replaced(value[index], rest, new), *value[index + 1 :]]
    return value | {part: _replaced(value[part], rest, new)}
