"""docs/reference/cli.md, made from the commands that typer knows, those of services among them."""

from collections.abc import Iterator
from typing import Any

from typer import Context
from typer.main import get_command

from shared.cli import app
from shared.web.keys_cli import keys

INTRODUCTION = """\
# Commands

`tasuki` runs, prepares and looks after a system. It reads the same settings as the services
([settings](../settings.md)), and works on their database, the running services or a folder of data, as each command
says. `tasuki COMMAND --help` tells the same in a terminal. Beside it `python -m services.ingest` (`handoff`, `metrics`,
`outreach`, `console`) runs one service in the foreground, as systemd and containers do.

This page is generated from the commands themselves (`make generate`).
"""
STANDING_ALONE: dict[str, Any] = {"keys": keys}
"""Commands of a program of their own, which is only loaded when it is asked for."""


def cli_page() -> str:
    """The page's text."""
    return INTRODUCTION + "".join(_commands(get_command(app), "tasuki", 2))


def _commands(group: Any, path: str, level: int) -> Iterator[str]:
    for name, command in group.commands.items():
        if path == "tasuki" and name in STANDING_ALONE:
            command = get_command(STANDING_ALONE[name])
        yield f"\n{'#' * level} {path} {name}\n\n{command.help}\n"
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}", level + 1)
        else:
            yield _parameters(command)


def _parameters(command: Any) -> str:
    context = Context(command)
    rows = "".join(_row(parameter, context) for parameter in command.params)
    return f"\n| | | |\n|---|---|---|\n{rows}" if rows else ""


def _row(parameter: Any, context: Context) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.name.upper()
    else:
        name = (
            parameter.opts[0]
            if parameter.is_flag
            else f"{parameter.opts[0]} {parameter.display_type(context).replace(' range', '')}"
        )
    if parameter.required:
        said = "required"
    else:
        default = getattr(parameter.default, "value", parameter.default)
        said = "" if default in (None, False) else f"default `{default}`"
    return f"| `{name.replace('|', chr(92) + '|')}` | {said} | {parameter.help} |\n"
