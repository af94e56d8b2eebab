"""A running Tasuki on a Kafka of its own."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from shared.eventlog import topics
from shared.eventlog.port import LogUnavailable
from shared.events import Call, CallOutcome, Event, from_record, to_message
from shared.kafka import Cluster
from shared.settings import Settings
from tests.faults.inside import database, telling_errors, the_log
from tests.kafka import require_kafka, running_cluster
from tests.system import System

QUICK = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
"""A dead broker is noticed after 3 s instead of 9, and may come back then: what happens is the same."""


@contextmanager
def on_kafka(
    data_dir: Path,
    free_port: Callable[[], int],
    brokers: Literal[1, 3] = 1,
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[System, Cluster]]:
    """The system, ready, and its brokers."""
    folder = data_dir.with_name("kafka")
    with running_cluster(folder, require_kafka(), brokers=brokers, properties=QUICK) as cluster:
        asyncio.run(topics.apply(Settings(kafka_bootstrap_servers=cluster.bootstrap)))
        named = {"TASUKI_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, **(environment or {})}
        with System(data_dir, free_port, named) as system, telling_errors(system):
            yield system, cluster


def published(system: System, *names: str) -> int:
    """Records of the topics; -1 while the brokers do not tell."""

    async def ask() -> int:
        async with the_log(database(system), system.kafka) as log:
            return sum((await log.ends(names)).values())

    try:
        return asyncio.run(ask())
    except LogUnavailable:
        return -1


def in_order(system: System, topic: str, source: str) -> dict[str, list[Event]]:
    """The first copy of every event of a source, by key, in the order of the log."""

    async def read() -> dict[str, list[Event]]:
        found: dict[str, dict[tuple[str, str], Event]] = {}
        of_it = source.encode()
        async with the_log(database(system), system.kafka) as log:
            for at, end in (await log.ends([topic])).items():
                reached = 0
                while reached < end:
                    records = await log.read(at, reached, 5000)
                    reached = records[-1].offset + 1
                    for event in map(from_record, (r for r in records if dict(r.headers).get("ce_source") == of_it)):
                        found.setdefault(event.key, {}).setdefault(event.identity, event)
        return {key: list(events.values()) for key, events in found.items()}

    return asyncio.run(read())


def fill(url: str, kafka: str, count: int) -> None:
    """Put calls of 997 leads on three days straight into the log."""

    async def write() -> None:
        async with the_log(url, kafka) as log:
            for start in range(0, count, 4000):
                await log.append([to_message(_call(n)) for n in range(start, min(count, start + 4000))])

    asyncio.run(write())


def _call(n: int) -> Event:
    lead, moment = f"lead-{n % 997}", datetime(2026, 2, 2 + n % 3, n % 24, tzinfo=UTC)
    outcome: CallOutcome = "conversation" if n % 7 == 0 else "busy"
    return Event(
        id=str(n),
        source="filled",
        name="call",
        time=moment,
        subject=lead,
        key=lead,
        recorded_at=moment,
        data=Call(rep=("ito", "tanaka", "yamada")[n % 3], direction="outbound", outcome=outcome),
    )
