"""Which path a request asks for."""

from collections.abc import Sequence
from urllib.parse import unquote

from starlette.types import Scope


def parts(scope: Scope) -> list[str]:
    """The parts of a request's path. They are told apart before they are decoded: `a%2Fb` is one, and a lead may be
    called that."""
    return [unquote(part) for part in scope["raw_path"].decode("ascii").split("/")]


def parameters(pattern: Sequence[str], given: Sequence[str]) -> dict[str, str] | None:
    """What stands for `{name}` in the parts of a path; None where the pattern is another one."""
    if len(pattern) != len(given):
        return None
    found: dict[str, str] = {}
    for wanted, part in zip(pattern, given, strict=True):
        if wanted.startswith("{") and part:
            found[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return found
