"""A small service of our own: one endpoint for each thing that the web kit does."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any

import msgspec

from shared.db import DatabaseUnavailable
from shared.eventlog.port import LogUnavailable
from shared.events import Timestamp
from shared.web import Answer, Call, Endpoint, Paging, Problem, page, read_cursor


class Part(msgspec.Struct):
    name: str
    count: int = 0


class Thing(msgspec.Struct):
    name: str
    at: Timestamp | None = None
    parts: list[Part] = []
    tags: dict[str, int] = {}


class ThingQuery(Paging):
    q: str | None = None
    since: datetime | None = None


class Echo(msgspec.Struct):
    name: str
    at: datetime | None
    run: int


class Names(msgspec.Struct):
    items: list[int]
    next_cursor: str | None


class Sample:
    """The handlers; `runs` counts how often each ran, `gate` holds those that wait."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.failure: BaseException | None = None

    def table(self) -> list[Endpoint]:
        def post(path: str, handler: Any, **more: Any) -> Endpoint:
            fields: dict[str, Any] = {"scope": "leads:write", "summary": path, "answers": {201: Echo}} | more
            return Endpoint(method="POST", path=path, handler=handler, **fields)

        return [
            post("/v1/things", self.create, body=Thing),
            post("/v1/anything", self.anything, body=Any, answers={200: Any}),
            post("/v1/slow", self.slow, body=Thing),
            post("/v1/failing", self.failing, answers={204: None}),
            post("/v1/webhooks/{source}", self.webhook, scope=None, raw_body=True, answers={202: Any}),
            post("/v1/imports", self.imports, stream=True, media_types=("text/csv",), answers={202: Any}),
            Endpoint(
                method="GET",
                path="/v1/things",
                handler=self.listed,
                scope="leads:read",
                summary="List",
                query=ThingQuery,
                answers={200: Names},
            ),
            Endpoint(
                method="GET",
                path="/v1/things/{id}",
                handler=self.thing,
                scope="leads:read",
                summary="One",
                answers={200: Echo},
            ),
        ]

    async def create(self, call: Call[Thing]) -> Answer:
        self.runs["create"] += 1
        return Answer(Echo(call.body.name, call.body.at, self.runs["create"]), 201, {"Location": "/v1/things/1"})

    async def anything(self, call: Call) -> Answer:
        self.runs["anything"] += 1
        return Answer(call.body)

    async def slow(self, call: Call[Thing]) -> Answer:
        self.runs["slow"] += 1
        await self.gate.wait()
        return Answer(Echo(call.body.name, None, self.runs["slow"]), 201)

    async def failing(self, _call: Call) -> Answer:
        self.runs["failing"] += 1
        if self.failure is not None:
            raise self.failure
        return Answer(status=204)

    async def webhook(self, call: Call) -> Answer:
        return Answer({"source": call.path["source"], "bytes": len(call.raw)}, 202)

    async def imports(self, call: Call) -> Answer:
        self.runs["imports"] += 1
        assert call.stream is not None
        size = 0
        async for chunk in call.stream:
            size += len(chunk)
        return Answer({"bytes": size}, 202)

    async def listed(self, call: Call[None, ThingQuery]) -> Answer:
        start = read_cursor(call.query.cursor, int) or 0
        numbers = list(range(start, 7))[: call.query.limit + 1]
        return Answer(page(numbers, call.query.limit, lambda number: number + 1))

    async def thing(self, call: Call) -> Answer:
        if call.path["id"] != "1":
            raise Problem(404, "not-found", "Not found", "There is no such thing.")
        return Answer(Echo("one", None, 0))


FAILURES = [DatabaseUnavailable("away"), LogUnavailable("away")]
