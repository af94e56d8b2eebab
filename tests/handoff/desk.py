"""The handoff service over a real database, with a clock that stands still and a log that is fed by hand."""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import httpx
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from services.handoff import policies
from services.handoff.backtest.routes import Backtests
from services.handoff.consume import Takes
from services.handoff.policy_routes import PolicyRoutes
from services.handoff.routes import Routes
from services.handoff.rules import Rules
from services.handoff.words import definitions_of
from shared.clock import FixedClock
from shared.config import Config, load_config
from shared.consume import Received
from shared.db import connect, driver, transaction
from shared.eventlog.port import Record
from shared.events import (
    Call,
    Correction,
    Data,
    Event,
    Identity,
    LeadCreated,
    LeadFields,
    Observation,
    Opportunity,
    from_record,
    to_message,
)
from shared.outbox import unpack_headers
from shared.sealing import unsealed_data
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import Access, create_app, create_key, ensure_admin_key

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.fromisoformat("2026-11-20T10:00:00+09:00")  # a Friday; Monday the 23rd is a holiday


def at(text: str) -> datetime:
    """`2026-11-20 09:00` in Tokyo."""
    return datetime.fromisoformat(text + ":00+09:00")


class Response(NamedTuple):
    status: int
    body: Any
    headers: httpx.Headers


class Desk:
    """One running handoff service."""

    def __init__(self, engine: AsyncEngine, config: Config, settings: Settings) -> None:
        self.engine = engine
        self.config = config
        self.clock = FixedClock(NOW)
        self.telemetry = Telemetry("handoff", level="error")
        self.rules = Rules.of(config, settings.zone, self.telemetry)
        self.takes = Takes(self.rules, self.clock)
        self.key = secrets.token_hex(16)
        self._offset = 0
        app = create_app(
            title="Tasuki handoff",
            endpoints=[
                *Routes(engine, self.rules, definitions_of(config), self.clock).table(),
                *PolicyRoutes(engine, self.rules, self.clock).table(),
                *Backtests(engine, self.rules, settings, self.clock).table(),
            ],
            access=Access(engine),
            telemetry=self.telemetry,
        )
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://handoff")

    async def prepare(self) -> None:
        await ensure_admin_key(self.engine, self.key)
        async with transaction(self.engine) as conn:
            await policies.seed(conn, self.config.policies.values(), self.clock.now())

    async def close(self) -> None:
        await self._http.aclose()

    async def call(
        self, method: str, path: str, body: object = None, key: str | None = None, headers: dict[str, str] | None = None
    ) -> Response:
        headers = {"Authorization": f"Bearer {key or self.key}"} | (headers or {})
        answer = await self._http.request(method, path, json=body, headers=headers)
        return Response(answer.status_code, answer.json(), answer.headers)

    async def get(self, path: str) -> Any:
        answer = await self.call("GET", path)
        assert answer.status == 200, answer
        return answer.body

    async def post(self, path: str, body: object, status: int = 201) -> Any:
        answer = await self.call("POST", path, body)
        assert answer.status == status, answer
        return answer.body

    async def new_key(self, *scopes: str) -> str:
        return await create_key(self.engine, "-".join(scopes), scopes)

    async def deliver(self, *events: Event) -> None:
        """What the consumer does with a batch: in one transaction drop what is known, take the rest."""
        received = {event.identity: self.received(event) for event in events}
        async with transaction(self.engine) as conn:
            fresh = await self.takes.fresh(conn, list(received.values()))
            assert not fresh.conflicts
            if fresh.new:
                await self.takes.handle(conn, fresh.new)

    def received(self, event: Event) -> Received:
        """The event as it comes from the log."""
        message = to_message(event)
        self._offset += 1
        return Received(Record(message.topic, 0, self._offset, message.key, message.headers, message.value, NOW), event)

    async def told(self) -> list[Event]:
        """All that the service has told the log, in order, as whoever has the keys reads it."""
        keys = {r["lead_id"]: r["key"] for r in await self.rows("select lead_id, key from access.lead_keys")}
        rows = await self.rows("select topic, key, headers, value from handoff.outbox order by id")
        later = NOW + timedelta(days=365)  # tests tell of days to come while their clock stands still
        events = [
            from_record(Record(r["topic"], 0, n, r["key"], unpack_headers(r["headers"]), r["value"], later))
            for n, r in enumerate(rows)
        ]
        return [replace(e, data=unsealed_data(e.data, keys.get(e.subject), e.subject)) for e in events]

    async def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        async with transaction(self.engine) as conn:
            return [dict(row) for row in await (await driver(conn)).fetch(sql, *parameters)]

    async def ready_lead(self, lead_id: str, employees: int = 5000) -> str:
        """A lead of the enterprise segment (by default) of whom all is known that the policy asks for."""
        await self.deliver(
            created(lead_id),
            fields(lead_id, "form", employees=employees, company_name="株式会社テスト"),
            hearing(lead_id, needs="confirmed", authority="confirmed"),
        )
        return lead_id

    async def hand_over(self, lead_id: str, **more: object) -> Any:
        return await self.post("/v1/handoffs", {"lead_id": lead_id, "rep": "tanaka", "reason": "時期が合う"} | more)


