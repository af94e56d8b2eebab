"""The outreach service over a real database and real files, with a clock that stands still and a log fed by hand."""

import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.outreach import writing
from services.outreach.facts import Takes
from services.outreach.folder import ContentFolder
from services.outreach.routes import Routes
from services.outreach.smtp import Post
from shared import lead_keys
from shared.clock import FixedClock
from shared.config import Config, load_config
from shared.consume import Received
from shared.db import connect, driver, transaction
from shared.eventlog.port import Record
from shared.events import (
    Data,
    Event,
    LeadConsent,
    LeadCreated,
    LeadErased,
    LeadFields,
    LeadMerged,
    LeadUnmerged,
    Observation,
    from_record,
    to_message,
)
from shared.outbox import unpack_headers
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import Access, create_app, create_key, ensure_admin_key

ROOT = Path(__file__).resolve().parents[2]
CONTENT = Path(__file__).parent / "content"
NOW = datetime.fromisoformat("2026-11-20T10:00:00+09:00")


class Response(NamedTuple):
    status: int
    body: Any
    headers: httpx.Headers


class Desk:
    """One running outreach service; `content` is its folder of content, which tests may change."""

    def __init__(self, engine: AsyncEngine, config: Config, config_dir: Path, post: Post | None = None) -> None:
        self.engine = engine
        self.config = config
        self.content = config_dir / "outreach"
        self.telemetry = Telemetry("outreach", level="error")
        self.clock = FixedClock(NOW)
        self.folder = ContentFolder(config_dir, config.fields, self.telemetry.log)
        self.takes = Takes()
        self.key = secrets.token_hex(16)
        self._offset = 0
        app = create_app(
            title="Tasuki outreach",
            endpoints=Routes(writing.Desk(engine, self.folder, config.fields, config.team, self.clock, post)).table(),
            access=Access(engine),
            telemetry=self.telemetry,
        )
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://outreach")

    async def close(self) -> None:
        await self._http.aclose()

    async def call(
        self, method: str, path: str, body: object = None, key: str | None = None, headers: dict[str, str] | None = None
    ) -> Response:
        headers = {"Authorization": f"Bearer {key or self.key}"} | (headers or {})
        answer = await self._http.request(method, path, json=body, headers=headers)
        return Response(answer.status_code, answer.json(), answer.headers)

    async def get(self, path: str, **headers: str) -> Any:
        answer = await self.call("GET", path, headers=headers)
        assert answer.status == 200, answer
        return answer.body

    async def ids(self, path: str) -> list[str]:
        return [item["id"] for item in (await self.get(path))["items"]]

    async def render(self, template: str, lead_id: str = "L1", status: int = 200, **more: object) -> Any:
        body = {"lead_id": lead_id, "rep": "tanaka"} | more
        answer = await self.call("POST", f"/v1/templates/{template}/render", body)
        assert answer.status == status, answer
        return answer.body

    async def new_key(self, *scopes: str) -> str:
        return await create_key(self.engine, "-".join(scopes), scopes)

    async def deliver(self, *events: Event) -> None:
        """What the consumer does with a batch, sealed as ingest does it."""
        async with transaction(self.engine) as conn:
            sealed = await lead_keys.seal_events(conn, events, self.config.fields.personal)
            received = [Received(self._record(event), event) for event in sealed]
            fresh = await self.takes.fresh(conn, received)
            if fresh.new:
                await self.takes.handle(conn, fresh.new)

    def _record(self, event: Event) -> Record:
        message = to_message(event)
        self._offset += 1
        return Record(message.topic, 0, self._offset, message.key, message.headers, message.value, NOW)

    async def told(self) -> list[Event]:
        """All that the service has told the log, in order."""
        rows = await self.rows("select topic, key, headers, value from outreach.outbox order by id")
        return [
            from_record(Record(r["topic"], 0, n, r["key"], unpack_headers(r["headers"]), r["value"], NOW))
            for n, r in enumerate(rows)
        ]

    async def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        async with transaction(self.engine) as conn:
            return [dict(row) for row in await (await driver(conn)).fetch(sql, *parameters)]

    async def lead(self, lead_id: str = "L1", basis: Any = "consent", **values: Any) -> str:
        """A lead that may be written to (unless basis is None), with these values."""
        events = [created(lead_id), fields(lead_id, **values)]
        await self.deliver(*events, *([consent(lead_id, basis)] if basis else []))
        return lead_id


@asynccontextmanager
async def running(database_url: str, folder: Path, post: Post | None = None) -> AsyncIterator[Desk]:
    """A service whose content is a copy of that beside this file, in `folder`."""
    shutil.copytree(CONTENT, folder / "outreach")
    settings = Settings(database_url=database_url)
    engine = connect(settings, "test")
    desk = Desk(engine, load_config(ROOT / "config"), folder, post)
    try:
        await ensure_admin_key(engine, desk.key)
        yield desk
    finally:
        await desk.close()
        await engine.dispose()


def made(name: str, lead_id: str, data: Data, what: str, minutes: int = 0) -> Event:
    when = NOW + timedelta(minutes=minutes)
    return Event(id=what, source="test", name=name, time=when, subject=lead_id, key=lead_id, recorded_at=NOW, data=data)


def created(lead_id: str) -> Event:
    return made("lead-created", lead_id, LeadCreated(source="website"), f"{lead_id}:created")


def fields(lead_id: str, method: Any = "form", minutes: int = 0, status: Any = None, **values: Any) -> Event:
    observations = [
        Observation(
            observation_id=f"{lead_id}:{field}:{method}:{minutes}:{value}",
            field=field,
            method=method,
            source="test",
            observed_at=NOW + timedelta(minutes=minutes),
            value=value,
            status=status,
        )
        for field, value in values.items()
    ]
    what = f"{lead_id}:{method}:{minutes}:{sorted(values)}:{sorted(map(str, values.values()))}"
    return made("lead-fields", lead_id, LeadFields(observations=observations), what, minutes)


def consent(
    lead_id: str, basis: Any = "consent", minutes: int = 0, out: bool = False, channels: tuple[str, ...] = ()
) -> Event:
    said = LeadConsent(basis=basis, evidence="名刺", opted_out_at=NOW if out else None, channels=list(channels))
    return made("lead-consent", lead_id, said, f"{lead_id}:consent:{basis}:{minutes}:{out}:{channels}", minutes)


def merged(lead_id: str, into: str, minutes: int = 1) -> Event:
    return made("lead-merged", lead_id, LeadMerged(into=into), f"{lead_id}>{into}:{minutes}", minutes)


def unmerged(lead_id: str, from_: str, minutes: int = 2) -> Event:
    return made("lead-unmerged", lead_id, LeadUnmerged(from_=from_), f"{lead_id}<{from_}:{minutes}", minutes)


def erased(lead_id: str) -> Event:
    return made("lead-erased", lead_id, LeadErased(reason="asked"), f"{lead_id}:erased", 5)
