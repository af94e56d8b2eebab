"""`tasuki policy`: try a policy on the past before using it."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Policies: when a lead may be handed to sales.")


class Known(StrEnum):
    """From when on a fact was known."""

    observed = "observed"
    recorded = "recorded"


@app.callback()
def commands() -> None:
    """Policies: when a lead may be handed to sales."""


@app.command()
def backtest(
    draft: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A policy as YAML.")],
    begin: Annotated[str, typer.Option("--from", help="The first day, such as 2026-04-01, or a time with an offset.")],
    end: Annotated[str, typer.Option("--to", help="The last day.")],
    known: Annotated[
        Known, typer.Option(help="Whether facts count from when they were said, or from when they were recorded here.")
    ] = Known.observed,
    json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Say what a policy would have done with the leads of the past, beside what was done."""
    from rich.console import Console
    from rich.progress import Progress

    from services.handoff.backtest.command import Untriable, print_report, run
    from shared.config import ConfigError
    from shared.db import DatabaseUnavailable
    from shared.terminal import fail, read_settings, with_database

    settings = with_database(read_settings())
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            report = asyncio.run(run(settings, draft, begin, end, known.value, progress))
    except (ConfigError, Untriable) as error:
        fail(str(error))
    except DatabaseUnavailable as error:
        fail(f"the database cannot be reached; is Tasuki running? ({error})")
    print_report(report, Console(), whole=json)
