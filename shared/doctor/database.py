"""PostgreSQL, the schemas, the keys, and what waits in tables."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import driver, transaction
from shared.doctor.finding import Finding, judged
from shared.schemas import SchemaError, present, require_schemas
from shared.settings import SERVICES
from shared.web.keys import list_keys

_OLDEST_VERSION = 140_000
_CLOCK_APART = timedelta(seconds=5)
_LONG_S = 300
_LATE_S = 60
_SOON = timedelta(days=14)
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
"""Settings without which what was acknowledged may be lost with the machine's power."""

_SERVER = f"""
    select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
           current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby, clock_timestamp() as now,
           pg_database_size(current_database()) as bytes,
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most,
           (select count(*) from pg_stat_activity where backend_type = 'client backend') as used,
           (select coalesce(max(extract(epoch from now() - xact_start)), 0)::int from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid()) as longest_s,
           (select array_agg(name order by name) from pg_settings
            where name in {_DURABLE!r} and setting = 'off') as not_durable
"""  # noqa: S608 - names of ours


async def database(engine: AsyncEngine) -> AsyncIterator[Finding]:
    """The server. Raises DatabaseUnavailable."""
    async with transaction(engine) as conn:
        row = await (await driver(conn)).fetchrow(_SERVER)
    area = "database"
    yield judged(
        area,
        f"PostgreSQL {row['version']}, {row['bytes'] / 2**20:,.0f} MiB",
        wrong=row["number"] < _OLDEST_VERSION,
        do="Tasuki needs PostgreSQL 14 or newer",
    )
    yield judged(
        area,
        f"its encoding is {row['encoding']}",
        wrong=row["encoding"] != "UTF8",
        do="make a database with encoding UTF8: others cannot hold every name",
    )
    yield judged(
        area,
        "it takes no writes: it is a standby" if row["standby"] else "it takes writes",
        wrong=row["standby"],
        do="name the primary in TASUKI_DATABASE_URL",
    )
    off = row["not_durable"] or []
    yield judged(
        area,
        f"{', '.join(off)} off" if off else "commits are durable",
        wrong=bool(off),
        do="set it to on: what was acknowledged could be lost when the power fails",
    )
    yield judged(
        area,
        f"{row['used']} of {row['most']} connections are in use",
        watch=row["used"] > 0.8 * row["most"],
        do="raise max_connections, or lower TASUKI_POOL_SIZE",
    )
    yield judged(
        area,
        f"the longest transaction is {row['longest_s']:,} s old",
        watch=row["longest_s"] > _LONG_S,
        do="pg_stat_activity says whose it is: it keeps PostgreSQL from clearing up behind every batch",
    )
    apart = abs(row["now"] - datetime.now(UTC))
    yield judged(
        area,
        f"its clock and this one's are {apart.total_seconds():.1f} s apart",
        watch=apart > _CLOCK_APART,
        do="have both machines take their time from the network (NTP)",
    )


async def schemas(engine: AsyncEngine) -> AsyncIterator[Finding]:
    """Whether this release may run with each schema. Raises DatabaseUnavailable."""
    for schema in present():
        try:
            await require_schemas(engine, [schema])
        except SchemaError as error:
            yield judged("schemas", str(error), wrong=True, do="nothing runs before that")
        else:
            yield judged("schemas", f"{schema} fits this release")


async def keys(engine: AsyncEngine) -> AsyncIterator[Finding]:
    """Whether anybody can call, and whose key ends soon. Raises DatabaseUnavailable."""
    now = datetime.now(UTC)
    good = [
        key
        for key in await list_keys(engine)
        if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    ]
    yield judged("keys", f"{len(good)} API keys are good", wrong=not good, do="make one: `tasuki keys create`")
    for key in good:
        if key.expires_at is not None and key.expires_at < now + _SOON:
            yield judged(
                "keys",
                f"{key.name} ends on {key.expires_at:%Y-%m-%d %H:%M} UTC",
                watch=True,
                do=f"`tasuki keys rotate {key.name}`, and give its holder the new one",
            )


async def waiting(engine: AsyncEngine) -> AsyncIterator[Finding]:
    """What waits to be published, told or looked at. Raises DatabaseUnavailable."""
    async with transaction(engine) as conn:
        connection = await driver(conn)
        for service in (name for name in SERVICES if name in present()):
            async for finding in _of_service(connection, service):
                yield finding
        if "ingest" in present():
            count = await connection.fetchval("select count(*) from ingest.quarantine where resolved_at is null")
            yield judged(
                "waiting",
                f"{count:,} webhook bodies in quarantine",
                watch=count > 0,
                do="the console's page on quarantine says why; mend sources.yaml and retry",
            )
        if "handoff" in present():
            count = await connection.fetchval("select count(*) from handoff.deliveries where status = 'dead'")
            yield judged(
                "waiting",
                f"{count:,} webhooks were given up",
                watch=count > 0,
                do="mend the endpoint, then replay them: docs/webhooks.md",
            )


async def _of_service(connection: Any, service: str) -> AsyncIterator[Finding]:
    row = await connection.fetchrow(
        f"""
        select (select count(*) from {service}.outbox) as unpublished,
               (select coalesce(extract(epoch from now() - min(created_at)), 0)::int from {service}.outbox) as late_s,
               (select count(*) from {service}.dead_letters where resolved_at is null) as dead
        """  # noqa: S608 - one of ours
    )
    yield judged(
        "waiting",
        f"{service}: {row['unpublished']:,} events to publish, the oldest {row['late_s']:,} s old",
        watch=row["late_s"] > _LATE_S,
        do="the relay cannot write to the log: see what the service logs, and the area log here",
    )
    yield judged(
        "waiting",
        f"{service}: {row['dead']:,} dead letters",
        watch=row["dead"] > 0,
        do="docs/operations.md, dead letters: see why, mend the cause, retry them",
    )
