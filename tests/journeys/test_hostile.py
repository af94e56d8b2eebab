"""Hostile input at every endpoint of the running services: each gets its 4xx and a problem, and writes nothing.

The endpoints are those of the services' own OpenAPI documents, so a new one is under test from its first day.
"""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.settings import SERVICES, ServiceName
from tests.journeys.operations import ID, Operation, operations_of
from tests.journeys.outside import CSV, JSON, Outside
from tests.web.test_bodies import NOT_JSON, UNFIT

RUNS = SERVICES
MIB = 1024 * 1024
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def operations(outside: Outside) -> list[Operation]:
    found = operations_of(outside)
    assert len(found) >= 30
    return found


@pytest.fixture(scope="module")
def json_operations(operations: list[Operation]) -> list[Operation]:
    """Those with a typed JSON body (a webhook's form is its sender's)."""
    found = [o for o in operations if o.takes == {JSON}]
    assert {o.service for o in found} >= {"ingest", "handoff"}
    return found


@pytest.fixture(scope="module")
def bare_operations(operations: list[Operation]) -> list[Operation]:
    """Those that change something and want no body: what is sent to them must be in order all the same."""
    found = [o for o in operations if o.method in ("POST", "PUT") and not o.takes]
    assert {o.template for o in found} >= {"/v1/rebuild", "/v1/dead-letters/{id}/retry", "/v1/quarantine/{id}/retry"}
    return found


@pytest.fixture(scope="module", autouse=True)
def nothing_written(outside: Outside) -> Iterator[None]:
    """What all of this module's requests must leave as it was."""
    before = _stored(outside)
    yield
    outside.settle()
    assert _stored(outside) == before
    for service in SERVICES:
        requests = "tasuki_http_request_duration_seconds_count"
        failed = {
            k: v for (n, k), v in outside.samples(service).items() if n == requests and dict(k)["status"] >= "500"
        }
        assert failed == {}, "nothing gets a 5xx"
    assert "request_failed" not in outside.system.output()


def _stored(outside: Outside) -> dict[str, Any]:
    leads = outside.ok("ingest", "GET", "/v1/leads?limit=200")["items"]
    policies = outside.ok("handoff", "GET", "/v1/policies")["items"]
    status = outside.ok("metrics", "GET", "/v1/status")
    return {
        "leads": [lead["lead_id"] for lead in leads],
        "handoffs": outside.ok("handoff", "GET", "/v1/handoffs")["items"],
        "policies": [(policy["id"], policy["version"]) for policy in policies],
        "events": (status["processed"], status["dead_lettered"]),
    }


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_gets_400_everywhere(outside: Outside, json_operations: list[Operation], name: str) -> None:
    for o in json_operations:
        outside.refused(outside.call(o.service, o.method, o.path, NOT_JSON[name]), 400)


@pytest.mark.parametrize("name", UNFIT)
def test_json_that_no_database_can_hold_gets_422_everywhere(
    outside: Outside, json_operations: list[Operation], name: str
) -> None:
    for o in json_operations:
        problem = outside.refused(outside.call(o.service, o.method, o.path, UNFIT[name]), 422)
        assert problem["errors"][0]["detail"]


def test_one_byte_more_than_a_mib_gets_413_everywhere(outside: Outside, operations: list[Operation]) -> None:
    for o in operations:
        if o.takes and CSV not in o.takes:  # imports have no limit
            content_type = JSON if JSON in o.takes else next(iter(o.takes))
            large = b'"' + b"a" * (MIB - 1) + b'"'
            outside.refused(outside.call(o.service, o.method, o.path, large, content_type=content_type), 413)


def test_chunks_without_a_length_are_limited_too(outside: Outside, json_operations: list[Operation]) -> None:
    for o in json_operations:
        chunks = (b" " * 65_536 for _ in range(40))
        outside.refused(outside.call(o.service, o.method, o.path, chunks), 413)


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/json; charset=utf-16", None])
def test_other_media_types_get_415_everywhere(
    outside: Outside, json_operations: list[Operation], media_type: str | None
) -> None:
    for o in json_operations:
        outside.refused(outside.call(o.service, o.method, o.path, b"{}", content_type=media_type), 415)


