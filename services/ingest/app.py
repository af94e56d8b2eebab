"""Puts ingest together: the only file that knows all of its parts."""

from datetime import timedelta

from services.ingest.activity_handlers import ActivityHandlers
from services.ingest.audit_handlers import AuditHandlers
from services.ingest.browsers import open_to
from services.ingest.consume import GROUP, Learning, Stages, topics_of
from services.ingest.context import Context
from services.ingest.fetcher import Fetcher
from services.ingest.import_handlers import ImportHandlers
from services.ingest.imports.worker import ImportWorker
from services.ingest.intake import Intake
from services.ingest.lead_handlers import LeadHandlers
from services.ingest.merge_handlers import MergeHandlers
from services.ingest.privacy_handlers import PrivacyHandlers
from services.ingest.record import Recorder
from services.ingest.retention import retentions
from services.ingest.routes import endpoints
from services.ingest.submissions import takes_tags
from services.ingest.tables import SCHEMA
from services.ingest.tag_handlers import TagHandlers
from services.ingest.tags.collect import user_agent
from services.ingest.tags.worker import TagScans
from services.ingest.webhook_handlers import WebhookHandlers
from shared import safe_http
from shared.consume import Consumer
from shared.figures import consumer_figures, lag_figures, outbox_figures
from shared.relay import Relay
from shared.serve import Runtime, Service
from shared.web.dead_letters import DeadLetters
from shared.web.server import Task


async def build(runtime: Runtime) -> Service:
    """The service on a runtime."""
    scans_tags = takes_tags(runtime.config.fields)
    recorder = Recorder(
        runtime.engine,
        runtime.clock,
        runtime.config.fields.personal,
        scan_websites=scans_tags and runtime.settings.tag_scan_automatic,
    )
    context = Context(
        engine=runtime.engine,
        clock=runtime.clock,
        config=runtime.config,
        zone=runtime.settings.zone,
        recorder=recorder,
        telemetry=runtime.telemetry,
    )
    imports = ImportWorker(context, kept=timedelta(days=runtime.settings.retention_imports_days))
    intake = Intake(context)
    relay = Relay(runtime.engine, SCHEMA, runtime.log, runtime.telemetry)
    topics = topics_of(runtime.log)
    stages = Stages([stage.id for stage in runtime.config.stages])
    consumer = Consumer(
        engine=runtime.engine,
        log=runtime.log,
        schema=SCHEMA,
        group=GROUP,
        member=runtime.settings.member(GROUP),
        topics=topics,
        handler=Learning(stages, runtime.clock, runtime.config.fields.personal),
        settings=runtime.settings,
        clock=runtime.clock,
        telemetry=runtime.telemetry,
    )

    tag_scans = TagScans(
        engine=runtime.engine,
        clock=runtime.clock,
        fetcher=safe_http.Fetcher(safe_http.Allowed(runtime.settings.private_networks), user_agent()),
        recorder=recorder,
        registry=runtime.config.fields,
        telemetry=runtime.telemetry,
    )

    tasks: dict[str, Task] = {
        "activities": recorder.activities.run,
        "submissions": recorder.submissions.run,
        "imports": imports.run,
        "fetcher": Fetcher(context, intake).run,
        "relay": relay.run,
        "consumer": consumer.run,
    }
    if scans_tags:
        tasks["tag_scans"] = tag_scans.run

    return Service(
        endpoints=[
            *endpoints(
                LeadHandlers(context),
                MergeHandlers(context),
                PrivacyHandlers(context),
                TagHandlers(context),
                WebhookHandlers(context, intake),
                ActivityHandlers(context),
                ImportHandlers(context, imports),
                AuditHandlers(context),
            ),
            *DeadLetters(runtime.engine, consumer, SCHEMA, runtime.telemetry).table(),
        ],
        tasks=tasks,
        alive={"consumer": consumer.healthy},
        collectors={
            "outbox": outbox_figures(runtime.engine, SCHEMA),
            "consumer": consumer_figures(runtime.engine, SCHEMA, topics),
            "lag": lag_figures(runtime.engine, consumer),
        },
        retentions=retentions(runtime.settings),
        in_front=open_to(runtime.config.sources.values()),
    )
