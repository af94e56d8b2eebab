"""`tasuki kpi`: make the numbers anew, show that they are right, and tell how closed periods moved."""

import asyncio
import sys
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="The numbers: make them anew, and show that they are right.")


@app.command()
def verify() -> None:
    """Count every KPI again from the log by other means, and list what differs from the live numbers: nothing."""
    from rich.console import Console
    from rich.progress import Progress

    from services.metrics.verify.command import print_report, run
    from shared.config import ConfigError
    from shared.db import DatabaseUnavailable
    from shared.eventlog.port import LogError
    from shared.terminal import fail, read_settings, to_mend, with_database

    settings = with_database(read_settings())
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            report = asyncio.run(run(settings, progress))
    except ConfigError as error:
        fail(str(error))
    except LogError as error:
        fail(str(to_mend(error)))
    except DatabaseUnavailable as error:
        fail(f"the database cannot be reached; is Tasuki running? ({error})")
    print_report(report, Console())
    raise SystemExit(1 if report.different else 0)


@app.command()
def restated(
    period: Annotated[str, typer.Option(help="The closed period, such as 2026-10, 2026-W48, 2026-Q4 or FY2026.")],
    grain: Annotated[
        Literal["day", "week", "month", "quarter", "fiscal_year"] | None,
        typer.Option(help="Its grain; the period's name tells it."),
    ] = None,
    kpi: Annotated[str | None, typer.Option(help="Only this KPI.")] = None,
) -> None:
    """List the KPIs of a closed period that have moved since it closed, how much, and how many events moved them."""
    from rich.console import Console

    from services.metrics.restatement.command import Unanswerable, print_report, run
    from shared.config import ConfigError
    from shared.db import DatabaseUnavailable
    from shared.terminal import fail, read_settings, with_database

    settings = with_database(read_settings())
    try:
        with Console(stderr=True).status("finding what was known when the period closed"):
            report = asyncio.run(run(settings, grain, period, kpi))
    except (ConfigError, Unanswerable) as error:
        fail(str(error))
    except DatabaseUnavailable as error:
        fail(f"the database cannot be reached; is Tasuki running? ({error})")
    print_report(report, Console())


@app.command()
def rebuild() -> None:
    """Make every number anew from the stored events, while the old ones go on being answered and events are taken."""
    from services.metrics.rebuild.command import run
    from shared.client import TasukiError
    from shared.terminal import fail, read_settings, to_mend

    try:
        events = run(read_settings())
    except TasukiError as error:
        fail(str(to_mend(error)))
    print(f"made anew from {events:,} events")
