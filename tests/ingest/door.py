"""ingest as a whole on a real database, called over HTTP without a socket; its outbox can be looked into."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
from msgspec.structs import replace

from services.ingest.app import build
from shared.audit import By
from shared.clock import FixedClock
from shared.config import load_config
from shared.db import connect, dsn
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import Record
from shared.events import Event, from_record
from shared.outbox import unpack_headers
from shared.sealing import unsealed_data
from shared.serve import Runtime, Service
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import Access, create_app, ensure_admin_key

KEY = "tsk_key-of-the-tests-of-ingest"
BY = By("test", "POST /v1/leads")
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Door:
    """A running ingest. The relay does not run, so `outbox` shows all that was ever told to the log. `logged`: its log
    lines, those for debugging too."""

    http: httpx.AsyncClient
    clock: FixedClock
    url: str
    runtime: Runtime
    service: Service
    logged: io.StringIO

    async def post(self, path: str, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        if isinstance(body, bytes):
            return await self.http.post(path, content=body, headers=headers)
        return await self.http.post(path, json=body, headers=headers)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query)

    async def lead(self, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = await self.post("/v1/leads", {"fields": fields, **more})
        assert answer.status_code in (200, 201), answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn(self.url))
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *values)
            return rows
        finally:
            await connection.close()

    async def outbox(self, name: str | None = None, *, sealed: bool = False) -> list[Event]:
        """The events told to the log, in order; of one type, if a name is given. `sealed`: as the log has them."""
        keys = {r["lead_id"]: r["key"] for r in await self.rows("select lead_id, key from access.lead_keys")}
        rows = await self.rows("select * from ingest.outbox order by id")
        events = [
            from_record(Record(r["topic"], 0, n, r["key"], unpack_headers(r["headers"]), r["value"], r["created_at"]))
            for n, r in enumerate(rows)
        ]
        if not sealed:
            events = [replace(e, data=unsealed_data(e.data, keys.get(e.subject), e.subject)) for e in events]
        return [event for event in events if name is None or event.name == name]


@asynccontextmanager
async def open_door(database_url: str, *tasks: str, **more: Any) -> AsyncIterator[Door]:
    """Starts ingest on a migrated database, with the shipped configuration and a clock that stands at NOW.

    `tasks`: what else of the service shall run beside its queues; `more`: settings.
    """
    settings = Settings(database_url=database_url, **more)
    engine = connect(settings, "ingest-test")
    log = await EmbeddedLog.open(settings)
    await ensure_admin_key(engine, KEY)
    clock = FixedClock(NOW)
    config = load_config(settings.config_dir)
    logged = io.StringIO()
    telemetry = Telemetry("ingest", level="debug", stream=logged)
    runtime = Runtime(settings, clock, engine, log, telemetry, config, Access(engine))
    service = await build(runtime)
    app = create_app(
        title="ingest",
        endpoints=service.endpoints,
        access=runtime.access,
        telemetry=telemetry,
        in_front=service.in_front,
    )
    stop = asyncio.Event()
    names = ("activities", "submissions", "imports", *tasks)
    queues = [asyncio.ensure_future(service.tasks[name](stop)) for name in names]
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest", headers=headers) as http:
            yield Door(http, clock, database_url, runtime, service, logged)
    finally:
        stop.set()
        await asyncio.gather(*queues)
        await log.close()
        await engine.dispose()


def call(n: int = 1, **more: Any) -> dict[str, Any]:
    """A call as a dialer posts it."""
    return {
        "id": f"c{n}",
        "source": "dialer",
        "type": "call",
        "occurred_at": "2026-11-20T10:00:00+09:00",
        "lead_id": "lead-1",
        "rep": "tanaka",
        "direction": "outbound",
        "outcome": "conversation",
        "duration_s": 60,
    } | more
