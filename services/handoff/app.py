"""Puts the handoff service together; the only file that knows all its parts."""

from collections.abc import Iterable

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from services.handoff import policies, store
from services.handoff.backtest.routes import Backtests
from services.handoff.consume import TOPICS, Takes
from services.handoff.handover import Rules
from services.handoff.routes import Routes
from services.handoff.tables import SCHEMA
from services.handoff.words import definitions_of
from shared.consume import Consumer
from shared.db import transaction
from shared.figures import consumer_figures, lag_figures, outbox_figures
from shared.relay import Relay
from shared.serve import Runtime, Service
from shared.telemetry import Collector


async def build(runtime: Runtime) -> Service:
    """The service, with a new version of each policy whose file has changed."""
    engine, config, settings = runtime.engine, runtime.config, runtime.settings
    async with transaction(engine) as conn:
        for made in await policies.seed(conn, config.policies.values(), runtime.clock.now()):
            runtime.telemetry.log.info("policy_version_made", policy=made.id, version=made.version)
    rules = Rules.of(config, settings.zone, runtime.telemetry)
    consumer = Consumer(
        engine=engine,
        log=runtime.log,
        schema=SCHEMA,
        group=SCHEMA,
        member=runtime.settings.member(SCHEMA),
        topics=TOPICS,
        handler=Takes(rules, runtime.clock),
        settings=settings,
        clock=runtime.clock,
        telemetry=runtime.telemetry,
    )
    relay = Relay(engine, SCHEMA, runtime.log, runtime.telemetry)

    return Service(
        endpoints=[
            *Routes(engine, rules, definitions_of(config), runtime.clock).table(),
            *Backtests(engine, rules, settings, runtime.clock).table(),
        ],
        tasks={"consumer": consumer.run, "relay": relay.run},
        alive={"consumer": consumer.healthy},
        collectors={
            "handoffs": open_handoffs(engine),
            "outbox": outbox_figures(engine, SCHEMA),
            "consumer": consumer_figures(engine, SCHEMA, TOPICS),
            "lag": lag_figures(engine, consumer),
        },
    )


def open_handoffs(engine: AsyncEngine) -> Collector:
    """The gauge of open handoffs, from the database, so that every replica says the same."""

    async def collect() -> Iterable[Metric]:
        async with transaction(engine) as conn:
            waiting = await store.count_pending(conn)
        gauge = GaugeMetricFamily(
            "tasuki_handoffs_open", "Handoffs that sales has not closed, by state.", labels=["state"]
        )
        gauge.add_metric(["pending"], waiting)
        return [gauge]

    return collect
