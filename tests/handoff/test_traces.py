"""What handoff tells goes on in the trace of what has caused it."""

from pathlib import Path

from msgspec.structs import replace

from shared.events import Event, StageChanged
from tests.handoff.desk import Desk, call, created, fields, hearing, running
from tests.handoff.shipped import config_with
from tests.handoff.test_merges import merged


def trace_of(n: int) -> str:
    return f"00-{n:032x}-{n:016x}-01"


def traced(event: Event, n: int) -> Event:
    return replace(event, traceparent=trace_of(n))


async def told(desk: Desk) -> dict[tuple[str, str], str | None]:
    """The trace of each stage that was entered."""
    return {(e.subject, e.data.to): e.traceparent for e in await desk.told() if isinstance(e.data, StageChanged)}


async def test_a_stage_belongs_to_the_trace_of_the_event_that_brought_it(desk: Desk) -> None:
    await desk.deliver(traced(created("mei"), 1), traced(created("kei"), 2), created("rei"))
    await desk.deliver(traced(call("mei", "c1"), 3), traced(call("kei", "c2"), 4), call("rei", "c3"))
    assert await told(desk) == {
        ("mei", "Awareness"): trace_of(1),
        ("kei", "Awareness"): trace_of(2),
        ("rei", "Awareness"): None,
        ("mei", "Engaged"): trace_of(3),
        ("kei", "Engaged"): trace_of(4),
        ("rei", "Engaged"): None,
    }


async def test_what_is_no_traceparent_goes_no_further(desk: Desk) -> None:
    await desk.deliver(replace(created("mei"), traceparent="mei@example.jp"))
    await desk.deliver(replace(created("kei"), traceparent=f"{trace_of(1)}-kei@example.jp"))
    assert await told(desk) == {("mei", "Awareness"): None, ("kei", "Awareness"): trace_of(1)}


async def test_of_several_events_the_last_is_the_cause(desk: Desk) -> None:
    await desk.deliver(traced(created("mei"), 1), traced(fields("mei", "form", employees=50, industry="IT"), 2))
    assert await told(desk) == {("mei", "Awareness"): trace_of(2), ("mei", "Target"): trace_of(2)}


async def test_a_survivor_goes_on_from_what_was_told_of_the_other(desk: Desk) -> None:
    await desk.deliver(created("mei"), created("may"), merged("may", "mei"))
    await desk.deliver(traced(call("may", "c1"), 7))
    assert (await told(desk))["mei", "Engaged"] == trace_of(7)


async def test_a_handoff_that_the_policy_makes_by_itself_is_in_the_trace_too(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, config_with(tmp_path, **{"automatic: false": "automatic: true"})) as desk:
        await desk.deliver(created("mei"), fields("mei", "form", employees=5000, company_name="株式会社テスト"))
        await desk.deliver(traced(hearing("mei", needs="confirmed", authority="confirmed"), 9))
        (made,) = [event for event in await desk.told() if event.name == "handoff-created"]
        assert made.traceparent == trace_of(9)


async def test_what_a_request_brings_is_in_the_trace_of_the_request(desk: Desk) -> None:
    await desk.ready_lead("mei")
    body = {"lead_id": "mei", "rep": "tanaka", "reason": "時期が合う"}
    await desk.call("POST", "/v1/handoffs", body, headers={"traceparent": trace_of(5)})
    (made,) = [event for event in await desk.told() if event.name == "handoff-created"]
    assert (made.traceparent or "")[3:35] == trace_of(5)[3:35]
