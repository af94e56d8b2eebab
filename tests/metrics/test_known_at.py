"""What a number was as known at a time: late events, corrections and values learnt later are not in it."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from services.metrics.known import cells_known_at
from services.metrics.query import Asker
from services.metrics.question import Question
from shared.db import driver, transaction
from shared.events import Event
from tests.metrics.desk import Desk, call, observed, utc, void
from tests.metrics.numbers import Numbers


def recorded(event: Event, at: datetime) -> Event:
    return msgspec.structs.replace(event, recorded_at=at)


def test_the_past_is_answered_as_it_was_known(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    first, second, third, fourth = (utc(2026, 11, day) for day in (21, 22, 23, 24))
    desk.take(recorded(call("a", utc(2026, 11, 20, 1)), first), recorded(call("b", utc(2026, 11, 20, 2)), first))
    desk.take(recorded(call("late", utc(2026, 11, 20, 3)), second))
    desk.take(recorded(void("x", utc(2026, 11, 20, 9), "a"), third))
    desk.take(recorded(observed("f", "lead-a", employees=10), fourth))

    async def known(at: datetime) -> list[dict[str, Any]]:
        kpi = numbers.catalogue.get("calls")
        assert kpi is not None
        async with transaction(numbers.engine) as conn:
            raw = await driver(conn)
            cells, _ = await cells_known_at(numbers.engine, raw, numbers.rules, at)
            asker = Asker(raw, at.date(), 4, (), cells=cells)
            return await asker.answer(Question(kpi, "month", None, None, ("segment",)))

    def row(segment: str, value: int) -> list[dict[str, Any]]:
        return [{"period": "2026-11", "segment": segment, "value": value}]

    assert runner.run(known(utc(2026, 11, 20))) == []
    assert runner.run(known(first)) == row("unknown", 2)
    assert runner.run(known(second)) == row("unknown", 3)
    assert runner.run(known(third)) == row("unknown", 2)
    assert runner.run(known(fourth)) == row("smb", 2)
    assert desk.rows("calls", "month", "segment") == row("smb", 2)
