"""Figures of the way in and the way out for `/metrics`, from the database: every replica says the same."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import outbox, positions
from shared.consume import Consumer
from shared.db import autocommit, driver
from shared.telemetry import Collector


def outbox_figures(engine: AsyncEngine, schema: str) -> Collector:
    """`tasuki_outbox_pending` and `tasuki_outbox_oldest_seconds` of a schema."""

    async def collect() -> Iterable[Metric]:
        async with autocommit(engine) as conn:
            rows, oldest_s = await outbox.pending(conn, schema)
        return [
            GaugeMetricFamily("tasuki_outbox_pending", "Events stored and not yet in the log.", value=rows),
            GaugeMetricFamily(
                "tasuki_outbox_oldest_seconds", "Age of the oldest event that is not yet in the log.", value=oldest_s
            ),
        ]

    return collect


def consumer_figures(engine: AsyncEngine, schema: str, topics: Iterable[str]) -> Collector:
    """Events taken, duplicates and dead letters since the beginning of the log."""

    async def collect() -> Iterable[Metric]:
        async with autocommit(engine) as conn:
            rows = await positions.rows(conn, schema, tuple(topics))
            letters = await (await driver(conn)).fetch(
                f"select topic, reason, count(*) from {schema}.dead_letters group by topic, reason order by 1, 2"  # noqa: S608 - the schema is ours
            )
        taken, again = Counter[str](), Counter[str]()
        for row in rows:
            taken[row["topic"]] += row["processed"]
            again[row["topic"]] += row["duplicates"]
        processed = CounterMetricFamily(
            "tasuki_events_processed", "Events taken from the log for the first time.", labels=["topic"]
        )
        duplicate = CounterMetricFamily(
            "tasuki_events_duplicate", "Events of the log that were known already.", labels=["topic"]
        )
        for topic in sorted(taken):
            processed.add_metric([topic], taken[topic])
            duplicate.add_metric([topic], again[topic])
        dead = CounterMetricFamily(
            "tasuki_dead_letters", "Records of the log that could not be understood.", labels=["topic", "reason"]
        )
        for row in letters:
            dead.add_metric([row["topic"], row["reason"]], row["count"])
        return [processed, duplicate, dead]

    return collect


def lag_figures(engine: AsyncEngine, consumer: Consumer) -> Collector:
    """How far the consumer is behind; apart from the others, since it asks the log, too."""

    async def collect() -> Iterable[Metric]:
        async with autocommit(engine) as conn:
            status = await consumer.status(conn)
        lag = GaugeMetricFamily(
            "tasuki_consumer_lag_events",
            "Events in the log that this service has not taken yet.",
            labels=["topic", "partition"],
        )
        for at, behind in sorted(status.lags.items()):
            lag.add_metric([at.topic, str(at.partition)], behind)
        return [lag]

    return collect
