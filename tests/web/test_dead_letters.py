"""The endpoints of dead letters, over the toy service: what a retry answers, and what it leaves."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from shared.consume import Received, Rejected
from shared.db import DatabaseUnavailable, driver
from shared.eventlog.port import LogUnavailable, Message
from shared.events import ACTIVITIES
from shared.web import Access, Problem, create_app, create_key, ensure_admin_key
from shared.web.dead_letters import DeadLetters
from tests.shared.consuming import SCHEMA, Toy, call, open_toy
from tests.web.conftest import ADMIN_KEY, problem

FAILS = "urn:tasuki:problem:dead-letter-still-fails"
UNKNOWN = "/v1/dead-letters/01a20d5f-a087-7049-84d3-1eaa89cbb2c7/retry"


@dataclass
class Served:
    """The toy's letters over HTTP, asked by an admin."""

    toy: Toy
    http: httpx.AsyncClient

    async def condemned(self, *ids: str) -> list[str]:
        """Letters of events on which the handler fails, the newest first."""
        self.failing_with(ZeroDivisionError("not yet"))
        await self.toy.append(*(call(id_) for id_ in ids))
        async with self.toy.running():
            await self.toy.caught_up()
        return [letter["id"] for letter in await self.listed()]

    async def listed(self) -> list[Any]:
        answer = await self.http.get("/v1/dead-letters")
        assert answer.status_code == 200, answer.text
        items: list[Any] = answer.json()["items"]
        return items

    async def retry(self, letter: str) -> httpx.Response:
        return await self.http.post(f"/v1/dead-letters/{letter}/retry")

    def failing_with(self, error: Exception) -> None:
        def fail(_received: Sequence[Received]) -> None:
            raise error

        self.toy.handler.failing = fail

    def mended(self) -> None:
        self.toy.handler.failing = lambda _: None


@pytest.fixture
async def served(database_url: str) -> AsyncIterator[Served]:
    async with open_toy(database_url) as toy:
        await ensure_admin_key(toy.engine, ADMIN_KEY)
        app = create_app(
            title="Toy",
            endpoints=DeadLetters(toy.engine, toy.consumer, SCHEMA, toy.telemetry).table(),
            access=Access(toy.engine),
            telemetry=toy.telemetry,
        )
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://toy", headers=headers
        ) as http:
            yield Served(toy, http)


async def test_letters_are_listed_the_newest_first_page_by_page(served: Served) -> None:
    await served.condemned("a", "b", "c")
    whole = await served.listed()
    assert [letter["id"] for letter in whole] == sorted((letter["id"] for letter in whole), reverse=True)
    assert {(letter["topic"], letter["reason"]) for letter in whole} == {(ACTIVITIES, "handler_error")}
    found, cursor = [], ""
    for _ in range(3):
        answer = (await served.http.get(f"/v1/dead-letters?limit=1{cursor}")).json()
        found += answer["items"]
        cursor = f"&cursor={answer['next_cursor']}"
    assert found == whole


