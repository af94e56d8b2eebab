"""`tasuki keys`: make, list, rotate and revoke API keys."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, connect
from shared.settings import Settings
from shared.terminal import fail, read_settings, with_database
from shared.web.keys import KeyRefused, create_key, list_keys, revoke_key, rotate_key
from shared.web.scopes import SCOPES

T = TypeVar("T")

_DURATION = re.compile(r"([0-9]{1,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WIDTH = 200
"""Columns of a list that no terminal shows: a program reads it, so a row is a line."""

Name = Annotated[str, typer.Argument(help="Name of the key.")]
Expires = Annotated[str | None, typer.Option(help="Last day on which it is good, as 2027-01-31 (business time zone).")]
ExpiresIn = Annotated[str | None, typer.Option(help="How long it is good, as 90d or 12h.")]

keys = typer.Typer(no_args_is_help=True, help="API keys: who may call, and for what.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is called in lists and records.")],
    scope: Annotated[list[str], typer.Option(help=f"May be given several times: {', '.join(SCOPES)}.")],
    expires: Expires = None,
    expires_in: ExpiresIn = None,
) -> None:
    """Make a key and print it: it is shown only now."""
    settings = read_settings()
    end = _end(expires, expires_in, settings.zone)
    print(_on_database(settings, lambda engine: create_key(engine, name, scope, expires_at=end)))


@keys.command(name="list")
def list_() -> None:
    """List all keys ever made; never the keys themselves."""
    settings = read_settings()
    table = Table("name", "scopes", "created", "expires", "last used", "revoked")
    for key in _on_database(settings, list_keys):
        times = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
        table.add_row(key.name, " ".join(key.scopes), *(_shown(at) for at in times))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


@keys.command()
def rotate(
    name: Name,
    overlap: Annotated[
        str, typer.Option(help="How long the present secret stays good, as 24h; 0s ends it now.")
    ] = "24h",
    expires: Expires = None,
    expires_in: ExpiresIn = None,
) -> None:
    """Give a key a new secret and print it: it is shown only now. Name, scopes and end stay, unless an end is given."""
    settings = read_settings()
    end, kept = _end(expires, expires_in, settings.zone), _duration(overlap)
    print(_on_database(settings, lambda engine: rotate_key(engine, name, overlap=kept, expires_at=end)))


@keys.command()
def revoke(name: Name) -> None:
    """Revoke a key; within seconds it is good nowhere."""
    if not _on_database(read_settings(), lambda engine: revoke_key(engine, name)):
        fail(f"there is no key named {name!r} in use; `tasuki keys list` shows them")


def _end(expires: str | None, expires_in: str | None, zone: ZoneInfo) -> datetime | None:
    """When a key ends: after a day of the business time zone, or so long from now."""
    if expires is not None and expires_in is not None:
        fail("give --expires or --expires-in, not both")
    if expires_in is not None:
        return datetime.now(UTC) + _duration(expires_in)
    if expires is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(expires) + timedelta(days=1), time.min, zone)
    except (ValueError, OverflowError):
        fail(f"{expires!r} is no day; write it as 2027-01-31")


def _duration(written: str) -> timedelta:
    match = _DURATION.fullmatch(written.strip())
    if match is None:
        fail(f"{written!r} is no length of time; write a number and s, m, h, d or w, as in 90d or 24h")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _shown(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _on_database(settings: Settings, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    settings = with_database(settings)

    async def run() -> T:
        engine = connect(settings, "keys", pool_size=1)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except KeyRefused as error:
        fail(str(error))
    except DatabaseUnavailable:
        fail("the database cannot be reached; is Tasuki running?")
