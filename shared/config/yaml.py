"""YAML as the configuration may use it: plain data, and the line on which each part of it stands.

Stricter than YAML: a key given twice, anchors, aliases and tags are mistakes. As in YAML 1.2 only `true` and `false`
are booleans (`no`, `on`, `yes` are texts), and dates stay texts, so that each is converted by the type that wants it.
A number with a leading zero stays a text, since it is a telephone number or another code. Keys are always texts.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from shared.config.errors import ConfigError

Path = tuple[str | int, ...]
MAX_DEPTH = 64

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][-+]?[0-9]{1,2})?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


def parse(text: str, file: str) -> tuple[Any, dict[Path, int]]:
    """The data of one YAML document, and the line (from 1) of every key and item by its path. Raises ConfigError."""
    builder = _Builder(file, yaml.parse(text, Loader=_LOADER))
    try:
        return builder.document(), builder.lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = f"this is not YAML: {error.problem or error.context}; check indentation, colons and quotes"
        raise ConfigError(file, mark.line + 1 if mark else 1, reason) from error
    except yaml.YAMLError as error:
        raise ConfigError(file, 1, f"this is not YAML: {error}") from error


class _Builder:
    """Turns the parser's events into data; PyYAML's own loader resolves aliases and keeps the last of equal keys."""

    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self._file = file
        self._events = events
        self.lines: dict[Path, int] = {}

    def document(self) -> Any:
        data = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "a second document begins here; remove the line `---`")
                data = self._value(next(self._events), ())
        return data

    def _value(self, event: yaml.Event, path: Path) -> Any:
        self.lines.setdefault(path, _line(event))
        if isinstance(event, yaml.AliasEvent):
            raise self._error(event, f"aliases (*{event.anchor}) are not allowed; write the value out")
        if getattr(event, "anchor", None):
            raise self._error(event, "anchors (&) are not allowed; write the value out where it is needed")
        if getattr(event, "tag", None):
            raise self._error(event, "tags (!) are not allowed; write the plain value")
        if len(path) > MAX_DEPTH:
            raise self._error(event, f"this is nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        raise self._error(event, "a value was expected here")

    def _mapping(self, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error(event, "a key must be a plain word")
            key = event.value
            here = (*path, key)
            if key in data:
                raise self._error(
                    event, f"the key `{key}` stands here twice, first on line {self.lines[here]}; keep one"
                )
            self.lines[here] = _line(event)
            data[key] = self._value(next(self._events), here)
        return data

    def _sequence(self, path: Path) -> list[Any]:
        data: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            data.append(self._value(event, (*path, len(data))))
        return data

    def _error(self, event: yaml.Event, reason: str) -> ConfigError:
        return ConfigError(self._file, _line(event), reason)


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if not event.implicit[0]:  # quoted, or a block
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
