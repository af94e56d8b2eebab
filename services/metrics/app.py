"""Puts the metrics service together; the only file that knows all its parts."""

from collections.abc import Iterator

from services.metrics import store
from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.catalogue.kpis import Catalogue
from services.metrics.contributions.rules import Rules
from services.metrics.fold.fold import Fold
from services.metrics.live.board import Board
from services.metrics.live.exporter import Exporter
from services.metrics.live.forgetting import Forgetting
from services.metrics.live.stream import Stream
from services.metrics.query import Memory
from services.metrics.rebuild.rebuilder import Rebuilder
from services.metrics.rebuild.steps import rebuild
from services.metrics.routes import Routes
from services.metrics.scorecard_routes import Scorecards
from services.metrics.settling import Settling
from services.metrics.store import SCHEMA
from services.metrics.targets import in_currency
from shared.consume import Consumer
from shared.db import driver, transaction
from shared.events import ACTIVITIES, HANDOFFS, LEADS
from shared.figures import consumer_figures, lag_figures, outbox_figures
from shared.relay import Relay
from shared.serve import Runtime, Service
from shared.settings import Settings
from shared.web.dead_letters import DeadLetters

TOPICS = (LEADS, ACTIVITIES, HANDOFFS)


async def build(runtime: Runtime) -> Service:
    """The service, its numbers made by the rules of the present configuration."""
    catalogue = compile_catalogue(runtime.config)
    await rebuild(runtime.engine, _rules(runtime, catalogue), only_if_stale=True)
    async with transaction(runtime.engine) as conn:
        await store.set_membership(await driver(conn), runtime.config.team)
    return put_together(runtime, catalogue)


def put_together(runtime: Runtime, catalogue: Catalogue) -> Service:
    """The service, without a question to the database."""
    config, settings, engine = runtime.config, runtime.settings, runtime.engine
    targets = in_currency(config.targets, catalogue, config.documents)
    policy = config.policies["default"]
    rules = _rules(runtime, catalogue)
    consumers = {name: _consumer(runtime, rules, catalogue, name) for name in _names(settings)}
    consumer = next(iter(consumers.values()))
    board = Board(engine, catalogue, config.team, policy, settings, runtime.clock, targets)
    stream = Stream(board)
    relay = Relay(engine, SCHEMA, runtime.log, runtime.telemetry)  # dead letters go to the log, too
    rebuilder = Rebuilder(engine, rules)
    memory = Memory(settings.fiscal_year_start)
    routes = Routes(
        engine, catalogue, rules, consumer, rebuilder, settings, runtime.clock, targets, config.team, memory
    )
    dead_letters = DeadLetters(engine, consumer, SCHEMA, runtime.telemetry)
    scorecards = Scorecards(engine, catalogue, config.team, targets, settings, runtime.clock, memory)
    return Service(
        endpoints=[*routes.table(), *scorecards.table(), *dead_letters.table(), *stream.table()],
        tasks={
            **{name: consumer.run for name, consumer in consumers.items()},
            "relay": relay.run,
            "stream": stream.run,
            "rebuild": rebuilder.run,
            "board": board.run,
            "forgetting": Forgetting(engine).run,
            "settling": Settling(engine).run,
        },
        alive={name: consumer.healthy for name, consumer in consumers.items()},
        collectors={
            "kpis": Exporter(board).collect,
            "outbox": outbox_figures(engine, SCHEMA),
            "consumer": consumer_figures(engine, SCHEMA, TOPICS),
            "lag": lag_figures(engine, consumer),
        },
    )


def _rules(runtime: Runtime, catalogue: Catalogue) -> Rules:
    config = runtime.config
    zone, policy = runtime.settings.zone, config.policies["default"]
    return Rules(zone, config.fields, policy, catalogue.rank_fields, catalogue.as_of_event)


def _names(settings: Settings) -> Iterator[str]:
    """Of the consumers in this process: while one of them waits for the database, another counts."""
    return (f"consumer-{n}" for n in range(settings.metrics_consumers))


def _consumer(runtime: Runtime, rules: Rules, catalogue: Catalogue, name: str) -> Consumer:
    return Consumer(
        engine=runtime.engine,
        log=runtime.log,
        schema=SCHEMA,
        group=SCHEMA,
        member=f"{runtime.settings.member(SCHEMA)}.{name}",
        topics=TOPICS,
        handler=Fold(runtime.engine, rules, runtime.config.team, catalogue, runtime.log),
        settings=runtime.settings,
        clock=runtime.clock,
        telemetry=runtime.telemetry,
    )
