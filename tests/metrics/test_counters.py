"""Counters of activities tell what was known of the lead when each was recorded, however events come in."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from services.metrics import store
from services.metrics.fold.counters import ACTIVITIES, ACTIVITY_LABELS
from shared.db import driver, transaction
from shared.events import Event
from tests.metrics.desk import Desk, call, seen, utc
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import RECORDED


def recorded(minute: int, event: Event) -> Event:
    return replace(event, recorded_at=RECORDED + timedelta(minutes=minute))


def segments(numbers: Numbers, runner: asyncio.Runner) -> Counter[str]:
    """How many activities are counted for each segment."""

    async def counted() -> Counter[str]:
        async with transaction(numbers.engine) as conn:
            counters = await store.counters(await driver(conn))
        found: Counter[str] = Counter()
        for (name, labels), n in counters.items():
            if name == ACTIVITIES:
                found[labels[ACTIVITY_LABELS.index("segment")]] += n
        return found

    return runner.run(counted())


BEFORE = recorded(1, call("a", utc(2026, 11, 20, 1)))
TOLD = recorded(2, seen("f", utc(2026, 11, 20, 2), employees=2500))
AFTER = recorded(3, call("b", utc(2026, 11, 20, 3)))


@pytest.mark.parametrize("batch", [*permutations([BEFORE, TOLD, AFTER])])
def test_in_one_batch_each_call_has_what_was_known_when_it_was_recorded(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner, batch: tuple[Event, ...]
) -> None:
    desk.take(*batch)
    assert segments(numbers, runner) == {"unknown": 1, "enterprise": 1}
    assert desk.ask("calls", "all", "segment") == {("all", "enterprise"): 2}, "a KPI has what is known now"


def test_a_batch_that_tells_another_segment_changes_what_comes_after_it(
    desk: Desk, numbers: Numbers, runner: asyncio.Runner
) -> None:
    desk.take(recorded(0, seen("e", utc(2026, 11, 19), employees=10)))
    desk.take(AFTER, TOLD, BEFORE)
    assert segments(numbers, runner) == {"smb": 1, "enterprise": 1}


def test_one_after_the_other_is_the_same(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    for event in (BEFORE, TOLD, AFTER):
        desk.take(event)
    assert segments(numbers, runner) == {"unknown": 1, "enterprise": 1}
