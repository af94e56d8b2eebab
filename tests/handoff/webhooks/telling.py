"""Endpoints for a desk, told by workers that send when a test says so."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from services.handoff.webhooks import deliveries
from services.handoff.webhooks.content import Content
from services.handoff.webhooks.endpoints import WebhookEndpoint, resolve
from services.handoff.webhooks.handlers import WebhookHandlers
from services.handoff.webhooks.send import Sender, fetchers_of
from services.handoff.webhooks.worker import WebhookWorker
from shared.addresses import Network, read_networks
from shared.config import Config, Document
from shared.config.webhooks import read_webhooks
from shared.db import transaction
from shared.safe_http import Fetcher
from shared.web import Access, create_app
from tests.handoff.desk import Desk, Response
from tests.website import Website

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OLD_SECRET = "whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"
ENVIRONMENT = {"SECRET": SECRET, "OLD": OLD_SECRET}
LOCAL = read_networks("127.0.0.0/8")
PACKAGE = "http://127.0.0.1:8002/v1/handoffs/"


def standard(url: str, **more: Any) -> dict[str, Any]:
    """An entry of webhooks.yaml."""
    return {"id": "crm", "url": url, "format": "standard", "secret_env": "SECRET", "allow_insecure": True} | more


def slack(url: str, **more: Any) -> dict[str, Any]:
    return {"id": "sales", "url": url, "format": "slack", "allow_insecure": True} | more


def configured(config: Config, *entries: Mapping[str, Any]) -> Config:
    """The configuration with these entries in webhooks.yaml."""
    document = Document({"webhooks": [dict(entry) for entry in entries]}, "webhooks.yaml")
    return replace(
        config,
        webhooks=read_webhooks(document, config.fields),
        documents=config.documents | {"webhooks": document},
    )


class Telling:
    """What tells the endpoints of a desk. Pauses are neither longer nor shorter than usual."""

    def __init__(self, desk: Desk, entries: tuple[Mapping[str, Any], ...], private: tuple[Network, ...]) -> None:
        self.desk = desk
        config = configured(desk.config, *entries)
        self.endpoints: dict[str, WebhookEndpoint] = resolve(config, ENVIRONMENT, private)
        self.fetchers: dict[str, Fetcher] = fetchers_of(self.endpoints, private)
        self.content = Content(config, desk.rules.zone, PACKAGE)
        self.sender = Sender(self.fetchers, desk.clock)
        self.worker = self.new_worker()
        handlers = WebhookHandlers(desk.engine, self.endpoints, self.content, self.sender, desk.clock)
        app = create_app(
            title="Tasuki handoff", endpoints=handlers.table(), access=Access(desk.engine), telemetry=desk.telemetry
        )
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://handoff")

    def new_worker(self, chance: Callable[[], float] = lambda: 0.5) -> WebhookWorker:
        """A replica's worker."""
        return WebhookWorker(
            self.desk.engine,
            self.desk.clock,
            self.endpoints,
            self.content,
            self.sender,
            self.desk.telemetry,
            chance,
        )

    async def send(self, endpoint: str = "crm") -> int:
        """Send what is due, one after the other; how many attempts that took."""
        sent = 0
        while await self.worker.send_one(self.endpoints[endpoint]):
            sent += 1
        return sent

    async def rows(self, endpoint: str = "crm") -> list[dict[str, Any]]:
        return await self.desk.rows("select * from handoff.deliveries where endpoint = $1 order by number", endpoint)

    async def row(self, endpoint: str = "crm") -> dict[str, Any]:
        (row,) = await self.rows(endpoint)
        return row

    async def call(self, method: str, path: str, key: str | None = None) -> Response:
        headers = {"Authorization": f"Bearer {key or self.desk.key}"}
        answer = await self._http.request(method, path, headers=headers)
        return Response(answer.status_code, answer.json(), answer.headers)


async def telling(desk: Desk, *entries: Mapping[str, Any], private: tuple[Network, ...] = LOCAL) -> Telling:
    """The desk tells these endpoints from now on."""
    made = Telling(desk, entries, private)
    async with transaction(desk.engine) as conn:
        wanted = [endpoint.wanted for endpoint in made.endpoints.values()]
        await deliveries.configure(conn, wanted, desk.clock.now())
    return made


def told(site: Website) -> list[Any]:
    """What the website was told, as JSON."""
    return [json.loads(body) for body in site.bodies]


def headers_of(request: str) -> dict[str, str]:
    """The headers of a request, in lower case."""
    lines = request.split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
