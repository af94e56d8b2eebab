"""What must be right before any service starts: the configuration, the schemas, the admin key.

A process of its own (`python -m shared.prepare`), so that the supervisor stays small and can end it at any moment.
"""

import asyncio
import sys

import shared.loading  # noqa: F401 - first
from shared.config import ConfigError, load_config, unread
from shared.db import connect
from shared.migrate import migrate
from shared.schemas import SchemaError
from shared.settings import Settings
from shared.terminal import to_mend
from shared.web.keys import ensure_admin_key


def main() -> int:
    """Checks and prepares. A mistake in the configuration is told on stderr, exit status 1; a file that has no effect
    is only told."""
    settings = Settings()
    if settings.database_url is None or settings.admin_key is None:
        raise ValueError("TASUKI_DATABASE_URL and TASUKI_ADMIN_KEY must be set here")
    try:
        load_config(settings.config_dir)
    except ConfigError as error:
        print(f"tasuki: {error}", file=sys.stderr)
        return 1
    for file in unread(settings.config_dir):
        print(f"tasuki: {file}", file=sys.stderr)
    try:
        migrate(settings.database_url)
        asyncio.run(_admin_key(settings, settings.admin_key))
    except SchemaError as error:
        print(f"tasuki: {error}.", file=sys.stderr)
        return 1
    except Exception as error:
        if (told := to_mend(error)) is None:
            raise
        print(f"tasuki: {told}", file=sys.stderr)
        return 1
    return 0


async def _admin_key(settings: Settings, key: str) -> None:
    engine = connect(settings, "prepare", pool_size=1)
    try:
        await ensure_admin_key(engine, key)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
