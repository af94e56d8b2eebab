"""The log of events: whether it is there and as it should be, and how far each service is in it."""

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncEngine

from shared import positions
from shared.db import transaction
from shared.doctor.finding import Finding, judged
from shared.eventlog.opened import open_log
from shared.eventlog.port import LogError, LogUnavailable
from shared.events import TOPICS
from shared.schemas import present
from shared.settings import SERVICES, Settings

_MUCH = 10_000


async def log(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Finding]:
    """Raises DatabaseUnavailable."""
    brokers = settings.kafka_bootstrap_servers
    where = f"Apache Kafka at {brokers}" if brokers else "embedded in PostgreSQL"
    try:
        opened = await open_log(settings)
        try:
            ends = await opened.ends(TOPICS)
        finally:
            await opened.close()
    except LogError as error:
        then = "until it is back" if isinstance(error, LogUnavailable) else "until that is mended"
        yield judged("log", f"{where}: {error}", wrong=True, do=f"events wait in the outboxes {then}")
        return
    yield judged("log", f"{where}: {opened.partitions} partitions a topic, {sum(ends.values()):,} records")
    async with transaction(engine) as conn:
        for service in (name for name in SERVICES if name in present()):
            rows = await positions.rows(conn, service, TOPICS)
            if not rows:
                yield judged("log", f"{service} has taken nothing of it yet")
                continue
            read = {row["topic"] for row in rows}
            reached = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            lag = sum(max(0, end - reached.get(at, 0)) for at, end in ends.items() if at.topic in read)
            yield judged(
                "log",
                f"{service} has {lag:,} records to take",
                watch=lag > _MUCH,
                do="a consumer that makes progress catches up; if it does not, its /livez says why",
            )
            lost = [at for at, end in ends.items() if reached.get(at, 0) > end]
            if lost:
                yield judged(
                    "log",
                    f"{service} stands behind the end of {lost[0].topic}/{lost[0].partition}",
                    wrong=True,
                    do="the log is older than the database: docs/operations.md, restore",
                )
