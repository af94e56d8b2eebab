"""What a system holds inside, read from its database and its log."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from shared.db import dsn
from shared.eventlog.embedded_reader import record
from shared.eventlog.port import TopicPartition
from shared.events import Event, from_record
from shared.web.idempotency import CLAIM_S
from tests.system import System, until

_BEHIND = """
select (select count(*) from ingest.outbox) + (select count(*) from handoff.outbox)
     + (select count(*) from metrics.outbox)
     + (select sum(p.next_offset - coalesce(m.next_offset, 0)) from log.partitions p
        left join metrics.positions m using (topic, partition) where p.topic <> 'tasuki.dead-letters.v1')
     + (select sum(p.next_offset - coalesce(h.next_offset, 0)) from log.partitions p
        left join handoff.positions h using (topic, partition)
        where p.topic in ('tasuki.leads.v1', 'tasuki.activities.v1'))
"""


def rows(url: str, statement: str, *values: Any) -> list[Any]:
    """The rows that a statement answers in the database at `url`."""

    async def ask() -> list[Any]:
        conn = await asyncpg.connect(dsn(url))
        try:
            return list(await conn.fetch(statement, *values))
        finally:
            await conn.close()

    return asyncio.run(ask())


def database(system: System) -> str:
    """The address of a system's own database."""
    return (system.data_dir / "database.url").read_text().strip()


@contextmanager
def telling_errors(system: System) -> Iterator[None]:
    """A failure of the block is told with the errors that the services logged."""
    try:
        yield
    except BaseException as error:
        for line in errors_logged(system):
            error.add_note(line)
        raise


def errors_logged(system: System) -> list[str]:
    """The lines of level error and above that the services have written."""
    levels = ('"level": "error"', '"level": "critical"')
    return [line for line in system.output().splitlines() if any(level in line for level in levels)]


def outlive_claims(url: str) -> None:
    """Let the time pass for which an unfinished run protects its Idempotency-Key, without waiting for it."""
    rows(
        url,
        "update access.idempotency set started_at = now() - make_interval(secs => $1) where status is null",
        CLAIM_S,
    )


def settle(url: str, within: float = 120) -> None:
    """Wait until nothing is on its way any more: outboxes empty, metrics and handoff at the end of the log."""

    def behind() -> int:
        try:
            return int(rows(url, _BEHIND)[0][0])
        except (OSError, asyncpg.PostgresError):
            return -1  # PostgreSQL is restarting

    until(lambda: behind() == 0, within, lambda: f"{behind()} events are still on their way")


def logged(url: str) -> list[Event]:
    """Every record of the log, as an event; second copies too."""
    found: Iterable[Any] = rows(
        url,
        """
        select p.topic, p.partition, r."offset", r.key, r.headers, r.value, r.appended_at
        from log.records r join log.partitions p on p.id = r.partition_id order by r.partition_id, r."offset"
        """,
    )
    return [from_record(record(TopicPartition(row["topic"], row["partition"]), row)) for row in found]
