"""schemathesis over the OpenAPI documents of the running services: they keep what they say, and never fail.

The ids of a real lead, handoff, policy and KPI are given to it, so that it gets past the 404s. What it makes up is the
same each time (a fixed seed).
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from shared.settings import SERVICES, ServiceName
from tests.journeys.operations import operations_of
from tests.journeys.outside import CSV, Outside
from tests.journeys.story import decided, hear
from tests.system import ROOT

RUNS = SERVICES
ENDLESS = "/v1/stream"
CONTENT = ("templates", "snippets", "talks", "case-studies")
REACHED = {
    "ingest": ["/v1/leads/{id}", "/v1/leads/{id}/observations", "/v1/imports/{id}", "/v1/imports/{id}/rejected.csv"],
    "handoff": [
        "/v1/leads/{id}/stages",
        "/v1/leads/{id}/questions",
        "/v1/handoffs/{id}",
        "/v1/policies/{id}/versions/{n}",
    ],
    "metrics": ["/v1/kpis/{id}/values"],
    "outreach": [f"/v1/{kind}/{{id}}" for kind in CONTENT],
}
NOT_FROM_A_SCHEMA = "positive_data_acceptance"  # which fields there are, and how they hang together, no schema can tell


@pytest.fixture(scope="module")
def configured(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of schemathesis that names what there is."""
    body = {"fields": {"email": "ueda@documented.example.jp", "employees": 5000}}
    lead_id = outside.ok("ingest", "POST", "/v1/leads", body, 201)["lead_id"]
    now = decided(outside, lead_id, "needs_information")["as_of"]["last_event_at"]
    hear(outside, lead_id, now, "tanaka", needs="confirmed")
    decided(outside, lead_id, "ready")
    handoff = {"lead_id": lead_id, "rep": "tanaka", "reason": "x"}
    handoff_id = outside.ok("handoff", "POST", "/v1/handoffs", handoff, 201)["handoff_id"]
    outside.call("ingest", "POST", "/v1/webhooks/web-json", b"unreadable", key=None)
    (entry,) = outside.ok("ingest", "GET", "/v1/quarantine")["items"]
    gone, merged = (
        outside.ok("ingest", "POST", "/v1/leads", {"fields": {"email": f"{name}@documented.example.jp"}}, 201)[
            "lead_id"
        ]
        for name in ("gone", "merged")
    )
    rows = b"email\nueda@documented.example.jp\nragged,row\n"
    sent = outside.call("ingest", "POST", "/v1/imports?source=website", rows, content_type=CSV).json()
    known = {
        "/v1/imports/": {"id": sent["id"]},
        "/v1/leads/(?!.*/(erase|merge|unmerge)$)": {"id": lead_id},
        "/v1/leads/.*/erase$": {"id": gone},  # which ends what is known of it
        "/v1/leads/.*/(merge|unmerge)$": {"id": merged},
        "/v1/handoffs/": {"id": handoff_id},
        "/v1/policies/": {"id": "default", "n": "1"},
        **{f"/v1/{kind}/": {"id": outside.ok("outreach", "GET", f"/v1/{kind}")["items"][0]["id"]} for kind in CONTENT},
        "/v1/kpis/": {"id": "calls"},
        "/v1/quarantine/": {"id": str(entry["id"])},
        "/v1/webhooks/.source.$": {"source": "web-json"},
    }
    lines = []
    for path, parameters in known.items():
        values = ", ".join(f'"path.{name}" = "{value}"' for name, value in parameters.items())
        lines += ["[[operations]]", f"include-path-regex = '^{path}'", f"parameters = {{ {values} }}", ""]
    lines += [
        "[[operations]]",
        'include-path-regex = "^/v1/imports$"',
        'parameters = { "query.source" = "website" }',
        "",
    ]
    file = tmp_path_factory.mktemp("schemathesis") / "schemathesis.toml"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize("service", SERVICES)
def test_the_document_that_is_served_is_the_one_that_is_committed(outside: Outside, service: ServiceName) -> None:
    served = outside.ok(service, "GET", "/openapi.json")
    assert served == json.loads((ROOT / "docs/openapi" / f"{service}.json").read_text())


@pytest.mark.parametrize("service", SERVICES)
def test_each_json_body_has_an_example_that_is_one(outside: Outside, service: ServiceName) -> None:
    document = outside.ok(service, "GET", "/openapi.json")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "schema" in body:
                assert "example" in body, f"{method} {path}"
                whole = body["schema"] | {"components": document["components"]}
                Draft202012Validator(whole).validate(body["example"])


def test_examples_that_need_nothing_before_them_are_taken_as_they_stand(outside: Outside) -> None:
    taken: list[tuple[ServiceName, str, int]] = [
        ("ingest", "/v1/leads", 201),
        ("ingest", "/v1/activities", 202),
        ("handoff", "/v1/policies/backtest", 200),
    ]
    for service, path, status in taken:
        document = outside.ok(service, "GET", "/openapi.json")
        example = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
        outside.ok(service, "POST", path, example, status)


@pytest.mark.parametrize("service", SERVICES)
def test_the_service_keeps_what_its_document_says(outside: Outside, configured: Path, service: ServiceName) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={configured}",
        "--no-color",
        "run",
        f"{outside.system.url[service]}/openapi.json",
        f"--header=Authorization: Bearer {outside.system.key}",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=40",
        "--seed=20261124",
        f"--exclude-checks={NOT_FROM_A_SCHEMA}",
        "--continue-on-failure",
        "--request-timeout=30",
    ]
    if service == "metrics":
        command.append(f"--exclude-path={ENDLESS}")
    done = subprocess.run(command, cwd=configured.parent, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None
    endpoints = [o for o in operations_of(outside) if o.service == service and o.template != ENDLESS]
    assert int(tested[1]) == len(endpoints)


def test_nothing_failed_on_the_way(outside: Outside) -> None:
    """Runs last: what the services themselves have counted and said."""
    outside.settle()
    for service in SERVICES:
        requests = "tasuki_http_request_duration_seconds_count"
        samples = {key: n for (name, key), n in outside.samples(service).items() if name == requests}
        assert sum(samples.values()) > 200
        assert {dict(key)["status"] for key in samples if dict(key)["status"] >= "500"} == set()
        for route in REACHED[service]:
            reached = {"route": route, "method": "GET", "status": "200"}.items()
            assert any(reached <= key for key in samples), route
    assert "request_failed" not in outside.system.output()
    assert outside.ok("metrics", "GET", "/v1/status")["dead_lettered"] == 0
