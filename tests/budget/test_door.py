"""What an activity may cost until it is acknowledged: as for consuming, some 15 % over what was counted."""

from collections.abc import AsyncIterator

import pytest

from tests.budget.counting import counting_calls, counting_statements, counting_steps, rows_written
from tests.ingest.door import Door, call, open_door

EVENTS = 1_000
STATEMENTS_A_REQUEST = 9
CALLS_AN_EVENT, STEPS_AN_EVENT = 97, 1510
STEPS_A_CORRECTION = 1500
VOID = {"type": "correction", "source": "dialer", "occurred_at": "2026-11-20T10:00:00+09:00", "action": "void"}
ROWS_AN_EVENT = {"events": 1.0, "outbox": 1.0}


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_door(database_url) as opened:
        await post(opened, "before")  # what is made once is made
        yield opened


async def post(door: Door, prefix: str, events: int = EVENTS) -> None:
    """Calls on ten leads, in one request."""
    calls = [call(n, id=f"{prefix}-{n}", lead_id=f"lead-{n % 10}") for n in range(events)]
    answer = await door.post("/v1/activities", calls)
    assert answer.is_success, answer.text


@pytest.mark.parametrize("events", [1, EVENTS])
async def test_statements(door: Door, events: int) -> None:
    await door.runtime.engine.dispose()
    with counting_statements(door.runtime.engine) as sent:
        await post(door, "counted", events)
    print(f"{events} events: {len(sent)} statements")
    assert len(sent) <= STATEMENTS_A_REQUEST


async def test_rows(door: Door) -> None:
    written = await rows_written(door.runtime.engine, "ingest", lambda: post(door, "written"))
    print({table: n / EVENTS for table, n in written.items()})
    assert {table: n for table, n in written.items() if n / EVENTS > ROWS_AN_EVENT.get(table, 0)} == {}


async def test_calls_and_steps(door: Door) -> None:
    with counting_calls() as counted:
        await post(door, "called")
    with counting_steps() as steps:
        await post(door, "stepped")
    print(f"{counted.made / EVENTS:.1f} calls and {steps.made / EVENTS:.0f} steps an event")
    assert counted.made / EVENTS <= CALLS_AN_EVENT
    assert steps.made / EVENTS <= STEPS_AN_EVENT


async def test_steps_of_corrections_of_one_another(door: Door) -> None:
    """The one that can be placed at once stands last: each before it has to wait for the one behind."""
    links = [f"link-{n}" for n in range(EVENTS)]
    chain = [
        VOID | {"id": link, "corrects": {"source": "dialer", "id": corrected}}
        for link, corrected in zip(links, [*links[1:], "before-0"], strict=True)
    ]
    with counting_steps() as steps:
        answer = await door.post("/v1/activities", chain)
    assert answer.json()["accepted"] == EVENTS
    print(f"{steps.made / EVENTS:.0f} steps a correction")
    assert steps.made / EVENTS <= STEPS_A_CORRECTION
