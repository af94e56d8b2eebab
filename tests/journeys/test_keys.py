"""API keys from outside: which scope opens which endpoint, for every endpoint and every scope."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from shared.settings import SERVICES
from tests.journeys.operations import Operation, operations_of
from tests.journeys.outside import Outside
from tests.system import ROOT

RUNS = SERVICES
SCOPES = ["leads:write", "leads:read", "activities:write", "handoffs:write", "handoffs:decide", "handoffs:override"]
SCOPES += ["kpis:read", "outreach:read", "admin"]

OPENS = {
    "leads:write": {
        "POST /v1/leads",
        "POST /v1/leads/{id}/hearings",
        "POST /v1/leads/{id}/tool-results",
        "POST /v1/leads/{id}/tag-scan",
        "POST /v1/leads/{id}/merge",
        "POST /v1/leads/{id}/unmerge",
        "POST /v1/leads/{id}/consent",
        "POST /v1/leads/{id}/erase",
        "POST /v1/quarantine/{id}/retry",
        "POST /v1/imports",
    },
    "leads:read": {
        "GET /v1/leads",
        "GET /v1/leads/{id}",
        "GET /v1/leads/{id}/observations",
        "GET /v1/leads/{id}/tag-scan",
        "GET /v1/leads/{id}/consent",
        "GET /v1/leads/{id}/export",
        "GET /v1/leads/{id}/questions",
        "GET /v1/duplicates",
        "GET /v1/companies",
        "GET /v1/fields",
        "GET /v1/quarantine",
        "GET /v1/imports",
        "GET /v1/imports/{id}",
        "GET /v1/imports/{id}/rejected.csv",
        "GET /v1/leads/{id}/readiness",
        "GET /v1/leads/{id}/stages",
        "GET /v1/leads/{id}/history",
        "GET /v1/handoffs",
        "GET /v1/handoffs/results",
        "GET /v1/handoffs/{id}",
        "GET /v1/handoffs/{id}/page",
        "GET /v1/policies",
        "POST /v1/policies/backtest",
        "GET /v1/policies/backtest",
        "GET /v1/policies/{id}/versions",
        "GET /v1/policies/{id}/versions/{n}",
        "GET /v1/policies/{id}/versions/{n}/changes",
        "GET /v1/stages",
        "GET /v1/content/results",
        "GET /v1/definitions",
    },
    "activities:write": {"POST /v1/activities", "POST /v1/templates/{id}/send"},
    "handoffs:write": {"POST /v1/handoffs", "POST /v1/leads/{id}/recycle"},
    "handoffs:decide": {
        "POST /v1/handoffs/{id}/accept",
        "POST /v1/handoffs/{id}/return",
        "POST /v1/handoffs/{id}/reassign",
    },
    "kpis:read": {
        "GET /v1/kpis",
        "GET /v1/kpis/{id}/values",
        "POST /v1/kpis/values",
        "GET /v1/kpis/{id}/contributors",
        "GET /v1/kpis/{id}/restatements",
        "GET /v1/scorecards/{role}",
        "GET /v1/status",
        "GET /v1/stream",
    },
    "outreach:read": {
        "GET /v1/templates",
        "GET /v1/templates/{id}",
        "POST /v1/templates/{id}/render",
        "GET /v1/snippets",
        "GET /v1/snippets/{id}",
        "POST /v1/snippets/{id}/render",
        "GET /v1/talks",
        "GET /v1/talks/{id}",
        "GET /v1/case-studies",
        "GET /v1/case-studies/{id}",
        "POST /v1/uses",
    },
    "admin": {
        "PUT /v1/policies/{id}",
        "GET /v1/audit",
        "GET /v1/rebuild",
        "POST /v1/rebuild",
        "GET /v1/dead-letters",
        "POST /v1/dead-letters/{id}/retry",
        "GET /v1/webhooks",
        "GET /v1/webhooks/deliveries",
        "POST /v1/webhooks/deliveries/{id}/replay",
        "POST /v1/webhooks/{endpoint}/test",
        "POST /v1/webhooks/{endpoint}/enable",
    },
}
CHALLENGE = "GET /v1/webhooks/{source}"
TO_ANY_KEY = {"GET /v1/key"}
OPEN = {"GET /livez", "GET /readyz", "GET /metrics", "POST /v1/webhooks/{source}", CHALLENGE}


@pytest.fixture(scope="module")
def keys(outside: Outside) -> dict[str, str]:
    """A key for each scope alone, made as an operator makes them."""

    def make(scope: str) -> str:
        command = [sys.executable, "-m", "shared.cli", "keys", "create", f"only {scope}", "--scope", scope]
        done = subprocess.run(
            command, cwd=ROOT, env=outside.system.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SCOPES, pool.map(make, SCOPES), strict=True))


@pytest.fixture(scope="module")
def operations(outside: Outside) -> list[Operation]:
    return operations_of(outside)


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.template}"


def test_every_endpoint_is_in_the_table(operations: list[Operation]) -> None:
    assert {name_of(o) for o in operations} == OPEN.union(TO_ANY_KEY, *OPENS.values())
    assert {name_of(o) for o in operations if o.is_open} == OPEN


def test_every_service_has_its_dead_letters(outside: Outside, operations: list[Operation]) -> None:
    for endpoint in ("GET /v1/dead-letters", "POST /v1/dead-letters/{id}/retry"):
        assert {o.service for o in operations if name_of(o) == endpoint} == set(outside.system.apis)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_its_endpoints_and_no_other(
    outside: Outside, operations: list[Operation], keys: dict[str, str], scope: str
) -> None:
    assert len(keys[scope]) >= 22, "128 bits at least"
    for o in operations:
        if o.is_open:
            continue
        answer = _knock(outside, o, keys[scope])
        if scope == "admin" or name_of(o) in OPENS.get(scope, ()) or name_of(o) in TO_ANY_KEY:
            assert answer.status_code not in (401, 403), f"{name_of(o)}: {answer.text}"
            assert answer.status_code < 500
        else:
            problem = outside.refused(answer, 403)
            needed = next(scope for scope, opened in OPENS.items() if name_of(o) in opened)
            assert needed in problem["detail"], "it says what is missing"


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer x", "Basic YWRtaW46YWRtaW4=", "bearer  two words", "Bearer \u00e9", "Token x"],
)
def test_a_missing_or_wrong_key_gets_401_everywhere(
    outside: Outside, operations: list[Operation], authorization: str
) -> None:
    for o in operations:
        if not o.is_open:
            answer = outside.call(
                o.service, o.method, o.path, {} if o.takes else None, key=None, headers={"authorization": authorization}
            )
            outside.refused(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_is_told_what_it_may_do(outside: Outside, keys: dict[str, str]) -> None:
    for service in SERVICES:
        answer = outside.call(service, "GET", "/v1/key", key=keys["leads:read"])
        assert answer.json() == {"name": "only leads:read", "scopes": ["leads:read"]}


def test_a_key_with_one_letter_changed_is_wrong(outside: Outside, keys: dict[str, str]) -> None:
    key = keys["leads:read"]
    assert outside.call("ingest", "GET", "/v1/leads", key=key).status_code == 200
    other = key[:-1] + ("a" if key[-1] != "a" else "b")
    outside.refused(outside.call("ingest", "GET", "/v1/leads", key=other), 401)


def test_open_paths_need_no_key(outside: Outside, operations: list[Operation]) -> None:
    for o in operations:
        if name_of(o) == CHALLENGE:  # its own proof, such as Meta's verify token, is asked for
            assert outside.call(o.service, "GET", o.path, key=None).json()["type"].endswith("wrong-challenge")
        elif o.is_open and o.method == "GET":
            assert outside.call(o.service, "GET", o.path, key=None).status_code == 200
    for path in ("/openapi.json", "/docs"):
        for service in SERVICES:
            assert outside.call(service, "GET", path, key=None).status_code == 200


def test_an_override_needs_its_own_scope(outside: Outside, keys: dict[str, str]) -> None:
    body = {"lead_id": "nobody", "rep": "tanaka", "reason": "x", "override": {"reason": "y"}}
    answer = outside.call("handoff", "POST", "/v1/handoffs", body, key=keys["handoffs:write"])
    assert "handoffs:override" in outside.refused(answer, 403)["detail"]
    outside.refused(outside.call("handoff", "POST", "/v1/handoffs", body), 404)


@pytest.mark.parametrize("key", ["", "a" * 256, "\u00e9", "a\tb"])
def test_an_unusable_idempotency_key_is_refused(outside: Outside, key: str) -> None:
    headers = {"idempotency-key": key}
    body = {"fields": {"email": "a@keyed.example.jp"}}
    answer = outside.call("ingest", "POST", "/v1/leads", body, headers=headers)
    outside.refused(answer, 422)


def test_no_key_is_in_what_the_system_prints(outside: Outside, keys: dict[str, str]) -> None:
    printed = outside.system.output()
    assert not [scope for scope, key in keys.items() if key in printed]
    assert outside.system.key not in printed


def _knock(outside: Outside, o: Operation, key: str) -> httpx.Response:
    """A request that is refused for its content, if not for its key."""
    return outside.call(o.service, o.method, o.path, b"1" if o.takes else None, key=key)
