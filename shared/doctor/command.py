"""`tasuki doctor`: all that it looks at, in order, as a table or as JSON."""

import json
import os
from collections.abc import AsyncIterator

from asyncpg import PostgresError
from asyncpg.exceptions import ClientConfigurationError
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from shared.db import DatabaseUnavailable, connect
from shared.doctor.database import database, keys, schemas, waiting
from shared.doctor.finding import Finding, State, judged
from shared.doctor.log import log
from shared.doctor.machine import (
    configuration,
    data_folder,
    files_without_effect,
    machine,
    secrets_named,
    settings_seen,
)
from shared.doctor.names import names_known
from shared.doctor.neighbours import processes, providers
from shared.settings import Settings
from shared.terminal import with_known_database

_LEFT_OUT = "schemas, keys, log and what waits were not looked at to the end"
_SIGNS = {State.OK: "[green]ok   [/]", State.WATCH: "[yellow]watch[/]", State.WRONG: "[red]wrong[/]"}


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Every finding, as soon as it is made. What needs a database that is not there is left out, and that is said."""
    for finding in machine():
        yield finding
    config, read = configuration(settings)
    for finding in settings_seen(settings, os.environ, config):
        yield finding
    yield read
    if config is not None:
        for finding in (*files_without_effect(settings), *secrets_named(config, os.environ), *names_known(config)):
            yield finding
    for finding in data_folder(settings):
        yield finding
    async for finding in _stored(with_known_database(settings)):
        yield finding
    async for finding in processes(settings):
        yield finding
    async for finding in providers(settings):
        yield finding


async def _stored(settings: Settings) -> AsyncIterator[Finding]:
    if settings.database_url is None:
        yield judged("database", "no database is known", wrong=True, do="`tasuki run`, or set TASUKI_DATABASE_URL")
        return
    engine = connect(settings, "doctor", pool_size=2)
    try:
        async for finding in database(engine):
            yield finding
        fits = True
        async for finding in schemas(engine):
            fits = fits and finding.state is not State.WRONG
            yield finding
        if fits:
            for part in (keys(engine), log(engine, settings), waiting(engine)):
                async for finding in part:
                    yield finding
    except DatabaseUnavailable as error:
        yield judged("database", f"it does not serve: {error}", wrong=True, do=f"start it; {_LEFT_OUT}")
    except (PostgresError, DBAPIError, ClientConfigurationError) as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        yield judged("database", f"it refuses: {said}", wrong=True, do=f"mend TASUKI_DATABASE_URL; {_LEFT_OUT}")
    finally:
        await engine.dispose()


async def report(settings: Settings, console: Console) -> bool:
    """Print findings as they come; whether nothing is wrong."""
    counts = dict.fromkeys(State, 0)
    area = None
    async for finding in examine(settings):
        if finding.area != area:
            area = finding.area
            console.print(f"\n[bold]{area}[/]")
        counts[finding.state] += 1
        console.print(f"  {_SIGNS[finding.state]} {escape(finding.what)}", highlight=False, soft_wrap=True)
        if finding.do:
            console.print(f"        -> {escape(finding.do)}", highlight=False, soft_wrap=True)
    console.print(f"\n{counts[State.OK]} well, {counts[State.WATCH]} to watch, {counts[State.WRONG]} wrong")
    return counts[State.WRONG] == 0


async def report_json(settings: Settings) -> bool:
    """The same as one JSON array, to send along."""
    found = [finding async for finding in examine(settings)]
    print(json.dumps([finding._asdict() for finding in found], ensure_ascii=False, indent=2))
    return all(finding.state is not State.WRONG for finding in found)
