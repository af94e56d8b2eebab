"""Logs, traces and metrics: what they say, and what they never say."""

import asyncio
import io
import json
import logging
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextvars import copy_context

import pytest
import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry import Telemetry, current_traceparent
from shared.telemetry.spans import Spans
from shared.telemetry.trace import continue_trace, enter
from tests.collector import Collector, collecting
from tests.web.conftest import ADMIN_KEY, Site

CANARY = "canary-mei-tanaka@example.jp"
SECRETS = ("canary-", ADMIN_KEY, "1234-5678")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_no_key_no_body_and_no_query_in_any_log_line(site: Site) -> None:
    key = await provoke(site)
    logged = site.logged.getvalue()
    assert logged.count("\n") >= 28
    for secret in (*SECRETS, key):
        assert secret not in logged


async def provoke(site: Site) -> str:
    """Requests with personal data and secrets wherever they can be; the key of some of them."""
    key = (await site.key(f"canary {secrets.token_hex(4)}", "leads:write"))["authorization"]
    for header in (key, f"Bearer {ADMIN_KEY}", "Bearer wrong-canary-key", ""):
        headers = {"authorization": header, "idempotency-key": "canary-idempotency-key"}
        await site.client.post("/v1/things", json={"name": CANARY}, headers=headers)
        await site.client.post("/v1/things", json={CANARY: 1, "parts": CANARY}, headers=headers)
        await site.client.post("/v1/things", content=CANARY, headers=headers)
        await site.client.get("/v1/things", params={"q": CANARY, CANARY: "1"}, headers=headers)
        await site.client.get(f"/v1/things/{CANARY}", headers=headers)
        await site.client.get(f"/{CANARY}", headers=headers)
        site.sample.failure = RuntimeError(f"Key (email)=({CANARY}) exists, {key}, +81 90-1234-5678")
        await site.client.post("/v1/failing", headers=headers)
    return key.removeprefix("Bearer ")


async def test_no_key_no_body_no_path_and_no_query_in_any_span(site: Site, spans: Spans, collector: Collector) -> None:
    key = await provoke(site)
    spans.close()
    seen = collector.spans()
    assert len(seen) >= 28
    assert {one.attributes["http.route"] for one in seen if "http.route" in one.attributes} <= {
        endpoint.path for endpoint in site.sample.table()
    }
    for secret in (*SECRETS, key):
        assert secret.encode() not in collector.raw


