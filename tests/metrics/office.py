"""Asks for restatements over HTTP, of events that were recorded before and after October 2026 closed."""

import asyncio
from datetime import datetime
from typing import Any, cast

import httpx
import msgspec

from services.metrics.query import Memory
from services.metrics.routes import Routes
from shared.clock import FixedClock
from shared.events import Event
from shared.telemetry import Telemetry
from shared.web import Access, create_app, ensure_admin_key
from tests.metrics.desk import Desk, utc

KEY = "an-admin-key-of-the-tests"
JANUARY = utc(2030, 1, 1)
IN_TIME, AFTER, LATER = utc(2026, 10, 20), utc(2026, 11, 2), utc(2026, 11, 3)
"""October 2026 closes in Tokyo at 2026-10-31T15:00Z."""


def recorded(at: datetime, *events: Event) -> list[Event]:
    return [msgspec.structs.replace(event, recorded_at=at) for event in events]


class Office:
    """Asks over HTTP."""

    def __init__(self, desk: Desk, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.clock = FixedClock(JANUARY)
        n = desk.numbers
        nobody = cast(Any, None)
        routes = Routes(
            n.engine, n.catalogue, n.rules, nobody, nobody, n.settings, self.clock, n.targets, n.fold.team, Memory(4)
        )
        made = create_app(
            title="metrics",
            endpoints=routes.table(),
            access=Access(n.engine),
            telemetry=Telemetry("metrics", level="error"),
        )
        headers = {"authorization": f"Bearer {KEY}"}
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://x", headers=headers)
        runner.run(ensure_admin_key(n.engine, KEY))

    def get(self, kpi: str, **query: Any) -> httpx.Response:
        query = {"period": "2026-10"} | query
        return self._runner.run(self._http.get(f"/v1/kpis/{kpi}/restatements", params=query))

    def ask(self, address: str, **query: Any) -> httpx.Response:
        """Of a KPI's values or contributors: `calls/values`, or the address with its query."""
        return self._runner.run(self._http.get(f"/v1/kpis/{address}", params=query or None))

    def post(self, questions: Any) -> httpx.Response:
        """Several questions in one request."""
        return self._runner.run(self._http.post("/v1/kpis/values", json=questions))

    def rows(self, kpi: str, **query: Any) -> list[dict[str, Any]]:
        """Rows without what the question says."""
        answer = self.get(kpi, **query)
        assert answer.status_code == 200, answer.text
        return [{k: v for k, v in row.items() if k != "period"} for row in answer.json()["rows"]]

    def causes(self, kpi: str, **query: Any) -> list[tuple[str, str]]:
        """Id and reason of each."""
        return [(cause["id"], cause["reason"]) for cause in self.get(kpi, **query).json()["items"]]
