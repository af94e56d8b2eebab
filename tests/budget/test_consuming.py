"""What one event may cost while it is consumed: a change that makes it dearer fails here, on any machine.

A budget is some 15 % over what was counted when it was set. Who needs more raises it, and says in the commit what for.
"""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from shared.config import load_config
from shared.consume_batch import Batch, sift, understand
from shared.db import connect, transaction
from shared.eventlog.port import Record
from shared.events import Call, Event, to_message
from shared.inbox import Received
from shared.partition import partition_of
from shared.settings import Settings
from tests.budget.counting import counting_calls, counting_statements, counting_steps, rows_written
from tests.metrics.numbers import Numbers
from tests.system import ROOT

EVENTS, LEADS = 2_000, 400
DECODING_CALLS, DECODING_STEPS = 25, 310
COUNTING_CALLS, COUNTING_STEPS = 73, 1020
STATEMENTS_A_BATCH = 25
ROWS_AN_EVENT = {"events": 1.0, "cells": 0.9, "leads": 0.05, "counters": 0.05, "changes": 0.001, "dimensions": 0.05}


def calls(round_: int) -> list[Event]:
    """Calls of two days on leads that all have some already after the first round."""
    draw = random.Random(round_)  # noqa: S311 - figures that can be repeated
    begin = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=2 * round_)
    return [_call(f"{round_}-{n}", begin + timedelta(days=2) * (n / EVENTS), draw) for n in range(EVENTS)]


def _call(id_: str, time: datetime, draw: random.Random) -> Event:
    lead = f"lead-{draw.randrange(LEADS)}"
    data = Call(
        rep=f"rep-{draw.randrange(20)}",
        direction="outbound",
        outcome=draw.choice(("no_answer", "voicemail", "gatekeeper", "conversation")),
        duration_s=draw.randrange(600),
    )
    return Event(id=id_, source="budget", name="call", time=time, subject=lead, key=lead, recorded_at=time, data=data)


def records(events: list[Event]) -> list[Record]:
    """As the log has them."""
    found = []
    for n, event in enumerate(events):
        message = to_message(event)
        place = partition_of(event.key, 12)
        found.append(Record(message.topic, place, n, message.key, message.headers, message.value, event.recorded_at))
    return found


def batch(round_: int) -> list[Received]:
    """The calls of a round, decoded."""
    understood, _ = understand(Batch(records(calls(round_)), {}, {}))
    return understood


@pytest.fixture
async def numbers(database_url: str) -> AsyncIterator[Numbers]:
    settings = Settings(database_url=database_url, pool_size=3)
    engine = connect(settings, "budget")
    numbers = Numbers(engine, load_config(Path(ROOT) / "config"), settings)
    await numbers.reset()
    yield numbers
    await engine.dispose()


def test_decoding() -> None:
    batch = Batch(records(calls(0)), {}, {})
    with counting_calls() as counted:
        understood, dead = understand(batch)
    assert (len(understood), dead) == (EVENTS, [])
    with counting_steps() as steps:
        understand(batch)
    print(f"decoding: {counted.made / EVENTS:.1f} calls and {steps.made / EVENTS:.0f} steps an event")
    assert counted.made / EVENTS <= DECODING_CALLS
    assert steps.made / EVENTS <= DECODING_STEPS


async def test_counting(numbers: Numbers) -> None:
    for round_ in (0, 1):  # leads and dimensions are known then, as most are
        await numbers.take_received(batch(round_))
    batches = batch(2), batch(3)
    with counting_calls() as counted:
        await numbers.take_received(batches[0])
    with counting_steps() as steps:
        await numbers.take_received(batches[1])
    print(f"counting: {counted.made / EVENTS:.1f} calls and {steps.made / EVENTS:.0f} steps an event")
    assert counted.made / EVENTS <= COUNTING_CALLS
    assert steps.made / EVENTS <= COUNTING_STEPS


async def test_statements_and_rows(numbers: Numbers) -> None:
    for round_ in (0, 1):
        await numbers.take_received(batch(round_))
    await numbers.engine.dispose()  # connections made from now on are counted
    with counting_statements(numbers.engine) as sent:
        written = await rows_written(numbers.engine, "metrics", lambda: numbers.take_received(batch(2)))
    print(f"{len(sent)} statements a batch; rows an event: { ({t: n / EVENTS for t, n in written.items()}) }")
    assert len(sent) <= STATEMENTS_A_BATCH
    assert {table: n for table, n in written.items() if n / EVENTS > ROWS_AN_EVENT.get(table, 0)} == {}


async def test_an_identity_that_says_something_else_each_time(numbers: Numbers) -> None:
    """As where a program gives all its events one id. All but the first contradict it."""
    events = [msgspec.structs.replace(event, id="1", subject="lead-1", key="lead-1") for event in calls(0)]
    await numbers.take(events[-1:])
    await numbers.engine.dispose()
    with counting_statements(numbers.engine) as sent:
        async with transaction(numbers.engine) as conn:
            received, _ = understand(Batch(records(events), {}, {}))
            sifted = await sift(conn, numbers.fold, received, [])
    assert (len(sifted.new), len(sifted.dead)) == (0, EVENTS - 1)
    print(f"{len(sent)} statements")
    assert len(sent) <= STATEMENTS_A_BATCH
