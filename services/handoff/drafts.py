"""Policies and times as clients send them."""

from collections.abc import Callable
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

import msgspec

from services.handoff import policies
from shared.fields import FieldRegistry
from shared.policy import Policy, check_policy
from shared.web import FieldError, convert, invalid

MISTAKES_MAX = 50
"""How many are told at once: one body has room for a hundred thousand, and each may list all segments."""


class _Body(msgspec.Struct):
    policy: Policy


def read_policy(document: dict[str, Any], registry: FieldRegistry, *, inside: bool = False) -> Policy:
    """The policy of a document, which may be one that was answered before.

    inside: it stands under `policy` in the body, not as all of it. Raises Problem 422 with its first MISTAKES_MAX
    mistakes.
    """
    said = {name: value for name, value in document.items() if name not in policies.ANSWERED_BESIDE}
    policy = convert({"policy": said}, _Body).policy if inside else convert(said, Policy)
    if mistakes := list(islice(check_policy(policy, registry), MISTAKES_MAX)):
        at = "/policy" if inside else ""
        raise invalid([FieldError(at + _pointer(m.path), m.reason) for m in mistakes])
    return policy


def bound(read: Callable[[str, tzinfo], datetime], text: str, zone: tzinfo, pointer: str) -> datetime:
    """An end of a time, by `bounds.begin_of` or `end_of`. Raises Problem 422."""
    try:
        return read(text, zone)
    except ValueError as error:
        raise invalid([FieldError(pointer, str(error))]) from error


def _pointer(path: tuple[str | int, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
