"""The stream tells all values first, then what changes, and lets its followers go at the end."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from services.metrics.live import stream as live_stream
from services.metrics.live.board import Board
from services.metrics.live.stream import Stream
from shared.clock import FixedClock
from shared.db import DatabaseUnavailable
from shared.web import Call, Problem
from shared.web.observe import IN_FLIGHT_MAX
from tests.metrics.desk import Desk, call, utc, void
from tests.metrics.numbers import Numbers

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)


def told(event: bytes) -> tuple[str, dict[tuple[str, ...], Any]]:
    lines = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    values = msgspec.json.decode(lines["data"])
    return lines["id"], {(v["kpi"], v["period"], v["dimension"], v["member"]): v["value"] for v in values}


def stream_of(numbers: Numbers) -> Stream:
    clock, team, policy = FixedClock(NOW), numbers.fold.team, numbers.rules.policy
    return Stream(Board(numbers.engine, numbers.catalogue, team, policy, numbers.settings, clock))


async def followed(stream: Stream, last_id: str | None = None) -> AsyncGenerator[bytes, None]:
    """The events that a request gets."""
    request = SimpleNamespace(headers={"last-event-id": last_id} if last_id else {})
    answer = await stream.follow(cast(Call, SimpleNamespace(request=request)))
    return cast(AsyncGenerator[bytes, None], answer.body)


def test_all_values_then_changes_then_the_end(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    async def follow() -> None:
        stream = stream_of(numbers)
        stop = asyncio.Event()
        watching = asyncio.ensure_future(stream.run(stop))
        await numbers.take([call("a", utc(2026, 11, 20, 1), outcome="conversation")])
        events = await followed(stream)
        first_id, first = told(await anext(events))
        assert first["calls", "today", "total", ""] == 1
        assert first["connect_rate", "today", "rep", "tanaka"] == 1

        again = await followed(stream, first_id)
        nothing_new = told(await anext(again))
        assert nothing_new == (first_id, {})

        await numbers.rebuild()  # moves the state's number as a batch of the consumer does
        await numbers.take([call("b", utc(2026, 11, 20, 2))])
        changes: dict[tuple[str, ...], Any] = {}
        while ("calls", "today", "total", "") not in changes:
            await numbers.rebuild()
            changes |= told(await anext(events))[1]
        assert changes["calls", "today", "total", ""] == 2
        assert changes["connect_rate", "today", "total", ""] == 0.5
        assert ("conversations", "today", "total", "") not in changes

        stop.set()
        await watching
        assert [event async for event in events] in ([], [b": still here\n\n"])

    runner.run(follow())


def test_who_comes_back_is_told_what_has_gone_meanwhile(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    async def follow() -> None:
        stream = stream_of(numbers)
        await numbers.take([call("a", utc(2026, 11, 20, 1), outcome="conversation")])
        first_id, first = told(await anext(await followed(stream)))
        assert first["connect_rate", "today", "total", ""] == 1
        await numbers.take([void("v", utc(2026, 11, 20, 2), "a")])
        await numbers.rebuild()  # moves the state's number as a batch of the consumer does
        _, strangers = told(await anext(await followed(stream)))
        assert ("connect_rate", "today", "total", "") not in strangers
        _, back = told(await anext(await followed(stream, first_id)))
        assert back["connect_rate", "today", "total", ""] is None
        assert {key: value for key, value in back.items() if value is not None} == strangers
        assert {key for key, value in back.items() if value is None} == first.keys() - strangers.keys()

    runner.run(follow())


def test_who_comes_later_is_never_led_back_to_what_others_saw_before(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    async def follow() -> None:
        stream = stream_of(numbers)
        stop = asyncio.Event()
        watching = asyncio.ensure_future(stream.run(stop))
        await numbers.take([call("a", utc(2026, 11, 20, 1))])
        earlier = await followed(stream)
        await anext(earlier)
        while stream._now is None:  # noqa: ASYNC110 - it looks four times a second
            await asyncio.sleep(0.05)
        await earlier.aclose()
        await numbers.take([call("b", utc(2026, 11, 20, 2))])
        await numbers.rebuild()  # moves the state's number as a batch of the consumer does
        later = await followed(stream)
        assert told(await anext(later))[1]["calls", "today", "total", ""] == 2
        with pytest.raises(TimeoutError):
            told(await asyncio.wait_for(anext(later), 1))
        stop.set()
        await watching

    runner.run(follow())


def test_an_outage_is_told_before_anything_is_answered(numbers: Numbers, runner: asyncio.Runner) -> None:
    class Away:
        async def now(self) -> None:
            raise DatabaseUnavailable("away")

    with pytest.raises(DatabaseUnavailable):
        runner.run(followed(Stream(cast(Board, Away()))))


def test_followers_leave_room_for_those_who_ask(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many streams as a process works on requests, nobody else was answered."""
    monkeypatch.setattr(live_stream, "FOLLOWERS_MAX", 2)

    async def follow() -> None:
        stream = stream_of(numbers)
        two = [await followed(stream), await followed(stream)]
        for events in two:
            await anext(events)
        with pytest.raises(Problem) as refused:
            await followed(stream)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        await two.pop().aclose()
        await anext(await followed(stream))

    runner.run(follow())


def test_they_are_no_more_than_half_of_all_requests() -> None:
    assert live_stream.FOLLOWERS_MAX <= IN_FLIGHT_MAX // 2
