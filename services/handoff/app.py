"""Puts the handoff service together; the only file that knows all its parts."""

import os
from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from services.handoff import policies, store
from services.handoff.backtest.routes import Backtests
from services.handoff.consume import TOPICS, Takes
from services.handoff.overdue import Overdue
from services.handoff.policy_routes import PolicyRoutes
from services.handoff.routes import Routes
from services.handoff.rules import Rules
from services.handoff.sweep import Sweep
from services.handoff.tables import SCHEMA
from services.handoff.webhooks import deliveries
from services.handoff.webhooks.content import Content
from services.handoff.webhooks.endpoints import WebhookEndpoint, check_filters, resolve
from services.handoff.webhooks.handlers import WebhookHandlers
from services.handoff.webhooks.send import Sender, fetchers_of
from services.handoff.webhooks.worker import WebhookWorker
from services.handoff.words import definitions_of
from shared.addresses import read_networks
from shared.clock import Clock
from shared.consume import Consumer
from shared.db import transaction
from shared.figures import consumer_figures, lag_figures, outbox_figures
from shared.periods import business_date
from shared.relay import Relay
from shared.serve import Runtime, Service
from shared.telemetry import Collector
from shared.web.dead_letters import DeadLetters


async def build(runtime: Runtime) -> Service:
    """The service, with a new version of each policy whose file has changed."""
    engine, config, settings = runtime.engine, runtime.config, runtime.settings
    endpoints = resolve(config, os.environ, read_networks(settings.webhook_private_networks))
    async with transaction(engine) as conn:
        for made in await policies.seed(conn, config.policies.values(), runtime.clock.now()):
            runtime.telemetry.log.info("policy_version_made", policy=made.id, version=made.version)
        today = business_date(runtime.clock.now(), settings.zone)
        check_filters(config, [version.policy for version in await policies.from_today_on(conn, today)])
        await deliveries.configure(conn, [endpoint.wanted for endpoint in endpoints.values()], runtime.clock.now())
    return put_together(runtime, endpoints)


def put_together(runtime: Runtime, endpoints: Mapping[str, WebhookEndpoint]) -> Service:
    """The service, without a question to the database."""
    engine, config, settings = runtime.engine, runtime.config, runtime.settings
    private = read_networks(settings.webhook_private_networks)
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
    content = Content(config, settings.zone, f"{settings.url('handoff')}/v1/handoffs/")
    sender = Sender(fetchers_of(endpoints, private), runtime.clock)
    webhooks = WebhookWorker(engine, runtime.clock, endpoints, content, sender, runtime.telemetry)
    overdue = Overdue(engine, rules, runtime.clock)
    sweep = Sweep(engine, rules, runtime.clock)

    return Service(
        endpoints=[
            *Routes(engine, rules, definitions_of(config), runtime.clock).table(),
            *PolicyRoutes(engine, rules, runtime.clock).table(),
            *Backtests(engine, rules, settings, runtime.clock).table(),
            *WebhookHandlers(engine, endpoints, content, sender, runtime.clock).table(),
            *DeadLetters(engine, consumer, SCHEMA, runtime.telemetry).table(),
        ],
        tasks={
            "consumer": consumer.run,
            "relay": relay.run,
            "overdue": overdue.run,
            "sweep": sweep.run,
            "webhooks": webhooks.run,
        },
        alive={"consumer": consumer.healthy},
        collectors={
            "handoffs": open_handoffs(engine, runtime.clock),
            "outbox": outbox_figures(engine, SCHEMA),
            "consumer": consumer_figures(engine, SCHEMA, TOPICS),
            "lag": lag_figures(engine, consumer),
            "webhooks": waiting_deliveries(engine, runtime.clock),
        },
        retentions=(deliveries.kept_for(settings.retention_webhooks_days),),
    )


def open_handoffs(engine: AsyncEngine, clock: Clock) -> Collector:
    """The gauge of open handoffs, from the database, so that every replica says the same."""

    async def collect() -> Iterable[Metric]:
        async with transaction(engine) as conn:
            waiting = await store.count_open(conn, clock.now())
        gauge = GaugeMetricFamily(
            "tasuki_handoffs_open",
            "Handoffs that sales has not closed: pending, and overdue, those of them whose time is over.",
            labels=["state"],
        )
        gauge.add_metric(["pending"], waiting.pending)
        gauge.add_metric(["overdue"], waiting.overdue)
        return [gauge]

    return collect


def waiting_deliveries(engine: AsyncEngine, clock: Clock) -> Collector:
    """The gauges of what endpoints have not got yet, from the database, so that every replica says the same."""

    async def collect() -> Iterable[Metric]:
        async with transaction(engine) as conn:
            states = await deliveries.states(conn)
        pending = GaugeMetricFamily(
            "tasuki_webhook_deliveries_pending", "Deliveries that an endpoint has not got yet.", labels=["endpoint"]
        )
        oldest = GaugeMetricFamily(
            "tasuki_webhook_deliveries_oldest_seconds",
            "Age of the oldest event that an endpoint has not got yet.",
            labels=["endpoint"],
        )
        for endpoint, state in states.items():
            age_s = 0.0 if state.oldest is None else max(0.0, (clock.now() - state.oldest).total_seconds())
            pending.add_metric([endpoint], state.pending)
            oldest.add_metric([endpoint], age_s)
        return [pending, oldest]

    return collect
