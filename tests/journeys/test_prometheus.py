"""`/metrics` of the three running services: as promtool wants it, as the contract names it, and equal to the API."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.settings import SERVICES, ServiceName
from tests.journeys.outside import FORM, Outside, Samples
from tests.journeys.story import decided, hear
from tests.system import ROOT, until

NUMBERS: dict[str, set[str]] = {
    "tasuki_activities_total": {"type", "channel", "direction", "outcome", "rep", "team", "segment"},
    "tasuki_corrections_total": {"action"},
    "tasuki_kpi_restated_total": {"kpi"},
    "tasuki_kpi_value": {"kpi", "period", "dimension", "member", "currency"},
    "tasuki_kpi_target": {"kpi", "period", "dimension", "member", "currency"},
    "tasuki_kpi_expected": {"kpi", "period", "dimension", "member", "currency"},
    "tasuki_kpi_info": {"kpi", "name_ja", "name_en", "unit", "class"},
}
CONSUMING: dict[str, set[str]] = {
    "tasuki_events_processed_total": {"topic"},
    "tasuki_events_duplicate_total": {"topic"},
    "tasuki_dead_letters_total": {"topic", "reason"},
    "tasuki_consumer_lag_events": {"topic", "partition"},
}
PUBLISHING: dict[str, set[str]] = {"tasuki_outbox_pending": set(), "tasuki_outbox_oldest_seconds": set()}
SERVING: dict[str, set[str]] = {
    "tasuki_http_request_duration_seconds_count": {"service", "route", "method", "status"},
    "tasuki_http_request_duration_seconds_bucket": {"service", "route", "method", "status", "le"},
    "tasuki_http_requests_in_flight": {"service"},
}
RUNS = SERVICES
CONTRACT: dict[ServiceName, dict[str, set[str]]] = {
    "ingest": SERVING | PUBLISHING | {"tasuki_webhooks_total": {"source", "result"}},
    "handoff": SERVING
    | PUBLISHING
    | CONSUMING
    | {
        "tasuki_handoff_decisions_total": {"segment", "decision", "policy"},
        "tasuki_handoffs_open": {"state"},
        "tasuki_webhook_deliveries_total": {"endpoint", "result"},
        "tasuki_webhook_deliveries_pending": {"endpoint"},
        "tasuki_webhook_deliveries_oldest_seconds": {"endpoint"},
    },
    "outreach": SERVING
    | PUBLISHING
    | CONSUMING
    | {"tasuki_content_pieces": {"kind"}, "tasuki_content_problems": set(), "tasuki_mails_uncertain": set()},
    "metrics": SERVING | CONSUMING | NUMBERS | {"tasuki_event_freshness_seconds_bucket": {"le"}},
}
WITHOUT_SAMPLES_AT_FIRST = {
    "tasuki_dead_letters_total",
    "tasuki_events_duplicate_total",
    "tasuki_webhook_deliveries_total",
    "tasuki_webhook_deliveries_pending",
    "tasuki_webhook_deliveries_oldest_seconds",
}
"""A counter with labels has no sample before the first of its events, and a gauge of endpoints none without endpoints;
their families are there all the same."""
GAUGED = ("rep", "team", "segment", "channel", "hour")


@pytest.fixture(scope="module")
def fed(outside: Outside) -> Outside:
    """The system after a little of everything has happened today."""
    form = b"email=abe@scraped.example.jp&employees=2500"
    answer = outside.call("ingest", "POST", "/v1/webhooks/website", form, key=None, content_type=FORM)
    lead_id = answer.json()["lead_id"]
    now = decided(outside, lead_id, "needs_information")["as_of"]["last_event_at"]
    hear(outside, lead_id, now, "tanaka", needs="confirmed")
    decided(outside, lead_id, "ready")
    outside.ok("handoff", "POST", "/v1/handoffs", {"lead_id": lead_id, "rep": "tanaka", "reason": "x"}, 201)
    known = {"source": "scraped", "occurred_at": now, "lead_id": lead_id}
    calls = [
        {"id": f"c{n}", "type": "call", "rep": rep, "direction": "outbound", "outcome": outcome, "duration_s": 10 * n}
        for n, (rep, outcome) in enumerate(
            [("tanaka", "busy"), ("nobody", "conversation"), ("yamada", "gatekeeper"), ("tanaka", "conversation")]
        )
    ]
    touch = {"id": "t1", "type": "touch", "channel": "email", "direction": "outbound", "outcome": "sent", "rep": "ito"}
    deal = {"type": "opportunity", "opportunity_id": "O1", "credited_rep": "tanaka", "owner": "suzuki"}
    amount = {"amount": {"value": "1234567", "currency": "JPY"}}
    created, won = {"id": "o1", "status": "created"} | amount, {"id": "o2", "status": "won"}
    dollars = {"id": "o3", "status": "created", "opportunity_id": "O2", "amount": {"value": "0.07", "currency": "USD"}}
    void = {"id": "x1", "type": "correction", "corrects": {"source": "scraped", "id": "c0"}, "action": "void"}
    events: list[dict[str, Any]] = [*calls, touch, deal | created, deal | won, deal | dollars, void]
    outside.post_activities([known | event for event in events])
    outside.settle()
    return outside


def test_alerts_are_raised_when_they_should_be_and_each_is_explained() -> None:
    played = Path(__file__).parent / "alerts.test.yml"
    checked = subprocess.run(["promtool", "test", "rules", str(played)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    written = (ROOT / "deploy/alerts.yml").read_text()
    alerts = set(re.findall(r"alert: (\w+)", written))
    assert alerts == set(re.findall(r"alertname: (\w+)", played.read_text()))
    assert alerts == set(re.findall(r"^### (Tasuki\w+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    runbooks = re.findall(r"runbook_url: docs/operations\.md#(\w+)", written)
    assert sorted(runbooks) == sorted(alert.lower() for alert in alerts)


def test_every_recording_rule_is_asked_in_the_played_series_and_read_by_somebody() -> None:
    recorded = set(re.findall(r"record: (\S+)", (ROOT / "deploy/rules.yml").read_text()))
    played = (Path(__file__).parent / "alerts.test.yml").read_text()
    readers = "".join(
        path.read_text() for path in [ROOT / "deploy/alerts.yml", *(ROOT / "deploy/grafana").rglob("*.json")]
    )
    assert recorded
    assert [rule for rule in recorded if f"expr: {rule}" not in played and f"({rule}" not in played] == []
    assert [rule for rule in recorded if rule not in readers] == []


@pytest.mark.parametrize("service", SERVICES)
def test_promtool_finds_nothing(fed: Outside, service: ServiceName) -> None:
    if shutil.which("promtool") is None:
        pytest.fail('promtool is needed: run `PATH="$(deploy/promtool.sh):$PATH"`, then repeat (`make test` does so)')
    scrape = fed.call(service, "GET", "/metrics", key=None)
    assert scrape.headers["content-type"].startswith("text/plain; version=")
    checked = subprocess.run(["promtool", "check", "metrics"], input=scrape.content, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.parametrize("service", SERVICES)
def test_names_and_labels_are_those_of_the_contract(fed: Outside, service: ServiceName) -> None:
    samples = fed.samples(service)
    text = fed.call(service, "GET", "/metrics", key=None).text
    for name, labels in CONTRACT[service].items():
        found = {frozenset(dict(own)) for n, own in samples if n == name}
        if found or name not in WITHOUT_SAMPLES_AT_FIRST:
            assert found == {frozenset(labels)}, name
        assert re.search(rf"^# HELP {name.removesuffix('_bucket').removesuffix('_count')} .", text, re.MULTILINE)
    if service != "metrics":
        assert not [n for n, _ in samples if n.startswith("tasuki_kpi")], "KPIs are on metrics' own /metrics only"


@pytest.mark.parametrize("period", ["today", "this_month"])
def test_gauges_are_what_the_api_says(fed: Outside, period: str) -> None:
    samples = fed.samples("metrics")
    day = _today(fed)
    query = {"start": day if period == "today" else day[:8] + "01", "end": day}
    query["grain"] = "day" if period == "today" else "month"
    for kpi in fed.ok("metrics", "GET", "/v1/kpis")["items"]:
        cuts = ("total", *(d for d in GAUGED if d in kpi["dimensions"]))
        for dimension in ("segment",) if kpi["kind"] == "share" else cuts:  # all together have all of it
            by = {} if dimension == "total" else {"by": dimension}
            expected: dict[tuple[str, str], float] = {}
            for row in fed.rows(kpi["id"], **query, **by):
                member = "other" if row.get(dimension) == "nobody" else row.get(dimension, "")
                if row["value"] is not None:
                    expected[member, row.get("currency", "")] = row["value"]
            assert _gauges(samples, kpi["id"], period, dimension) == pytest.approx(expected), (kpi["id"], dimension)


def _gauges(samples: Samples, kpi: str, period: str, dimension: str) -> dict[tuple[str, str], float]:
    wanted = {"kpi": kpi, "period": period, "dimension": dimension}.items()
    labels = [(dict(own), value) for (name, own), value in samples.items() if name == "tasuki_kpi_value"]
    return {(own["member"], own["currency"]): value for own, value in labels if wanted <= own.items()}


def _today(outside: Outside) -> str:
    """The business day on which the calls were made."""
    (row,) = outside.rows("conversations", grain="day")
    day: str = row["period"]
    return day


def test_values_are_exact(fed: Outside) -> None:
    text = fed.call("metrics", "GET", "/metrics", key=None).text
    month = 'period="this_month"'
    lines = [line for line in text.splitlines() if 'kpi="pipeline_amount"' in line and month in line]
    totals = {line.rpartition(" ")[2] for line in lines if 'dimension="total"' in line}
    assert {float(value) for value in totals} == {1234567.0, 0.07}


def test_labels_are_bounded_and_tell_of_no_lead(fed: Outside) -> None:
    for service in SERVICES:
        text = fed.call(service, "GET", "/metrics", key=None).text
        for secret in ("abe@", "scraped", "nobody", "O1", *re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)):
            assert secret not in text


def test_counters_are_the_same_after_a_restart(fed: Outside) -> None:
    def counters() -> Samples:
        names = ("tasuki_activities_total", "tasuki_corrections_total", "tasuki_kpi_value")
        return {key: value for key, value in fed.samples("metrics").items() if key[0] in names}

    before = counters()
    assert before
    (pid,) = fed.system.processes("services.metrics")
    subprocess.run(["kill", "-TERM", str(pid)], check=True)
    until(lambda: fed.system.processes("services.metrics") not in ([], [pid]))
    fed.system.wait_ready()
    assert counters() == before
