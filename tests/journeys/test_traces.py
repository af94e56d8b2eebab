"""One trace from webhook to KPI, as a collector of traces gets it from a running system."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.collector import Collector, Seen, collecting
from tests.faults.on_kafka import on_kafka
from tests.journeys.outside import FORM, Outside, outside_of
from tests.system import System

INQUIRED, CALLED, UNRECORDED = "a" * 32, "b" * 32, "c" * 32
CALLER = "00f067aa0ba902b7"
WEBHOOK = "POST /v1/webhooks/{source}"
PERSONAL = ("canary-mei@example.jp", "田中canary", "株式会社canary", "090-1234-5678", "canary-query")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(params=["postgresql", "kafka"])
def traced(
    data_dir: Path, free_port: Callable[[], int], collector: Collector, request: pytest.FixtureRequest
) -> Iterator[Outside]:
    """A system that makes traces, on each of the two logs."""
    environment = {
        "TASUKI_TRACES": "true",
        "TASUKI_LOG_LEVEL": "debug",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with ExitStack() as stack:
        if request.param == "kafka":
            system, _ = stack.enter_context(on_kafka(data_dir, free_port, environment=environment))
        else:
            system = stack.enter_context(System(data_dir, free_port, environment))
        yield stack.enter_context(outside_of(system))


def inquire(outside: Outside, traceparent: str | None = None) -> None:
    """Somebody fills in the form of the website."""
    email, name, company, phone, query = PERSONAL
    form = urlencode({"メールアドレス": email, "姓": name, "会社名": company, "電話番号": phone}).encode()
    headers = {"traceparent": traceparent} if traceparent else {}
    path = f"/v1/webhooks/website?{urlencode({'from': query})}"
    answer = outside.call("ingest", "POST", path, form, key=None, content_type=FORM, headers=headers)
    assert answer.is_success, answer.text


def call(outside: Outside, traceparent: str) -> None:
    """The lead is called, and talks."""
    (lead,) = outside.ok("ingest", "GET", "/v1/leads")["items"]
    told = {
        "type": "call",
        "id": "c1",
        "lead_id": lead["lead_id"],
        "occurred_at": datetime.now(UTC).isoformat(),
        "rep": "tanaka",
        "direction": "outbound",
        "outcome": "conversation",
    }
    answer = outside.call("ingest", "POST", "/v1/activities", [told], headers={"traceparent": traceparent})
    assert answer.json()["accepted"] == 1, answer.text


def test_one_trace_from_webhook_to_kpi(traced: Outside, collector: Collector) -> None:
    inquire(traced, f"00-{INQUIRED}-{CALLER}-01")
    traced.settle()
    call(traced, f"00-{CALLED}-{CALLER}-01")
    inquire(traced, f"00-{UNRECORDED}-{CALLER}-00")
    traced.settle()
    for kpi in ("leads", "calls"):
        (row,) = traced.rows(kpi, grain="all")
        assert row["value"] == 1
    traced.system.stop()  # what has not been sent yet is sent now

    check_trace(collector.spans(INQUIRED), WEBHOOK, "tasuki.leads.v1")
    check_trace(collector.spans(CALLED), "POST /v1/activities", "tasuki.activities.v1")
    logs = {span.attributes["messaging.system"] for span in collector.spans() if "messaging.system" in span.attributes}
    assert logs == {"kafka" if traced.system.kafka else "postgresql"}
    assert collector.spans(UNRECORDED) == []
    for personal in PERSONAL:
        assert personal.encode() not in collector.raw
    lines = [json.loads(line) for line in traced.system.output().splitlines() if line.startswith("{")]
    logged = [line["trace_id"] for line in lines if line.get("route") in ("/v1/webhooks/{source}", "/v1/activities")]
    assert sorted(logged) == sorted([INQUIRED, CALLED, UNRECORDED]), "also of what is not recorded"


def check_trace(trace: Sequence[Seen], door: str, topic: str) -> None:
    """From the door through the log to handoff and metrics, and what handoff made of it to those who hear of it."""

    def named(service: str, name: str) -> list[Seen]:
        found = [span for span in trace if (span.service, span.name) == (f"tasuki-{service}", name)]
        assert found, f"{service} has no {name}"
        return found

    (request,) = named("ingest", door)
    assert (request.kind, request.parent) == ("server", CALLER)
    assert request.attributes["http.response.status_code"] == 202
    (commit,) = named("ingest", "commit")
    assert (commit.kind, commit.parent) == ("internal", request.span)
    # A consumer may find the events of one request in two batches.
    taken = named("handoff", f"process {topic}")
    of_request = [*named("ingest", f"send {topic}"), *named("metrics", f"process {topic}"), *taken]
    assert {span.parent for span in of_request} == {request.span}
    told = named("handoff", "send tasuki.handoffs.v1")  # the stage that this has brought
    heard = [*named("metrics", "process tasuki.handoffs.v1"), *named("ingest", "process tasuki.handoffs.v1")]
    assert {span.parent for span in (*told, *heard)} <= {span.span for span in taken}
    assert {span.attributes["messaging.consumer.group.name"] for span in heard} == {"metrics", "ingest"}
    assert {span.kind for span in (*taken, *heard)} == {"consumer"}


def test_a_collector_that_is_away_stops_nothing(data_dir: Path, free_port: Callable[[], int]) -> None:
    environment = {"TASUKI_TRACES": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    with System(data_dir, free_port, environment) as system, outside_of(system) as outside:
        inquire(outside)
        outside.settle()
        (row,) = outside.rows("leads", grain="all")
        assert row["value"] == 1
        system.wait_for(lambda: '"logger": "opentelemetry' in system.output())
        assert system.stop() == 0
    assert "ended (" not in system.output(), "nothing was killed on the way"


def test_a_collector_that_never_answers_holds_up_no_end(data_dir: Path, free_port: Callable[[], int]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # takes connections, and no more
        environment = {
            "TASUKI_TRACES": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        with System(data_dir, free_port, environment) as system, outside_of(system) as outside:
            inquire(outside)
            outside.settle()
            assert system.stop() == 0
    assert "ended (" not in system.output(), "nothing was killed on the way"
