"""What `tasuki policy backtest` does and prints."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.handoff import policies
from services.handoff.backtest.reading import KnownBy
from services.handoff.backtest.report import Group, Groups, Report
from services.handoff.backtest.run import Task
from services.handoff.backtest.run import run as backtest
from services.handoff.bounds import begin_of, end_of
from shared.clock import SystemClock
from shared.config import load_config
from shared.config.policies import read_draft
from shared.db import connect, transaction
from shared.money import Money
from shared.periods import business_date
from shared.settings import Settings


class Untriable(Exception):
    """What was asked for cannot be tried; the text says why."""


async def run(settings: Settings, draft: Path, begin: str, end: str, known_by: KnownBy, progress: Progress) -> Report:
    """Try a draft on this installation's past. Raises Untriable, ConfigError, DatabaseUnavailable."""
    config = load_config(settings.config_dir)
    policy = read_draft(draft, config.fields)
    try:
        first, last = begin_of(begin, settings.zone), end_of(end, settings.zone)
    except ValueError as error:
        raise Untriable(str(error)) from error
    if last < first:
        raise Untriable("--to lies before --from")
    engine = connect(settings, "backtest", pool_size=1)
    shown = progress.add_task("replaying leads", total=None)
    try:
        async with transaction(engine) as conn:
            in_force = await policies.deciding_if_any(conn, business_date(SystemClock().now(), settings.zone))
        if in_force is None:
            raise Untriable("no version of a policy is valid today, so there is nothing to hold the draft against")
        task = Task(
            policy, in_force.policy, in_force.ref, config.fields, config.team, settings.zone, first, last, known_by
        )
        return await backtest(engine, task, lambda done, leads: progress.update(shown, completed=done, total=leads))
    finally:
        await engine.dispose()


def print_report(report: Report, console: Console, *, whole: bool = False) -> None:
    """The groups, the load and how far draft and version in force agree; all of it as JSON when `whole`."""
    if whole:
        console.print_json(msgspec.json.encode(report).decode())
        return
    console.print(_groups(report))
    for name, amounts in (("reached", report.reached), ("missed", report.missed)):
        console.print(f"booked by leads that were handed over, {name} by the draft: {_shown(amounts)}", highlight=False)
    same, in_force = report.confusion, report.in_force
    console.print(
        f"beside {in_force.id} version {in_force.version}, replayed as well: both {same.both:,}, only the draft "
        f"{same.only_draft:,}, only the version in force {same.only_in_force:,}, neither {same.neither:,}",
        highlight=False,
        soft_wrap=True,
    )
    if report.load:
        console.print(_load(report))


def _groups(report: Report) -> Table:
    looked = report.leads
    aside = f"{looked.with_sales_already:,} were with sales already, {looked.erased:,} are erased"
    table = Table(title=f"{report.policy}: {looked.considered:,} leads, {report.first:%Y-%m-%d %H:%M} to "
                  f"{report.last:%Y-%m-%d %H:%M} UTC ({aside})")  # fmt: skip
    table.add_column("", overflow="fold")
    for name in ("leads", "accepted", "returned", "acceptance", "won", "win rate"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("booked", justify="right", overflow="fold")
    for name in Groups.__struct_fields__:
        group: Group = getattr(report.groups, name)
        figures = (group.leads, group.accepted, group.returned, group.acceptance_rate, group.won, group.win_rate)
        table.add_row(_WORDS[name], *map(_figure, figures), _shown(group.booked))
    return table


_WORDS = {
    "would_pass": "would have passed",
    "did_pass": "were handed over",
    "both": "both",
    "only_would": "only would have",
    "only_did": "only were",
    "neither": "neither",
}


def _load(report: Report) -> Table:
    table = Table(title="leads a week")
    for name in ("week", "member"):
        table.add_column(name, no_wrap=True)
    for name in ("would get", "got"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in report.load:
        table.add_row(line.week, line.member, f"{line.would_get:,}", f"{line.got:,}")
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.0%}"


def _shown(amounts: list[Money]) -> str:
    return ", ".join(f"{amount.value} {amount.currency}" for amount in amounts) or "-"