async def test_reliability_17_a_retry_after_the_fix_takes_it_once(served: Served) -> None:
    mended, left = await served.condemned("a", "b")
    served.mended()
    assert (await served.retry(mended)).json() == {"id": mended, "status": "taken"}
    assert [letter["id"] for letter in await served.listed()] == [left]
    problem(await served.retry(mended), 404)
    assert len(await served.toy.effects()) == 1
    assert await served.toy.counts() == (1, 0, 2, 0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("mei@example.jp has none of 'Mei Ito' at 090-1234-5678"), "ZeroDivisionError: <email> has"),
        (ValueError(""), "ValueError."),
        (KeyError("mei"), "KeyError: <value>."),  # a LookupError, as what says that there is no letter
        (Problem(404, "not-found", "Not found"), "Problem: 404 not-found."),
        (
            asyncpg.UniqueViolationError("duplicate\nDETAIL:  Key (email)=(mei@x.jp)"),
            "UniqueViolationError: duplicate.",
        ),
    ],
)
async def test_an_error_of_the_handler_is_told_without_what_it_says_of_people(
    served: Served, error: Exception, told: str
) -> None:
    (letter,) = await served.condemned("a")
    served.failing_with(error)
    document = problem(await served.retry(letter), 422)
    assert document["type"] == FAILS
    assert told in document["detail"]
    assert not {word for word in ("mei", "Mei", "1234") if word in document["detail"]}
    assert [found["id"] for found in await served.listed()] == [letter], "it stays open"
    assert await served.toy.effects() == []
    assert await served.toy.rows("select id from toy.seen") == []
    (line,) = (line for line in served.toy.lines.getvalue().splitlines() if "dead_letter_still_fails" in line)
    assert letter in line
    assert "in fail" in line, "the line has the trace"
    served.mended()
    assert (await served.retry(letter)).status_code == 200
    assert await served.toy.effects() == ["a"]


async def test_an_error_that_the_handler_swallows_is_no_success(served: Served) -> None:
    """PostgreSQL has given the transaction up by then, and would answer its commit with a silent rollback."""
    (letter,) = await served.condemned("a")
    served.mended()
    handle = served.toy.handler.handle

    async def swallowing(conn: Any, received: Sequence[Received]) -> None:
        await handle(conn, received)
        with pytest.raises(asyncpg.UndefinedTableError):
            await (await driver(conn)).execute("select from toy.nothing")

    served.toy.handler.handle = swallowing  # type: ignore[method-assign]
    assert problem(await served.retry(letter), 422)["type"] == FAILS
    assert [found["id"] for found in await served.listed()] == [letter]
    assert await served.toy.effects() == []


@pytest.mark.parametrize(
    "outage",
    [
        DatabaseUnavailable("away"),
        ConnectionResetError(),
        asyncpg.DiskFullError("full"),
        LogUnavailable("away"),
        asyncpg.DeadlockDetectedError("every time"),
    ],
)
async def test_an_outage_asks_for_a_later_retry(served: Served, outage: Exception) -> None:
    (letter,) = await served.condemned("a")
    served.failing_with(outage)
    answer = await served.retry(letter)
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert [found["id"] for found in await served.listed()] == [letter]
    assert await served.toy.effects() == []


async def test_what_still_is_no_event_or_is_refused_is_a_conflict(served: Served) -> None:
    (refused,) = await served.condemned("a")

    def refuse(received: Sequence[Received]) -> None:
        raise Rejected(received[0], "not_yet", "wait for the fix")

    served.toy.handler.failing = refuse
    document = problem(await served.retry(refused), 409)
    assert (document["type"], document["detail"]) == ("urn:tasuki:problem:still-dead", "not_yet: wait for the fix")
    await served.toy.append_raw(Message(ACTIVITIES, "lead", (), b"{"))
    async with served.toy.running():
        await served.toy.caught_up()
    no_event, _ = [letter["id"] for letter in await served.listed()]
    assert problem(await served.retry(no_event), 409)["type"] == "urn:tasuki:problem:still-dead"
    assert len(await served.listed()) == 2


@pytest.mark.parametrize("path", [UNKNOWN, "/v1/dead-letters/none/retry"])
async def test_there_is_no_such_letter(served: Served, path: str) -> None:
    assert "/v1/dead-letters lists them" in problem(await served.http.post(path), 404)["detail"]


@pytest.mark.parametrize("ask", [lambda http: http.get("/v1/dead-letters"), lambda http: http.post(UNKNOWN)])
async def test_letters_are_for_admins(served: Served, ask: Callable[[httpx.AsyncClient], Any]) -> None:
    key = await create_key(served.toy.engine, "reader", ["leads:read", "kpis:read"])
    served.http.headers["authorization"] = f"Bearer {key}"
    assert problem(await ask(served.http), 403)["scope"] == "admin"
