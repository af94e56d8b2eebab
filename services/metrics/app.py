"""Puts the metrics service together; the only file that knows all its parts."""

from services.metrics import store
from services.metrics.board import Board
from services.metrics.compile import compile_catalogue
from services.metrics.contributions.rules import Rules
from services.metrics.dead_letters import DeadLetters
from services.metrics.exporter import Exporter
from services.metrics.fold import Fold
from services.metrics.rebuild import rebuild
from services.metrics.routes import Routes
from services.metrics.stream import Stream
from shared.consume import Consumer
from shared.db import driver, transaction
from shared.events import ACTIVITIES, HANDOFFS, LEADS
from shared.figures import consumer_figures, outbox_figures
from shared.relay import Relay
from shared.serve import Runtime, Service

SCHEMA = "metrics"
TOPICS = (LEADS, ACTIVITIES, HANDOFFS)


async def build(runtime: Runtime) -> Service:
    """The service, its numbers made by the rules of the present configuration."""
    config, settings, engine = runtime.config, runtime.settings, runtime.engine
    catalogue = compile_catalogue(config.kpis, config.fields)
    policy = config.policies["default"]
    rules = Rules(settings.zone, config.fields, policy, catalogue.rank_fields)
    await rebuild(engine, rules, only_if_stale=True)
    async with transaction(engine) as conn:
        await store.set_membership(await driver(conn), config.team)
    consumer = Consumer(
        engine=engine,
        log=runtime.log,
        schema=SCHEMA,
        group=SCHEMA,
        topics=TOPICS,
        handler=Fold(engine, rules, config.team),
        settings=settings,
        clock=runtime.clock,
        telemetry=runtime.telemetry,
    )
    board = Board(engine, catalogue, config.team, policy, settings, runtime.clock, config.targets)
    stream = Stream(board)
    relay = Relay(engine, SCHEMA, runtime.log, runtime.telemetry)  # dead letters go to the log, too
    routes = Routes(engine, catalogue, rules, consumer, settings, runtime.clock, config.targets, config.team)
    return Service(
        endpoints=[*routes.table(), *DeadLetters(engine, consumer).table(), *stream.table()],
        tasks={"consumer": consumer.run, "relay": relay.run, "stream": stream.run},
        alive={"consumer": consumer.healthy},
        collectors={
            "kpis": Exporter(engine, board).collect,
            "outbox": outbox_figures(engine, SCHEMA),
            "consumer": consumer_figures(engine, SCHEMA, TOPICS, consumer),
        },
    )
