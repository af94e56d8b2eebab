"""What the commands of `tasuki` share: settings, where the database is, and how a failure is told."""

import sys
from typing import NoReturn

from pydantic import ValidationError

from shared.settings import Settings


def read_settings() -> Settings:
    """The settings; one that makes no sense ends the command."""
    try:
        return Settings()
    except ValidationError as error:
        # Without the values: a key or a password may be among them.
        mistakes = [f"TASUKI_{str(mistake['loc'][0]).upper()}: {mistake['msg']}" for mistake in error.errors()]
        fail("a setting makes no sense: " + "; ".join(mistakes))


def with_database(settings: Settings) -> Settings:
    """Settings with the address of the database: of the private one when no other is set."""
    found = with_known_database(settings)
    if found.database_url is None:
        fail("no database is known: start Tasuki with `tasuki run`, or set TASUKI_DATABASE_URL")
    return found


def with_known_database(settings: Settings) -> Settings:
    """The same, or the settings as they are where no database is known."""
    address = settings.data_dir / "database.url"
    if settings.database_url is not None or not address.exists():
        return settings
    return settings.model_copy(update={"database_url": address.read_text().strip()})


def to_mend(error: Exception) -> str | None:
    """What an error says to whoever has given the command, and may mend it; None for a defect of ours."""
    import asyncpg.exceptions as said_by_driver  # only who fails pays for it
    from sqlalchemy.exc import DBAPIError

    from shared.client import TasukiError, Unreachable
    from shared.db import DatabaseUnavailable, is_outage
    from shared.eventlog.port import LogError

    said = (error.orig if isinstance(error, DBAPIError) else None) or error
    cause = said.__cause__ or said  # SQLAlchemy wraps the driver's errors twice
    if isinstance(error, Unreachable):
        return f"{error}; does Tasuki run, and where TASUKI_*_PORT or TASUKI_*_URL say?"
    if isinstance(error, TasukiError):
        return str(error)
    if isinstance(error, LogError) and not isinstance(error.__cause__, DatabaseUnavailable):
        return str(error)
    if is_outage(error):
        return (
            "the database cannot be reached; does Tasuki run, or the PostgreSQL that TASUKI_DATABASE_URL names? "
            f"({error})"
        )
    if isinstance(cause, said_by_driver.UndefinedTableError | said_by_driver.InvalidSchemaNameError):
        return f"the database has not been migrated for this release: run `tasuki migrate` ({cause})"
    if isinstance(
        cause,
        said_by_driver.InvalidAuthorizationSpecificationError
        | said_by_driver.InvalidCatalogNameError
        | said_by_driver.InsufficientPrivilegeError
        | said_by_driver.ClientConfigurationError,
    ):
        return f"the database refuses: {cause}; look at TASUKI_DATABASE_URL"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None


def fail(message: str) -> NoReturn:
    """Tell what is wrong and end the command."""
    print(f"tasuki: {message}", file=sys.stderr)
    raise SystemExit(1)