def test_compressed_bodies_get_415_everywhere(outside: Outside, operations: list[Operation]) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)
    for o in operations:
        if o.takes:
            answer = outside.call(o.service, o.method, o.path, bomb, headers={"content-encoding": "gzip"})
            outside.refused(answer, 415)


@pytest.mark.parametrize("name", [name for name, raw in (NOT_JSON | UNFIT).items() if raw])
def test_bad_bodies_are_refused_where_none_is_wanted(
    outside: Outside, bare_operations: list[Operation], name: str
) -> None:
    for o in bare_operations:
        answer = outside.call(o.service, o.method, o.path, (NOT_JSON | UNFIT)[name])
        outside.refused(answer, 400 if name in NOT_JSON else 422)


def test_bodies_of_any_kind_are_bounded_where_none_is_wanted(
    outside: Outside, bare_operations: list[Operation]
) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)
    for o in bare_operations:
        outside.refused(outside.call(o.service, o.method, o.path, b" " * (MIB + 1)), 413)
        outside.refused(outside.call(o.service, o.method, o.path, (b" " * 65_536 for _ in range(40))), 413)
        outside.refused(outside.call(o.service, o.method, o.path, b"{}", content_type="text/plain"), 415)
        outside.refused(outside.call(o.service, o.method, o.path, bomb, headers={"content-encoding": "gzip"}), 415)


@pytest.mark.parametrize("body", [None, [], {}, "text", 1, {"fields": 1}, {"lead_id": None}])
def test_json_of_another_form_gets_a_4xx_everywhere(
    outside: Outside, json_operations: list[Operation], body: object
) -> None:
    for o in json_operations:
        raw = b"null" if body is None else body
        outside.refused(outside.call(o.service, o.method, o.path, raw), 422)


@pytest.mark.parametrize("name", NOT_JSON | UNFIT)
def test_webhooks_refuse_what_they_cannot_read_and_keep_it(outside: Outside, name: str) -> None:
    raw = (NOT_JSON | UNFIT)[name]
    outside.refused(outside.call("ingest", "POST", "/v1/webhooks/web-json", raw, key=None), 422)


def test_webhooks_refuse_unknown_sources_and_media_types(outside: Outside) -> None:
    outside.refused(outside.call("ingest", "POST", "/v1/webhooks/nobody", {}, key=None), 404)
    answer = outside.call("ingest", "POST", "/v1/webhooks/website", b"a", key=None, content_type="text/plain")
    outside.refused(answer, 415)


TIMES = [
    "2026-11-20T10:00:00",
    "2026-11-20T10:00:00+0900",
    "2026-11-20",
    "tomorrow",
    "2026-02-30T10:00:00Z",
    "0001-01-01T00:00:00+09:00",
    1,
    "",
]
CALL = {
    "type": "call",
    "lead": {"email": "a@b.example.jp"},
    "rep": "tanaka",
    "direction": "outbound",
    "outcome": "busy",
}


@pytest.mark.parametrize("time", TIMES)
def test_times_without_offset_or_sense_get_422(outside: Outside, time: object) -> None:
    needs = {"needs": {"status": "confirmed"}}
    bodies: dict[str, dict[str, Any]] = {
        "/v1/leads": {"fields": {"email": "a@b.example.jp"}, "observed_at": time},
        f"/v1/leads/{ID}/hearings": {"rep": "tanaka", "heard_at": time, "channel": "call", "answers": needs},
        f"/v1/leads/{ID}/tool-results": {"tool": "x", "observed_at": time, "fields": {"employees": 1}},
        "/v1/activities": CALL | {"id": "1", "source": "x", "occurred_at": time},
    }
    for path, body in bodies.items():
        outside.refused(outside.call("ingest", "POST", path, body), 422)
    handoff = {"lead_id": ID, "rep": "tanaka", "reason": "x", "appointment": {"scheduled_for": time}}
    outside.refused(outside.call("handoff", "POST", "/v1/handoffs", handoff), 422)


def test_what_happens_later_than_in_five_minutes_gets_422(outside: Outside) -> None:
    late = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    body = CALL | {"id": "1", "source": "x", "occurred_at": late}
    outside.refused(outside.call("ingest", "POST", "/v1/activities", body), 422)


