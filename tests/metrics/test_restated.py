"""`tasuki_kpi_restated_total` counts what moves days that had ended, and nothing else."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest

from services.metrics import store
from services.metrics.fold.restated import RESTATED
from shared.db import driver, transaction
from shared.events import Event
from tests.metrics.desk import Desk, call, observed, utc, void
from tests.metrics.strategies import make

Moved = Callable[..., Counter[str]]
NOON = utc(2026, 11, 2, 3)
"""In the business time zone."""
SAME_DAY = utc(2026, 11, 2, 14, 59)
NEXT_DAY = utc(2026, 11, 2, 15)


def recorded(event: Event, at: datetime) -> Event:
    return msgspec.structs.replace(event, recorded_at=at)


@pytest.fixture
def moved(desk: Desk, runner: asyncio.Runner) -> Moved:
    """Take a batch; by how much it moved which KPI."""
    held: Counter[str] = Counter()

    async def read() -> Counter[str]:
        async with transaction(desk.numbers.engine) as conn:
            counters = await store.counters(await driver(conn))
        return Counter({labels[0]: n for (name, labels), n in counters.items() if name == RESTATED})

    def take(*events: Event) -> Counter[str]:
        desk.take(*events)
        before, now = held.copy(), runner.run(read())
        held.update(now - before)
        return now - before

    return take


def test_what_is_recorded_on_its_day_restates_nothing(moved: Moved) -> None:
    assert not moved(recorded(call("c1", NOON), SAME_DAY))


def test_a_late_event_counts_for_each_kpi_that_counts_it(moved: Moved) -> None:
    late = moved(recorded(call("c1", NOON), NEXT_DAY), recorded(call("c2", NOON, outcome="conversation"), NEXT_DAY))
    assert (late["calls"], late["conversations"], late["connect_rate"]) == (2, 1, 2)
    assert "deals" not in late


def test_a_batch_that_waited_is_measured_by_when_it_was_recorded(moved: Moved) -> None:
    early, late = recorded(call("c1", NOON), SAME_DAY), recorded(call("c2", utc(2026, 11, 5, 3)), utc(2026, 11, 5, 4))
    assert not moved(early, late)


def test_a_correction_counts_what_it_takes_out_and_puts_in(moved: Moved) -> None:
    moved(recorded(call("c1", NOON, duration_s=60), SAME_DAY), recorded(call("c2", NOON, duration_s=60), SAME_DAY))
    content = {"direction": "outbound", "outcome": "no_answer", "rep": "tanaka", "duration_s": 90}
    replaced = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in content.items()}
    corrects = {"source": "test", "id": "c1"}
    longer = make("correction", "x1", "lead-a", NEXT_DAY, {"corrects": corrects, "action": "replace", "data": replaced})
    told = moved(recorded(longer, NEXT_DAY))
    assert (told["time_spent"], told["calls"]) == (1, 0)
    told = moved(recorded(void("x2", NEXT_DAY, "c2"), NEXT_DAY))
    assert (told["time_spent"], told["calls"]) == (1, 1)


def test_a_segment_learnt_later_moves_what_was_done(moved: Moved) -> None:
    moved(recorded(call("c1", NOON), SAME_DAY), recorded(call("c2", NOON, outcome="conversation"), SAME_DAY))
    told = moved(recorded(observed("f1", "lead-a", employees=300), NEXT_DAY))
    assert told["calls"] == 4


def test_the_same_event_again_restates_nothing(moved: Moved) -> None:
    late = recorded(call("c1", NOON), NEXT_DAY)
    assert moved(late)["calls"] == 1
    assert not moved(late, recorded(call("c2", utc(2026, 11, 3, 3)), utc(2026, 11, 3, 4)))
