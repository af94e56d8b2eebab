"""What every service answers."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

Words = dict[str, str]
"""A text in several languages: `{"ja": ..., "en": ...}`."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list; `next_cursor` is None on the last one."""

    items: list[T]
    next_cursor: str | None = None


class OwnKey(msgspec.Struct, frozen=True):
    """The name and the scopes of the client's own key; `admin` holds all others."""

    name: str
    scopes: list[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the log that a service could not take: where it stands, and why."""

    id: str
    topic: str
    partition: int
    offset: int
    reason: str
    error: str = ""
