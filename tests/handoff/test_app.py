"""The whole service on the real log: its consumer, its relay, its tables."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from prometheus_client.metrics_core import Metric
from sqlalchemy import Connection

from services.handoff.app import build
from services.handoff.tables import SCHEMA, metadata
from shared.clock import SystemClock
from shared.config import ConfigError, load_config
from shared.db import connect, transaction
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import EventLog, TopicPartition
from shared.events import HANDOFFS, Event, from_record, to_message
from shared.outbox import pending
from shared.serve import Runtime, Service
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import Access
from tests.handoff.desk import ROOT, Desk, call, created, fields, hearing, opportunity
from tests.handoff.webhooks.telling import SECRET, standard


@asynccontextmanager
async def serving(database_url: str, folder: Path = ROOT / "config") -> AsyncIterator[tuple[Runtime, Service]]:
    settings = Settings(database_url=database_url, log_partitions=3)
    engine = connect(settings, "test")
    log = await EmbeddedLog.open(settings)
    config = load_config(folder)
    runtime = Runtime(settings, SystemClock(), engine, log, Telemetry("handoff", level="error"), config, Access(engine))
    stop = asyncio.Event()
    try:
        service = await build(runtime)
        async with asyncio.TaskGroup() as tasks:
            for work in service.tasks.values():
                tasks.create_task(_run(work, stop))
            yield runtime, service
            stop.set()
    finally:
        await log.close()
        await engine.dispose()


async def _run(work: object, stop: asyncio.Event) -> None:
    await work(stop)  # type: ignore[operator]


async def settled(runtime: Runtime, events: int) -> None:
    """Until the service has taken so many records and all that it told is in the log."""
    async with asyncio.timeout(60):
        while True:
            async with transaction(runtime.engine) as conn:
                rows = await conn.exec_driver_sql(f"select sum(next_offset) from {SCHEMA}.positions")  # noqa: S608
                taken, (waiting, _) = rows.scalar_one() or 0, await pending(conn, SCHEMA)
            if taken >= events and waiting == 0:
                return
            await asyncio.sleep(0.02)


async def told(log: EventLog) -> list[Event]:
    found = []
    for partition in range(log.partitions):
        records = await log.read(TopicPartition(HANDOFFS, partition), 0, 1000)
        found += [from_record(record) for record in records]
    return found


async def test_from_log_to_log_each_event_once(database_url: str) -> None:
    leads = [f"L{n}" for n in range(20)]
    events = [
        event
        for lead in leads
        for event in (
            call(lead, f"{lead}:c"),  # before the lead is known
            created(lead),
            fields(lead, "form", employees=5000, industry="IT"),
            hearing(lead, needs="confirmed"),
            opportunity(lead, f"{lead}:o", "won"),
        )
    ]
    async with serving(database_url) as (runtime, service):
        await runtime.log.append([to_message(event) for event in events])
        await settled(runtime, len(events))
        once = await told(runtime.log)
        await runtime.log.append([to_message(event) for event in events])
        await settled(runtime, 2 * len(events))
        assert await told(runtime.log) == once
        assert len({event.identity for event in once}) == len(once)
        last = {event.subject: event.data.to for event in once}  # type: ignore[attr-defined]
        assert last == dict.fromkeys(leads, "Customer")
        samples: dict[tuple[str, ...], float] = {}
        for collect in service.collectors.values():
            samples |= samples_of(await collect())
        assert samples["tasuki_events_processed_total", "tasuki.leads.v1"] == 3 * len(leads)
        assert samples["tasuki_events_duplicate_total", "tasuki.activities.v1"] == 2 * len(leads)
        assert samples["tasuki_outbox_pending",] == 0
        assert samples["tasuki_handoffs_open", "pending"] == 0
        lags = [value for name, value in samples.items() if name[0] == "tasuki_consumer_lag_events"]
        assert len(lags) == 6
        assert set(lags) == {0}


def samples_of(families: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


async def test_it_tells_the_endpoints_of_its_configuration(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    folder = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    entry = standard("https://192.168.0.1/hook", events=["handoff-created"], allow_insecure=False)
    (folder / "webhooks.yaml").write_text(json.dumps({"webhooks": [entry]}))
    with pytest.raises(ConfigError, match=r"webhooks\.yaml:1: this address may not be posted to"):
        async with serving(database_url, folder):
            pytest.fail("it has started")
    entry |= {"url": "https://crm.acme.co.jp/hook", "segments": ["smal"]}
    (folder / "webhooks.yaml").write_text(json.dumps({"webhooks": [entry]}))
    with pytest.raises(ConfigError, match="there is no `smal`"):
        async with serving(database_url, folder):
            pytest.fail("it has started")
    entry |= {"segments": ["enterprise"]}
    (folder / "webhooks.yaml").write_text(json.dumps({"webhooks": [entry]}))
    async with serving(database_url, folder) as (runtime, service):
        assert {"overdue", "webhooks"} <= set(service.tasks)
        assert [retention.table for retention in service.retentions] == ["handoff.deliveries"]
        samples = samples_of(await service.collectors["webhooks"]())
        assert samples == {
            ("tasuki_webhook_deliveries_pending", "crm"): 0,
            ("tasuki_webhook_deliveries_oldest_seconds", "crm"): 0,
        }
        async with transaction(runtime.engine) as conn:
            row = (await conn.exec_driver_sql("select id, events, segments, owners from handoff.webhooks")).one()
        assert tuple(row) == ("crm", ["handoff-created"], ["enterprise"], None)


async def test_a_filter_by_what_a_version_in_force_or_to_come_knows_is_no_mistake(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    """A draft, or a version for a certain day, says nothing about the others: handoff must start beside it."""
    first = await desk.get("/v1/policies/default/versions/1")
    everybody = {"id": "all", "label": {"ja": "全", "en": "all"}, "when": {"field": "employees", "at_least": 1}}
    other = first | {"segments": [everybody | {"require": []}], "routing": {}}
    for changed in (
        first
        | {"segments": [*first["segments"], everybody | {"id": "to-come", "require": []}], "valid_from": "9000-01-01"},
        other | {"draft": True},
    ):
        assert (await desk.call("PUT", "/v1/policies/default", changed)).status == 200
    folder = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    entry = {"id": "sales", "url": "https://hooks.slack.com/services/x", "format": "slack"}
    (folder / "webhooks.yaml").write_text(json.dumps({"webhooks": [entry | {"segments": ["smb", "to-come", "all"]}]}))
    async with serving(database_url, folder) as (_, service):
        assert "webhooks" in service.tasks


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
