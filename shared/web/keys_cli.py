"""`tasuki keys`: make, list and revoke API keys."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, connect
from shared.terminal import fail, read_settings, with_database
from shared.web.auth import SCOPES, KeyRefused, create_key, list_keys, revoke_key

T = TypeVar("T")

keys = typer.Typer(no_args_is_help=True, help="API keys: who may call, and for what.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is called in lists and records.")],
    scope: Annotated[list[str], typer.Option(help=f"May be given several times: {', '.join(SCOPES)}.")],
) -> None:
    """Make a key and print it: it is shown only now."""
    print(_on_database(lambda engine: create_key(engine, name, scope)))


@keys.command(name="list")
def list_() -> None:
    """List all keys ever made."""
    table = Table("name", "scopes", "created", "revoked")
    for key in _on_database(list_keys):
        revoked = key.revoked_at.isoformat(timespec="seconds") if key.revoked_at else ""
        table.add_row(key.name, " ".join(key.scopes), key.created_at.isoformat(timespec="seconds"), revoked)
    Console().print(table)


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="Name of the key.")]) -> None:
    """Revoke a key; within seconds it is good nowhere."""
    if not _on_database(lambda engine: revoke_key(engine, name)):
        fail(f"there is no key named {name!r} in use; `tasuki keys list` shows them")


def _on_database(work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    settings = with_database(read_settings())

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
