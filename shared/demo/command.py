"""`tasuki demo`: a week told to the running system, and a board of its numbers."""

import asyncio
import signal
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shared.client import AsyncClient, ProblemError, TasukiError
from shared.clock import Clock
from shared.config import Config, load_config
from shared.config.errors import ConfigError
from shared.demo.board import show_addresses, show_board
from shared.demo.hours import last_full_week, working_days
from shared.demo.play import Refused, Tally, play
from shared.demo.system import NotRunning, key_is, running, waiting
from shared.demo.week import Week, generate
from shared.demo.world import crews_of
from shared.periods import business_date, parse_period
from shared.settings import Settings

_LEAST_DAYS: Final = 2
_CONTRADICTS: Final = ("identity-conflict", "idempotency-key-reused")
_OTHERWISE: Final = (
    "\nThis week was told before with another team, other campaigns or by another version; tell another with --seed."
)


class DemoError(Exception):
    """The demo cannot go on; the message says what to do."""


def demo(settings: Settings, clock: Clock, *, seed: int, leads: int, week: str | None, leave: bool) -> None:
    """Tells the week, prints the board and, when it has started the system itself, keeps that until Ctrl-C.

    `week`: an ISO week such as 2026-W47, None: the last one; `leave`: do not keep the system. Raises DemoError;
    KeyboardInterrupt when it is broken off before the board.
    """
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends in order, as by Ctrl-C
    try:
        config = load_config(settings.config_dir)
        told = _week(settings, config, clock, seed, leads, week)
        with running(settings, console.print) as ours:
            asyncio.run(_tell(console, settings, told, config))
            if ours and not leave:
                console.print("The system keeps running so that you can look around; Ctrl-C ends it.")
                _until_interrupted()
    except ProblemError as error:
        raise DemoError(f"{error}{_OTHERWISE if error.slug in _CONTRADICTS else ''}") from error
    except (ConfigError, NotRunning, Refused, TasukiError, httpx.HTTPError) as error:
        raise DemoError(str(error)) from error


def _week(settings: Settings, config: Config, clock: Clock, seed: int, leads: int, label: str | None) -> Week:
    latest = last_full_week(business_date(clock.now(), settings.zone))
    monday = latest if label is None else _monday(label, latest)
    try:
        crews = crews_of(config.team, monday, monday + timedelta(days=6))
    except ValueError as error:
        raise DemoError(str(error)) from error
    return generate(seed, monday, leads, crews, settings.zone, config.campaigns)


def _monday(label: str, latest: date) -> date:
    try:
        grain, period = parse_period(label)
    except ValueError as error:
        raise DemoError(str(error)) from error
    if grain != "week" or period.first > latest:
        raise DemoError(f"--week {label}: give a whole week of the past, such as {latest:%G-W%V}")
    if len(working_days(period.first, period.last)) < _LEAST_DAYS:
        raise DemoError(f"--week {label}: Japan has no two business days in it; take another")
    return period.first


async def _tell(console: Console, settings: Settings, week: Week, config: Config) -> None:
    console.print(f"Week {week.monday} – {week.sunday}, {len(week.leads):,} leads, key {week.key}", highlight=False)
    async with AsyncClient.of(settings) as client, httpx.AsyncClient(trust_env=False, timeout=30) as http:
        with _Bars(console) as bars:
            tally = await play(client, week, bars, lambda: waiting(http, settings))
        console.print(_in_words(tally), highlight=False)
        names = {member: config.team.name_of(member) for member in config.team.member_ids}
        await show_board(console, client, week, names, [stage.id for stage in config.stages])
    show_addresses(console, settings, week, key_is(settings))


def _in_words(tally: Tally) -> str:
    handoffs = ", ".join(f"{count} {what}" for what, count in sorted(tally.handoffs.items()))
    said = f"{tally.accepted:,} activities accepted, {tally.duplicates:,} duplicates; handoffs: {handoffs or 'none'}; "
    if tally.added == 0 and tally.accepted == 0:
        return said + "this week was told before: nothing was added, all of it was a duplicate."
    return said + f"{tally.added:,} events are new in the numbers."


class _Bars:
    """A progress bar for each stretch of work."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<40}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def begin(self, what: str, steps: int) -> Callable[[int], None]:
        task = self._progress.add_task(what, total=steps)
        return lambda done: self._progress.advance(task, done)

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _until_interrupted() -> None:
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return