AMOUNTS = [1.5, 1, "1", {"value": 1.5, "currency": "JPY"}, {"value": "1e3", "currency": "JPY"}]
AMOUNTS += [{"value": "NaN", "currency": "JPY"}, {"value": "1", "currency": "yen"}, {"value": "1"}]
AMOUNTS += [
    {"value": "9" * 40, "currency": "JPY"},
    {"value": "", "currency": "JPY"},
    {"value": "1.5", "currency": "JPY"},
]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_money_is_a_decimal_text_and_a_currency_or_422(outside: Outside, amount: object) -> None:
    opportunity: dict[str, Any] = {
        "id": "1",
        "source": "x",
        "type": "opportunity",
        "occurred_at": "2026-11-20T10:00:00+09:00",
    }
    opportunity |= {"lead": {"email": "a@b.example.jp"}, "opportunity_id": "O", "status": "created"}
    outside.refused(outside.call("ingest", "POST", "/v1/activities", opportunity | {"amount": amount}), 422)


@pytest.mark.parametrize(
    ("service", "path", "status"),
    [
        ("ingest", "/v1/leads?limit=0", 422),
        ("ingest", "/v1/leads?limit=201", 422),
        ("ingest", "/v1/leads?limit=x", 422),
        ("ingest", "/v1/leads?limit=" + "9" * 5000, 422),
        ("ingest", "/v1/leads?cursor=garbage", 422),
        ("ingest", "/v1/leads?q=%00", 422),
        ("ingest", "/v1/leads?q=%ED%A0%80", 422),
        ("ingest", "/v1/leads?nonsense=1", 422),
        ("ingest", "/v1/leads/%00", 404),
        ("ingest", "/v1/leads/%FF", 404),
        ("ingest", "/v1/leads/..%2F..%2Fetc%2Fpasswd", 404),
        ("ingest", "/v1/leads/" + "a" * 5000, 404),
        ("handoff", "/v1/leads/nobody/readiness", 404),
        ("handoff", "/v1/handoffs?status=open", 422),
        ("handoff", "/v1/handoffs?cursor=%F0%9F%92%A9", 422),
        ("handoff", "/v1/handoffs/%EF%BF%BD", 404),
        ("handoff", "/v1/policies/default/versions/" + "9" * 50, 404),
        ("handoff", "/v1/policies/default/versions/%E2%91%A0", 404),
        ("metrics", "/v1/kpis/nonsense/values", 404),
        ("metrics", "/v1/kpis/calls/values?from=2026-13-01", 422),
        ("metrics", "/v1/kpis/calls/values?from=2026-12-01&to=2026-11-01", 422),
        ("metrics", "/v1/kpis/calls/values?from=0000-01-01", 422),
        ("metrics", "/v1/kpis/calls/values?grain=hour", 422),
        ("metrics", "/v1/kpis/calls/values?where=rep", 422),
        ("metrics", "/v1/kpis/calls/values?known_at=0001-01-01T00:00:00%2B14:00", 422),
        ("metrics", "/v1/kpis/calls/values?known_at=9999-12-31T23:59:59-14:00", 422),
        ("metrics", "/v1/kpis/calls/values?by=rep;drop%20table", 422),
        ("metrics", "/v1/kpis/calls/values?by=rep'--", 422),
        ("metrics", "/v1/kpis/nonsense/restatements?period=2026-10", 404),
        ("metrics", "/v1/kpis/calls/restatements", 422),
        ("metrics", "/v1/kpis/calls/restatements?period=%E2%91%A0-10", 422),
        ("metrics", "/v1/kpis/calls/restatements?period=9999-12", 422),
    ],
)
def test_hostile_addresses_get_their_4xx(outside: Outside, service: ServiceName, path: str, status: int) -> None:
    outside.refused(outside.call(service, "GET", path), status)


def test_unknown_paths_get_404_and_unknown_methods_405(outside: Outside, operations: list[Operation]) -> None:
    for service in SERVICES:
        for method in METHODS:
            outside.refused(outside.call(service, method, "/v1/nothing/here", key=None), 404)
    known = {(o.service, o.path, o.method) for o in operations}
    for service, path in {(o.service, o.path) for o in operations}:
        for method in METHODS:
            if (service, path, method) not in known:
                answer = outside.call(service, method, path)
                outside.refused(answer, 405)
                allowed = {m for s, p, m in known if (s, p) == (service, path)}
                assert set(answer.headers["allow"].replace(" ", "").split(",")) - {"HEAD"} == allowed
