"""What `tasuki kpi verify` does and prints."""

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from services.metrics.verify.check import Report, verify
from shared.clock import SystemClock
from shared.config import load_config
from shared.db import connect
from shared.eventlog.opened import open_log
from shared.periods import business_date
from shared.settings import Settings

STATEMENT_TIMEOUT_S = 86_400
"""One answer over all events may take longer than a service may."""


async def run(settings: Settings, progress: Progress) -> Report:
    """Verify the numbers of this installation. Raises ConfigError, DatabaseUnavailable, LogUnavailable."""
    settings = settings.model_copy(update={"statement_timeout_s": STATEMENT_TIMEOUT_S})
    config = load_config(settings.config_dir)
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what)
        progress.update(tasks[what], completed=done, total=total or None)

    today = business_date(SystemClock().now(), settings.zone)
    engine = connect(settings, "verify", pool_size=1)
    try:
        log = await open_log(settings)
        try:
            return await verify(engine, log, config, settings, today, tell)
        finally:
            await log.close()
    finally:
        await engine.dispose()


def print_report(report: Report, console: Console) -> None:
    """The differences as a table, or that there are none."""
    if report.differences:
        table = Table("what", "where", "live", "recounted")
        for d in report.differences:
            table.add_row(*map(escape, (d.what, d.where, d.live, d.recounted)))
        console.print(table)
        if report.different > len(report.differences):
            console.print(f"... and {report.different - len(report.differences):,} more")
        console.print(f"{report.different:,} differences. After a change of config/, restart Tasuki before you verify.")
    else:
        console.print(f"none: {report.kpis} KPIs, {report.cells:,} cells equal, {report.events:,} events")
    console.print(
        f"left out of the log: {report.duplicates:,} duplicates, {report.set_aside:,} dead letters, "
        f"{report.undecodable:,} undecodable"
    )
