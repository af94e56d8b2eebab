"""Spans as a collector gets them: of requests, of what goes to the log, and of what is taken from it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec
import pytest

from shared.consume import Received
from shared.db import transaction
from shared.events import Event
from shared.outbox import enqueue
from shared.relay import Relay
from shared.telemetry import current_traceparent
from shared.telemetry.spans import Spans
from shared.telemetry.trace import enter, read_traceparent
from tests.collector import Collector, collecting
from tests.shared.consuming import SCHEMA, Toy, call, open_toy
from tests.system import ROOT

CANARY = "canary-mei-tanaka@example.jp"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
def spans(collector: Collector) -> Iterator[Spans]:
    made = Spans.exporting("toy", "toy:1", "postgresql")
    yield made
    made.close()


@pytest.fixture(params=[12, 8], ids=["log takes over", "relay hands over"])
async def toy(database_url: str, spans: Spans, request: pytest.FixtureRequest) -> AsyncIterator[Toy]:
    async with open_toy(database_url, log_partitions=request.param, spans=spans) as opened:
        yield opened


def traced(id_: str, traceparent: str | None, lead: str = "lead") -> Event:
    return msgspec.structs.replace(call(id_, lead=lead), traceparent=traceparent)


async def test_a_request_is_a_span_with_its_route(spans: Spans, collector: Collector) -> None:
    span = spans.request(SAMPLED, "GET", "http")
    assert (place := read_traceparent(span.traceparent)) is not None
    assert (place.trace_id, place.sampled) == (TRACE, True)
    span.end("/v1/leads/{id}", 200)
    spans.close()
    seen = collector.one("tasuki-toy", "GET /v1/leads/{id}")
    assert (seen.kind, seen.trace, seen.span, seen.parent) == ("server", TRACE, place.span_id, SPAN)
    assert seen.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/v1/leads/{id}",
        "http.response.status_code": 200,
    }
    assert not seen.failed


@pytest.mark.parametrize(
    ("status", "error"), [(200, None), (404, None), (500, "500"), (503, "503"), (None, "client_gone")]
)
async def test_a_request_fails_when_we_do(
    spans: Spans, collector: Collector, status: int | None, error: str | None
) -> None:
    spans.request(None, None, "http").end(None, status)
    spans.close()
    (seen,) = collector.spans()
    assert (seen.name, seen.attributes["http.request.method"], seen.parent) == ("HTTP", "_OTHER", "")
    assert (seen.attributes.get("error.type"), seen.failed) == (error, error is not None)


async def test_what_the_caller_does_not_record_is_not_recorded(spans: Spans, collector: Collector) -> None:
    span = spans.request(UNSAMPLED, "GET", "http")

    async def answer() -> None:
        enter(span.traceparent)
        with spans.step("commit"):
            assert current_traceparent() == span.traceparent

    await asyncio.create_task(answer())  # as a request is: what it enters ends with it
    span.end("/v1/things", 200)
    with spans.processing("toy", [("t", span.traceparent), ("t", None), ("t", "garbage")]) as ours:
        assert ours == {}
    spans.close()
    assert span.traceparent.startswith(f"00-{TRACE}-")
    assert span.traceparent.endswith("-00")
    assert collector.spans() == []


async def test_the_sampler_of_the_environment_decides(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    made = Spans.exporting("toy", "toy:1", "kafka")
    span = made.request(SAMPLED, "GET", "http")
    span.end("/v1/things", 200)
    made.close()
    assert span.traceparent.endswith("-00"), "so nobody behind us records it either"
    assert collector.spans() == []


async def test_a_step_is_a_part_of_the_request(spans: Spans, collector: Collector) -> None:
    span = spans.request(None, "POST", "http")

    async def answer() -> None:
        enter(span.traceparent)
        with spans.step("commit"):
            pass
        with pytest.raises(RuntimeError), spans.step("commit"):
            raise RuntimeError(CANARY)

    await asyncio.create_task(answer())
    span.end("/v1/things", 500)
    spans.close()
    ours = collector.one("tasuki-toy", "POST /v1/things")
    steps = [seen for seen in collector.spans() if seen.name == "commit"]
    assert [(s.kind, s.parent, s.failed) for s in steps] == [
        ("internal", ours.span, False),
        ("internal", ours.span, True),
    ]
    assert steps[1].attributes == {"error.type": "builtins.RuntimeError"}
    assert CANARY.encode() not in collector.raw


async def test_events_go_to_the_log_in_their_trace(toy: Toy, spans: Spans, collector: Collector) -> None:
    async with transaction(toy.engine) as conn:
        await enqueue(conn, SCHEMA, [traced("a", SAMPLED), traced("b", SAMPLED, "other"), call("c")])
        await enqueue(conn, SCHEMA, [traced("d", UNSAMPLED)])
    assert await Relay(toy.engine, SCHEMA, toy.log, toy.telemetry).publish() == 4
    spans.close()
    (seen,) = collector.spans()
    assert (seen.name, seen.kind, seen.trace, seen.parent) == ("send tasuki.activities.v1", "client", TRACE, SPAN)
    assert seen.attributes == {
        "messaging.system": "postgresql",
        "messaging.destination.name": "tasuki.activities.v1",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.batch.message_count": 2,
    }


async def test_a_batch_is_a_span_for_each_trace_in_it(toy: Toy, spans: Spans, collector: Collector) -> None:
    """However many events they have; none for those that are not sampled. What comes of an event goes on from it."""
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    handled: list[Event] = []
    toy.handler.failing = lambda received: handled.extend(r.event for r in received)
    await toy.append(
        *(traced(f"u{n}", UNSAMPLED, f"lead-{n}") for n in range(3000)),
        *(traced(f"s{n}", SAMPLED) for n in range(500)),
        traced("o", other),
        call("n"),
    )
    async with toy.running():
        assert (await toy.caught_up())[0] == 3502
    spans.close()
    seen = [s for s in collector.spans() if s.trace == TRACE]
    assert sum(int(s.attributes["messaging.batch.message_count"]) for s in seen) == 500
    assert {(s.name, s.kind, s.parent) for s in seen} == {("process tasuki.activities.v1", "consumer", SPAN)}
    assert all(s.links == [SPAN] for s in seen)
    assert {s.attributes["messaging.consumer.group.name"] for s in seen} == {"toy"}
    assert toy.handler.calls >= len(seen), "at most one in each batch"
    (one,) = [s for s in collector.spans() if s.trace != TRACE]
    assert (one.trace, one.parent) == ("1" * 32, "2" * 16)
    went_on = {event.id: read_traceparent(event.traceparent) for event in handled}
    assert {place.span_id for id_, place in went_on.items() if place and id_[0] == "s"} == {s.span for s in seen}
    assert {place.span_id for id_, place in went_on.items() if place and id_[0] == "u"} == {SPAN}
    assert went_on["n"] is None


async def test_a_batch_that_fails_says_so_without_what_it_failed_on(
    toy: Toy, spans: Spans, collector: Collector
) -> None:
    def fail_once(_: Sequence[Received]) -> None:
        toy.handler.failing = lambda _: None
        raise RuntimeError(CANARY)

    toy.handler.failing = fail_once
    await toy.append(traced("a", SAMPLED))
    async with toy.running():
        assert await toy.caught_up() == (1, 0, 0, 0)
    spans.close()
    failed, taken = collector.spans()
    assert (failed.failed, failed.attributes["error.type"]) == (True, "builtins.RuntimeError")
    assert (taken.failed, taken.parent) == (False, SPAN)
    assert CANARY.encode() not in collector.raw


async def test_without_traces_events_stay_as_they_are(database_url: str) -> None:
    handled: list[Event] = []
    async with open_toy(database_url) as toy:
        toy.handler.failing = lambda received: handled.extend(r.event for r in received)
        await toy.append(traced("a", SAMPLED), call("b"))
        async with toy.running():
            await toy.caught_up()
    assert sorted((event.id, event.traceparent) for event in handled if event.traceparent) == [("a", SAMPLED)]
    assert len(handled) == 2


def test_without_traces_nothing_of_opentelemetry_is_loaded() -> None:
    script = (
        "import sys, services.ingest.app, services.handoff.app, services.metrics.app, services.console.app\n"
        "print([n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'shared.telemetry.spans'))])"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("missing", ["opentelemetry.sdk", "opentelemetry.exporter"])
def test_traces_without_the_extra_are_refused_with_what_to_install(missing: str) -> None:
    hidden = (
        f"import sys, runpy; sys.modules[{missing!r}] = None; runpy.run_module('services.ingest', run_name='__main__')"
    )
    ended = started([sys.executable, "-c", hidden])
    assert ended.returncode == 2, ended.stderr
    assert "TASUKI_TRACES" in ended.stderr
    assert "pip install 'tasuki[otel]'" in ended.stderr


def test_a_protocol_that_is_not_spoken_is_refused_by_name() -> None:
    ended = started([sys.executable, "-m", "services.ingest"], OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert ended.returncode == 2, ended.stderr
    assert "OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent by http/protobuf, not by grpc" in ended.stderr


def started(command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """A service that is to make traces, and ends by itself."""
    wanted = os.environ | {"TASUKI_TRACES": "true"} | environment
    return subprocess.run(command, cwd=ROOT, env=wanted, capture_output=True, text=True, check=False, timeout=60)
