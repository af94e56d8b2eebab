"""Who watches the board: told of changes, let go when the key is revoked, and not when metrics is away for a while."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import cast

import pytest
import structlog

from services.console import live
from services.console.live import LiveBoard
from services.console.site import Visit
from services.console.views.board import watch
from shared.client import AsyncClient, Retry, ingest
from shared.events import Language
from shared.settings import ServiceName
from tests.console.conftest import RUNS, Team, Visitors
from tests.system import tasuki

__all__ = ["RUNS"]

_numbers = count()


@asynccontextmanager
async def following(team: Team, urls: Mapping[ServiceName, str] | None = None) -> AsyncIterator[LiveBoard]:
    """A board of the running system's numbers."""

    async def make(_tasuki: AsyncClient, language: Language) -> str:
        return f"a board in {language}"

    retry = Retry(tries=1, first_s=0.1, longest_s=0.1, total_s=0.5)
    async with AsyncClient(urls or team.system.url, "", retry=retry) as client:
        board = LiveBoard(client, make, structlog.get_logger())
        stop = asyncio.Event()
        running = asyncio.create_task(board.run(stop))
        try:
            yield board
        finally:
            stop.set()
            await running


@asynccontextmanager
async def watching(
    team: Team, key: str, urls: Mapping[ServiceName, str] | None = None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """What somebody with this key is told by it."""
    async with following(team, urls) as board:
        yield board.watch(key, "en")


async def something_happens(team: Team) -> None:
    async with AsyncClient(team.system.url, team.system.key) as client:
        call = {"id": f"watched-{next(_numbers)}", "source": "dialer", "type": "call", "rep": "tanaka"}
        call |= {"occurred_at": datetime.now(UTC).isoformat(), "lead_id": team.open_lead}
        await client.send(ingest.activities([call | {"direction": "outbound", "outcome": "no_answer"}]))


async def told(stream: AsyncIterator[bytes], what: bytes, team: Team | None = None, within_s: float = 30.0) -> None:
    """Reads until something begins so; with a team, things go on happening there meanwhile."""
    async with asyncio.timeout(within_s):
        async for part in stream:
            if part.startswith(what):
                return
            if team is not None:
                await something_happens(team)
    raise AssertionError(f"the stream ended before {what!r}")


def viewer_key(team: Team, name: str) -> str:
    made = tasuki(team.system, "keys", "create", name, "--scope", "kpis:read")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


async def test_a_revoked_key_is_let_go_while_the_board_keeps_changing(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.5)
    key = viewer_key(team, "viewer")
    async with watching(team, key) as stream:
        await told(stream, b"event: board", team)
        assert tasuki(team.system, "keys", "revoke", "viewer").returncode == 0
        await told(stream, b"event: signed-out", team)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_watcher_stays_while_metrics_is_away(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.3)
    (process,) = team.system.processes("services.metrics")
    async with watching(team, team.system.key) as stream:
        await told(stream, b"event: board", team)
        os.kill(process, signal.SIGSTOP)
        try:
            for _ in range(2):
                await told(stream, b": still here")
        finally:
            os.kill(process, signal.SIGCONT)
        await told(stream, b"event: board", team)


async def test_watchers_hear_that_the_numbers_stand_still_and_that_they_move_again(team: Team) -> None:
    urls = dict(team.system.url) | {"metrics": "http://127.0.0.1:9"}
    async with watching(team, team.system.key, urls) as stream:
        await told(stream, b"event: away")
        urls["metrics"] = team.system.url["metrics"]
        await told(stream, b"event: back")
        await told(stream, b"event: board", team)


async def test_who_is_signed_out_is_told_so_in_the_stream(team: Team, visitors: Visitors) -> None:
    """A browser follows no stream to another page: it gives up without a word."""
    answer = visitors().http.get("/live", headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert answer.text == "event: signed-out\ndata:\n\n"


async def test_who_begins_to_watch_is_shown_the_numbers_of_now(team: Team) -> None:
    """Also where others watch already, and nothing happens any more: what did after the page was made would be missing
    until something else does."""
    async with following(team) as board:
        first = board.watch(team.system.key, "en")
        await told(first, b"event: board\ndata: a board in en")
        await told(board.watch(team.system.key, "ja"), b"event: board\ndata: a board in ja", within_s=10)


async def test_watchers_leave_room_for_those_who_ask_for_pages(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are kept open count as requests: as many as a process works on shut everybody else out."""
    monkeypatch.setattr(live, "WATCHERS_MAX", 2)
    visit = cast(Visit, SimpleNamespace(request=SimpleNamespace(method="GET")))
    async with following(team) as board:
        watchers = [board.watch(team.system.key, "en"), board.watch(team.system.key, "ja")]
        for watcher in watchers:
            await anext(watcher)
        refused = await watch(visit, board)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        await cast(AsyncGenerator[bytes, None], watchers.pop()).aclose()
        assert not board.is_full