async def test_a_request_has_one_trace_in_its_log_line_its_work_and_its_span(
    site: Site, spans: Spans, collector: Collector
) -> None:
    begun = len(lines(site.logged))
    await site.client.get("/v1/things/1", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    await site.client.get("/v1/nowhere")
    for probe in ("/livez", "/readyz", "/metrics"):
        await site.client.get(probe)
    spans.close()
    found, unmatched = collector.spans()
    assert (found.service, found.name) == ("tasuki-sample", "GET /v1/things/{id}")
    assert (found.trace, found.parent) == ("a" * 32, "b" * 16)
    assert (unmatched.name, unmatched.parent, unmatched.attributes["http.response.status_code"]) == ("GET", "", 404)
    logged = [line["trace_id"] for line in lines(site.logged)[begun:] if line["event"] == "request"]
    assert logged[:2] == [found.trace, unmatched.trace]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture
def spans(site: Site, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """What the site makes traces with, for one test."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    made = Spans.exporting("sample", "sample:1", "postgresql")
    monkeypatch.setattr(site.telemetry, "spans", made)
    yield made
    made.close()


async def test_a_log_line_names_time_level_event_service_request_and_trace(site: Site) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "x-request-id": "req-1"}
    await site.client.get("/v1/things/1", headers=headers)
    line = next(line for line in lines(site.logged) if line.get("request_id") == "req-1")
    assert line["trace_id"] == trace
    assert (line["service"], line["level"], line["event"]) == ("sample", "debug", "request")
    assert (line["route"], line["method"], line["status"]) == ("/v1/things/{id}", "GET", 200)
    assert str(line["time"]).endswith("Z")


@pytest.mark.parametrize(
    "incoming",
    [
        None,
        "",
        "garbage",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "x" * 10_000,
    ],
)
def test_a_trace_that_cannot_be_continued_is_begun_anew(incoming: str | None) -> None:
    first, second = continue_trace(incoming), continue_trace(incoming)
    assert first[3:35] != second[3:35]
    assert first.endswith("-00"), "nobody records it"
    assert "0af7651916cd43dd8448eb211c80319c" not in first


def test_a_trace_is_continued_with_a_span_of_our_own() -> None:
    ours = continue_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
    version, trace, span, flags = ours.split("-")
    assert (version, trace, flags) == ("00", "0af7651916cd43dd8448eb211c80319c", "00")
    assert span != "b7ad6b7169203331"

    def inside() -> str | None:
        enter(ours)
        return current_traceparent()

    assert copy_context().run(inside) == ours


def test_libraries_log_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    before = structlog.get_config(), root.level
    try:
        Telemetry("lib", stream=stream).take_over_logging()
        logging.getLogger("some.library").warning("lost %s", CANARY)
        logging.getLogger("some.library").info("chatter")
        structlog.get_logger("ours").info("event_name", figure=3)
    finally:
        structlog.configure(**before[0])
        root.setLevel(before[1])
        logging.captureWarnings(False)
    warning, ours = lines(stream)
    assert (warning["service"], warning["level"], warning["event"]) == ("lib", "warning", "lost <email>")
    assert (ours["service"], ours["event"], ours["figure"]) == ("lib", "event_name", 3)


async def test_metrics_name_routes_not_paths(site: Site) -> None:
    await site.client.get("/v1/things/1")
    await site.client.get("/v1/unknown-path")
    await site.client.request("BREW", "/v1/things")
    families = {f.name: f for f in text_string_to_metric_families((await site.client.get("/metrics")).text)}
    samples = families["tasuki_http_request_duration_seconds"].samples
    assert {s.labels["service"] for s in samples} == {"sample"}
    assert {s.labels["route"] for s in samples} <= {e.path for e in site.sample.table()} | {
        "unmatched",
        "/metrics",
        "/livez",
        "/readyz",
    }
    assert {s.labels["method"] for s in samples} <= {"GET", "HEAD", "POST", "PUT", "DELETE", "other"}


async def test_collectors_bring_their_figures_and_one_that_fails_leaves_the_rest() -> None:
    telemetry = Telemetry("t", stream=io.StringIO())

    async def pending() -> Iterable[Metric]:
        return [GaugeMetricFamily("tasuki_outbox_pending", "Events stored and not yet in the log.", value=7)]

    async def broken() -> Iterable[Metric]:
        raise ConnectionError("away")

    telemetry.collectors |= {"pending": pending, "broken": broken}
    await telemetry.render()
    text = (await telemetry.render()).decode()
    assert "\ntasuki_outbox_pending 7.0\n" in text
    assert text.count("# TYPE tasuki_outbox_pending gauge") == 1
    assert 'tasuki_scrape_failures_total{collector="broken"} 2.0' in text


async def test_promtool_finds_nothing_to_say(site: Site) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    telemetry = Telemetry("t", stream=io.StringIO())
    telemetry.watch_process()
    metrics = telemetry.metrics
    metrics.webhooks.labels("website", "accepted").inc()
    metrics.consumer_lag.labels("tasuki.leads.v1", "0").set(0)
    metrics.handoff_decisions.labels("smb", "ready", "default").inc()
    metrics.handoffs_open.labels("pending").set(1)
    metrics.events_processed.labels("tasuki.leads.v1").inc()
    metrics.events_duplicate.labels("tasuki.leads.v1").inc()
    metrics.dead_letters.labels("tasuki.leads.v1", "null_value").inc()
    for text in (await telemetry.render(), (await site.client.get("/metrics")).content):
        checked = await asyncio.to_thread(
            subprocess.run, [promtool, "check", "metrics"], input=text, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
