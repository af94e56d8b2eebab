"""Puts the outreach service together; the only file that knows all its parts."""

from datetime import timedelta

from services.outreach import mails
from services.outreach.facts import TOPICS, Takes
from services.outreach.folder import ContentFolder
from services.outreach.routes import Routes
from services.outreach.smtp import Post, server_of
from services.outreach.tables import SCHEMA
from services.outreach.writing import Desk
from shared.consume import Consumer
from shared.figures import consumer_figures, lag_figures, outbox_figures
from shared.prune import Retention
from shared.relay import Relay
from shared.serve import Runtime, Service
from shared.web.dead_letters import DeadLetters

USES = Retention("outreach.uses", "at", timedelta(days=30))
"""Of what was told already. It need only outlive the answers to keyed requests."""


MAILS = Retention("outreach.mails", "begun_at", timedelta(days=30), "state <> 'handing_over'")


async def build(runtime: Runtime) -> Service:
    """The service. Raises ConfigError when a file of content is wrong."""
    engine, config = runtime.engine, runtime.config
    folder = ContentFolder(runtime.settings.config_dir, config.fields, runtime.telemetry.log)
    consumer = Consumer(
        engine=engine,
        log=runtime.log,
        schema=SCHEMA,
        group=SCHEMA,
        member=runtime.settings.member(SCHEMA),
        topics=TOPICS,
        handler=Takes(),
        settings=runtime.settings,
        clock=runtime.clock,
        telemetry=runtime.telemetry,
    )
    server = server_of(runtime.settings)
    desk = Desk(engine, folder, config.fields, config.team, runtime.clock, server and Post(server))
    relay = Relay(engine, SCHEMA, runtime.log, runtime.telemetry)
    return Service(
        endpoints=[*Routes(desk).table(), *DeadLetters(engine, consumer, SCHEMA, runtime.telemetry).table()],
        tasks={"consumer": consumer.run, "relay": relay.run, "content": folder.run},
        alive={"consumer": consumer.healthy},
        collectors={
            "content": folder.collect,
            "mails": mails.figures(engine, runtime.clock),
            "outbox": outbox_figures(engine, SCHEMA),
            "consumer": consumer_figures(engine, SCHEMA, TOPICS),
            "lag": lag_figures(engine, consumer),
        },
        retentions=(USES, MAILS),
    )
