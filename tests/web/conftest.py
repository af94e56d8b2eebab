"""A real server on a real port, with a real database: `site` is what the tests of the web kit talk to."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from shared.db import connect
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import Access, create_app, create_key, ensure_admin_key
from shared.web.protocol import HttpProtocol
from tests.web.sample import Sample

ADMIN_KEY = "an-admin-key-of-the-tests"


@dataclass
class Site:
    """A served sample: `client` calls it as admin, `logged` holds its log lines."""

    url: str
    app: ASGIApp
    sample: Sample
    engine: AsyncEngine
    telemetry: Telemetry
    client: httpx.AsyncClient
    logged: io.StringIO
    settings: Settings

    async def key(self, name: str, *scopes: str) -> dict[str, str]:
        """The header of a new key with these scopes."""
        return {"authorization": f"Bearer {await create_key(self.engine, name, scopes)}"}

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, protocol: type[HttpProtocol] = HttpProtocol) -> AsyncIterator[str]:
    """The base address of a server for the application."""
    config = uvicorn.Config(
        app, http=protocol, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        task = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest.fixture(scope="module")
async def site(module_database_url: str) -> AsyncIterator[Site]:
    settings = Settings(database_url=module_database_url, pool_size=4)
    engine = connect(settings, "test")
    await ensure_admin_key(engine, ADMIN_KEY)
    logged = io.StringIO()
    telemetry = Telemetry("sample", level="debug", stream=logged)
    sample = Sample()
    app = create_app(title="Sample", endpoints=sample.table(), access=Access(engine), telemetry=telemetry)
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with serving(app) as url, httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        yield Site(url, app, sample, engine, telemetry, client, logged, settings)
    await engine.dispose()


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer, checked to be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"].startswith("urn:tasuki:problem:")
    assert document["status"] == status
    assert document["title"]
    return document