@asynccontextmanager
async def running(
    database_url: str, config_dir: Path = ROOT / "config", timezone: str = "Asia/Tokyo"
) -> AsyncIterator[Desk]:
    settings = Settings(database_url=database_url, timezone=timezone)
    engine = connect(settings, "test")
    desk = Desk(engine, load_config(config_dir), settings)
    try:
        await desk.prepare()
        yield desk
    finally:
        await desk.close()
        await engine.dispose()


def made(name: str, lead_id: str, data: Data, when: datetime, what: str) -> Event:
    return Event(id=what, source="test", name=name, time=when, subject=lead_id, key=lead_id, recorded_at=NOW, data=data)


def created(lead_id: str, when: datetime = NOW) -> Event:
    return made("lead-created", lead_id, LeadCreated(source="website"), when, f"{lead_id}:created")


def fields(lead_id: str, method: Any, when: datetime = NOW, **values: Any) -> Event:
    observations = [observed(field, method, when, value=value) for field, value in values.items()]
    return said(lead_id, observations, when)


def hearing(lead_id: str, when: datetime = NOW, by: str = "tanaka", **statuses: Any) -> Event:
    observations = [
        observed(field, "hearing", when, status=status, by=by, quote=f"{field}: {status} と言われた")
        for field, status in statuses.items()
    ]
    return said(lead_id, observations, when)


def observed(field: str, method: Any, when: datetime, **more: Any) -> Observation:
    what = f"{field}:{method}:{when.isoformat()}:{sorted(more.items(), key=str)}"
    return Observation(
        observation_id=str(uuid5(NAMESPACE_URL, what)),
        field=field,
        method=method,
        source="test",
        observed_at=when,
        **more,
    )


def said(lead_id: str, observations: Iterable[Observation], when: datetime) -> Event:
    listed = list(observations)
    ids = ",".join(o.observation_id for o in listed)
    return made("lead-fields", lead_id, LeadFields(observations=listed), when, f"{lead_id}:{uuid5(NAMESPACE_URL, ids)}")


def call(lead_id: str, what: str, when: datetime = NOW, outcome: Any = "conversation", rep: str = "tanaka") -> Event:
    return made("call", lead_id, Call(rep=rep, direction="outbound", outcome=outcome), when, what)


def opportunity(lead_id: str, what: str, status: Any, when: datetime = NOW, **more: Any) -> Event:
    return made("opportunity", lead_id, Opportunity(opportunity_id="O1", status=status, **more), when, what)


def correction(lead_id: str, what: str, of: str, action: Any, when: datetime = NOW, data: Any = None) -> Event:
    said = Correction(corrects=Identity("test", of), action=action, data=data)
    return made("correction", lead_id, said, when, what)
