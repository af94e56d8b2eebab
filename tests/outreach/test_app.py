"""The whole service on the real log: consent and merges by its consumer, uses by its relay, its tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from services.outreach.app import build
from services.outreach.leads import known_lead
from services.outreach.permission import Standing
from services.outreach.tables import SCHEMA, metadata
from services.outreach.uses import Use, record
from shared import lead_keys
from shared.clock import SystemClock
from shared.config import load_config
from shared.db import connect, transaction
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import TopicPartition
from shared.events import ACTIVITIES, ContentUsed, Event, from_record, to_message
from shared.outbox import pending
from shared.serve import Runtime, Service
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import Access
from shared.web.server import Task
from tests.outreach.desk import NOW, ROOT, consent, created, fields, merged, unmerged


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[tuple[Runtime, Service]]:
    settings = Settings(database_url=database_url, log_partitions=3)
    engine = connect(settings, "test")
    log = await EmbeddedLog.open(settings)
    config, telemetry = load_config(ROOT / "config"), Telemetry("outreach", level="error")
    runtime = Runtime(settings, SystemClock(), engine, log, telemetry, config, Access(engine))
    service = await build(runtime)
    stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in service.tasks.values():
                tasks.create_task(_run(work, stop))
            yield runtime, service
            stop.set()
    finally:
        await log.close()
        await engine.dispose()


async def _run(work: Task, stop: asyncio.Event) -> None:
    await work(stop)


async def tell(runtime: Runtime, *events: Event) -> None:
    """Append events as ingest's relay does, and wait until the service has taken all that is in the log."""
    async with transaction(runtime.engine) as conn:
        sealed = await lead_keys.seal_events(conn, events, runtime.config.fields.personal)
    await runtime.log.append([to_message(event) for event in sealed])
    ends = sum((await runtime.log.ends(["tasuki.leads.v1"])).values())
    async with asyncio.timeout(60):
        while True:
            async with transaction(runtime.engine) as conn:
                rows = await conn.exec_driver_sql(f"select sum(next_offset) from {SCHEMA}.positions")  # noqa: S608
                if (rows.scalar_one() or 0) >= ends:
                    return
            await asyncio.sleep(0.02)


async def standings(runtime: Runtime, *lead_ids: str) -> list[tuple[str, Standing]]:
    async with transaction(runtime.engine) as conn:
        leads = [await known_lead(conn, runtime.config.fields, lead_id) for lead_id in lead_ids]
    return [(lead.lead_id, lead.standing) for lead in leads]


async def test_consent_and_merges_by_the_log(database_url: str) -> None:
    async with serving(database_url) as (runtime, service):
        leads = [f"L{n}" for n in range(9)]  # on all shards
        events = [event for lead in leads for event in (consent(lead), created(lead), fields(lead, last_name=lead))]
        await tell(runtime, *events)
        await tell(runtime, consent("L3", out=True, channels=("email",), minutes=1))
        await tell(runtime, *[merged(lead, "L0") for lead in leads[1:]], *events)
        one = ("L0", Standing("consent", frozenset({"email"})))
        assert await standings(runtime, *leads) == [one] * 9
        await tell(runtime, *[unmerged(lead, "L0") for lead in leads[1:]])
        free, out = Standing("consent", frozenset()), Standing("consent", frozenset({"email"}))
        assert await standings(runtime, *leads) == [(lead, out if lead == "L3" else free) for lead in leads]
        assert [await check() for check in service.alive.values()] == [None]


async def test_a_use_gets_to_the_log_once(database_url: str) -> None:
    use = Use(use_id="u1", lead_id="L1", rep="tanaka", kind="talk", content="x", language="ja", used_at=NOW)
    async with serving(database_url) as (runtime, _):
        for _again in range(2):
            async with transaction(runtime.engine) as conn:
                await record(conn, use)
        async with asyncio.timeout(60):
            while True:
                async with transaction(runtime.engine) as conn:
                    if (await pending(conn, SCHEMA))[0] == 0:
                        break
                await asyncio.sleep(0.02)
        found = [
            from_record(row)
            for partition in range(runtime.log.partitions)
            for row in await runtime.log.read(TopicPartition(ACTIVITIES, partition), 0, 1000)
        ]
    assert [(event.id, event.data) for event in found] == [
        ("u1", ContentUsed(rep="tanaka", content="x", kind="talk", language="ja"))
    ]


async def test_every_figure_can_be_had(database_url: str) -> None:
    async with serving(database_url) as (_, service):
        names = {metric.name for collect in service.collectors.values() for metric in await collect()}
    assert names >= {"tasuki_content_pieces", "tasuki_content_problems", "tasuki_mails_uncertain"}
    assert names >= {"tasuki_outbox_pending", "tasuki_consumer_lag_events"}


async def test_the_tables_are_those_of_the_migrations(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
            "include_object": lambda _, name, kind, *__: (
                not (kind == "table" and name in ("alembic_version", "runs_with"))
            ),
            "compare_server_default": False,
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    engine = connect(Settings(database_url=database_url), "test")
    async with transaction(engine) as conn:
        assert await conn.run_sync(differences) == []
    await engine.dispose()
