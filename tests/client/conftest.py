"""The server, and both clients."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from shared.client import (
    AsyncClient,
    Client,
)
from shared.settings import SERVICES
from tests.client.double import FAST, KEY, Double, Sender
from tests.web.conftest import serving


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    made = Double()
    app = Starlette(routes=[Route("/{path:path}", made.answer, methods=["GET", "POST"])])
    async with serving(app) as url:
        made.url = url
        yield made


@pytest.fixture(params=["sync", "async"])
async def send(request: pytest.FixtureRequest, double: Double) -> AsyncIterator[Sender]:
    """Sends an operation with one of the two clients, so that every rule is seen to hold for both."""
    urls = dict.fromkeys(SERVICES, double.url)
    if request.param == "async":
        async with AsyncClient(urls, KEY, retry=FAST) as client:
            yield client.send
    else:
        with Client(urls, KEY, retry=FAST) as blocking:
            yield lambda operation: asyncio.to_thread(blocking.send, operation)
