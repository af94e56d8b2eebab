"""docs/settings.md, made from the settings themselves."""

from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from shared.settings import Settings

_INTRODUCTION = """\
# Settings

Tasuki is set by environment variables, read once at start; a value that makes no sense stops the start and says why.
What the team works by (fields, sources, policies, targets ...) is in the YAML files of `TASUKI_CONFIG_DIR`.

This page is generated from `shared/settings.py` (`make generate`).
"""


def settings_page() -> str:
    """The page's text."""
    return _INTRODUCTION + "".join(_entry(name, field) for name, field in Settings.model_fields.items())


def _entry(name: str, field: FieldInfo) -> str:
    default = "not set" if field.default is None else f"`{field.default}`"
    allowed = _allowed(field)
    return (
        f"\n## TASUKI_{name.upper()}\n\n{field.description}\n\nDefault: {default}."
        + (f" Allowed: {allowed}." if allowed else "")
        + "\n"
    )


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    bounds = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    bounds["min_length"] = "at least {} characters"
    found = [
        text.format(getattr(rule, bound))
        for rule in field.metadata
        for bound, text in bounds.items()
        if hasattr(rule, bound)
    ]
    return ", ".join(found)
