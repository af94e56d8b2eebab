"""One configuration file: its data, its lines, and its conversion into typed structs with errors that name the line."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, TypeVar

import msgspec

from shared.condition_check import Mistake
from shared.config.errors import ConfigError
from shared.config.yaml import Path, parse

T = TypeVar("T")
_WHERE = re.compile(r"^(?P<reason>.*?)(?: - at (?:`key` in )?`(?P<path>\$.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]|(?P<some>\[\.\.\.\])")
_NAMED_KEY = re.compile(r"^Object contains unknown field `(?P<key>.+)`$", re.DOTALL)


@dataclass(frozen=True)
class Document:
    """Parsed YAML. A path is a tuple of keys and indices from the top: `("members", 0, "role")`."""

    data: Any
    file: str
    lines: dict[Path, int] = field(default_factory=dict, repr=False)

    def line_of(self, path: Iterable[str | int]) -> int:
        """The line of a part, else that of the nearest part around it."""
        at = tuple(path)
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)

    def error(self, path: Iterable[str | int], reason: str) -> ConfigError:
        """The error to raise for a part of the file."""
        return ConfigError(self.file, self.line_of(path), reason)

    def refuse(self, mistakes: Iterable[Mistake]) -> None:
        """Raises the error of the first mistake, if there is one."""
        for mistake in mistakes:
            raise self.error(mistake.path, mistake.reason)

    def convert(self, kind: type[T]) -> T:
        """The data as a type that msgspec knows. Raises ConfigError."""
        try:
            return msgspec.convert(self.data, kind)
        except msgspec.ValidationError as error:
            raise self._explained(str(error), kind) from error

    def _explained(self, message: str, kind: Any) -> ConfigError:
        match = _WHERE.match(message)
        reason, written = (match["reason"], match["path"] or "$") if match else (message, "$")
        if self.data is None:
            nothing = (
                "nothing stands in this file; remove it where it may be missing, or take the one that Tasuki ships"
            )
            return self.error((), nothing)
        path = self._path(written, message, kind)
        unknown = _NAMED_KEY.match(reason)
        if unknown:
            return self._unknown_key((*path, unknown["key"]))
        hint = ""
        if reason.startswith("Expected `str`, got `"):
            hint = "; put the value in quotes"
        elif reason.startswith("Object missing required field"):
            hint = "; add it"
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        return self.error(path, f"{where}: {reason}{hint}" if where else f"{reason}{hint}")

    def _unknown_key(self, path: Path) -> ConfigError:
        # In {ja: ..., en: one, two} the comma ends the text, and `two` becomes a key without a value.
        comma = (
            "; if it belongs to a text with a comma, put that text in quotes" if _part(self.data, path) is None else ""
        )
        return self.error(path, f"the key `{path[-1]}` is not known here; correct or remove it{comma}")

    def _path(self, written: str, message: str, kind: Any) -> Path:
        """msgspec's `$.roles[...].weights` as a path; it names no key of a mapping, so that is found by trying."""
        path: Path = ()
        for step in _STEP.finditer(written):
            if step["key"] is not None:
                path = (*path, step["key"])
            elif step["index"] is not None:
                path = (*path, int(step["index"]))
            else:
                key = self._key_at_fault(path, message, kind)
                if key is None:
                    return path
                path = (*path, key)
        return path

    def _key_at_fault(self, path: Path, message: str, kind: Any) -> str | None:
        inside = _part(self.data, path)
        for key, value in inside.items() if isinstance(inside, dict) else ():
            try:
                msgspec.convert(_replaced(self.data, path, {key: value}), kind)
            except msgspec.ValidationError as error:
                if str(error) == message:
                    return str(key)
        return None


def _part(data: Any, path: Path) -> Any:
    """What stands at the path, None when nothing does."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
    return data


def _replaced(data: Any, path: Path, value: Any) -> Any:
    """A copy of the data with another value at the path."""
    if not path:
        return value
    copy = data.copy()
    copy[path[0]] = _replaced(data[path[0]], path[1:], value)
    return copy


def read(folder: FilePath, name: str) -> Document:
    """The file of that name, which has to be there. Raises ConfigError."""
    document = read_if_there(folder, name)
    if document is None:
        reason = "the file is missing; take the one that Tasuki ships, or set TASUKI_CONFIG_DIR to your folder"
        raise ConfigError(str(folder / name), 1, reason)
    return document


def read_if_there(folder: FilePath, name: str) -> Document | None:
    """The file of that name, None when there is none. Raises ConfigError."""
    path = folder / name
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(str(path), 1, f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(str(path), line, "this is not UTF-8; save the file in UTF-8") from error
    data, lines = parse(text, str(path))
    return Document(data, str(path), lines)
