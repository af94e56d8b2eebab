"""The stream tells all values first, then what changes, and lets its followers go at the end."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.metrics.live.board import Board
from services.metrics.live.stream import Stream
from shared.clock import FixedClock
from tests.metrics.desk import Desk, call, utc
from tests.metrics.numbers import Numbers

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)


def told(event: bytes) -> tuple[str, dict[tuple[str, ...], Any]]:
    lines = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    values = msgspec.json.decode(lines["data"])
    return lines["id"], {(v["kpi"], v["period"], v["dimension"], v["member"]): v["value"] for v in values}


def test_all_values_then_changes_then_the_end(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    async def follow() -> None:
        clock, team, policy = FixedClock(NOW), numbers.fold.team, numbers.rules.policy
        stream = Stream(Board(numbers.engine, numbers.catalogue, team, policy, numbers.settings, clock))
        stop = asyncio.Event()
        watching = asyncio.ensure_future(stream.run(stop))
        await numbers.take([call("a", utc(2026, 11, 20, 1), outcome="conversation")])
        events = stream._events(None)
        first_id, first = told(await anext(events))
        assert first["calls", "today", "total", ""] == 1
        assert first["connect_rate", "today", "rep", "tanaka"] == 1

        again = stream._events(first_id)
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
