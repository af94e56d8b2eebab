"""Which scope opens which page: every route of the console, by every scope; and what its document promises."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.console.conftest import RUNS, Team, Visitor, Visitors
from tests.journeys.outside import JSON
from tests.system import ROOT

__all__ = ["RUNS"]

OPENS = {
    "kpis:read": {"GET /", "GET /live", "GET /kpis", "GET /kpis/{id}", "GET /review"},
    "leads:read": {
        "GET /leads",
        "GET /leads/{id}",
        "GET /handoffs",
        "GET /handoffs/{id}",
        "GET /policies",
        "POST /policies",
        "GET /operation",
    },
    "leads:write": {"POST /leads/{id}/hearing", "POST /operation/quarantine/{id}/retry"},
    "activities:write": set[str](),
    "handoffs:write": {"POST /leads/{id}/handoff"},
    "handoffs:decide": {"POST /handoffs/{id}/accept", "POST /handoffs/{id}/return"},
    "handoffs:override": set[str](),
    "outreach:read": {"POST /leads/{id}/render"},
    "admin": {"POST /operation/dead-letters/{id}/retry"},
}
OPEN = {"GET /sign-in", "POST /sign-in", "POST /sign-out", "GET /language/{language}"}
OPEN |= {"GET /livez", "GET /readyz", "GET /metrics"}
ENDLESS = "/live"
NOT_OF_PAGES = "positive_data_acceptance,negative_data_rejection,ignored_auth"
"""Which forms are good the services know, a query that is none of a page's is passed over, and who is not signed in is
sent to sign in (`test_nobody_gets_further_than_to_sign_in`)."""
FILLS_IN = """
import os

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method == "POST" and isinstance(case.body, dict):
        case.body = case.body | {"form": os.environ["FORM_TOKEN"]}
"""
"""What schemathesis sends comes from a page of the session, else nothing but its refusal would be tried."""


@pytest.fixture(scope="module")
def told(team: Team) -> dict[str, Any]:
    """The console's own document."""
    with_nobody = Visitor(team.system)
    answer = with_nobody.http.get("/docs", follow_redirects=True)
    assert answer.url.path == "/openapi.json"
    document: dict[str, Any] = answer.json()
    with_nobody.http.close()
    return document


def routes(told: dict[str, Any], *, secured: bool) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
        if bool(operation["security"]) is secured
    ]


def test_every_route_is_in_the_table(told: dict[str, Any]) -> None:
    assert {f"{method} {path}" for method, path in routes(told, secured=True)} == set[str]().union(*OPENS.values())
    assert {f"{method} {path}" for method, path in routes(told, secured=False)} == OPEN


@pytest.mark.parametrize("scope", OPENS)
def test_a_scope_opens_its_pages_and_no_other(team: Team, visitors: Visitors, told: dict[str, Any], scope: str) -> None:
    command = [sys.executable, "-m", "shared.cli", "keys", "create", f"page {scope}", "--scope", scope]
    done = subprocess.run(command, cwd=ROOT, env=team.system.environment, capture_output=True, text=True, check=True)
    visitor = visitors()
    assert visitor.sign_in(done.stdout.strip()).status_code == 303
    for method, template in routes(told, secured=True):
        needed = next(scope for scope, opened in OPENS.items() if f"{method} {template}" in opened)
        with visitor.http.stream(method, template.replace("{id}", "nobody")) as answer:
            if scope in (needed, "admin"):
                assert answer.status_code < 500
                shown = "" if template == ENDLESS else answer.read().decode()
                assert needed not in re.findall(r'<p class="soft">(.*?)</p>', shown), (method, template)
            else:
                assert answer.status_code == 403, (method, template)
                assert f'<p class="soft">{needed}</p>' in answer.read().decode(), "it says what is missing"


def test_a_body_that_could_not_be_used_is_shown_to_admins_alone(
    team: Team, visitors: Visitors, visitor: Visitor
) -> None:
    address = f"{team.system.url['ingest']}/v1/webhooks/web-json"
    assert httpx.post(address, json={"google_key": "canary-secret"}).status_code == 422
    assert "canary-secret" in visitor.get("/operation")
    command = [sys.executable, "-m", "shared.cli", "keys", "create", "reads leads", "--scope", "leads:read"]
    done = subprocess.run(command, cwd=ROOT, env=team.system.environment, capture_output=True, text=True, check=True)
    reader = visitors()
    assert reader.sign_in(done.stdout.strip()).status_code == 303
    page = reader.get("/operation")
    assert "canary-secret" not in page
    assert "Admins alone can read it." in page


def test_nobody_gets_further_than_to_sign_in(visitors: Visitors, told: dict[str, Any]) -> None:
    visitor = visitors()
    for cookie in ("", "made up", "\xe9"):
        headers = httpx.Headers([(b"cookie", b"tasuki=" + cookie.encode())])
        for method, template in routes(told, secured=True):
            answer = visitor.http.request(method, template.replace("{id}", "nobody"), headers=headers)
            assert (answer.status_code, answer.headers["location"][:9]) == (303, "/sign-in?"), (method, template)


def test_what_is_sent_to_sign_in_or_out_is_bounded(visitors: Visitors) -> None:
    visitor = visitors()
    form = {"content-type": "application/x-www-form-urlencoded"}
    for content in (b"key=" + b"a" * 70_000, (b"a" * 65_536 for _ in range(40))):
        assert visitor.http.post("/sign-in", content=content, headers=form).status_code == 403
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "application/json", "text/plain"):
        answer = visitor.http.post("/sign-in", content=b"--x\r\n", headers={"content-type": kind})
        assert answer.status_code == 403, kind
        assert visitor.http.post("/sign-out", content=b"--x\r\n", headers={"content-type": kind}).status_code == 303


def test_the_console_keeps_what_its_document_says(team: Team, visitor: Visitor, tmp_path: Path) -> None:
    """schemathesis, signed in."""
    httpx.post(f"{team.system.url['ingest']}/v1/webhooks/web-json", content=b"x", headers={"content-type": JSON})
    known = {"/leads/": team.open_lead, "/handoffs/": team.handoff_id, "/kpis/": "calls", "/operation/quarantine/": "1"}
    lines = []
    for path, id_ in known.items():
        lines += ["[[operations]]", f"include-path-regex = '^{path}'", f'parameters = {{ "path.id" = "{id_}" }}', ""]
    (tmp_path / "schemathesis.toml").write_text("\n".join(lines))
    (tmp_path / "forms.py").write_text(FILLS_IN)
    token = re.search(r'name="form" value="(\w+)"', visitor.get("/handoffs"))
    assert token is not None
    ((name, value),) = ((c.name, c.value) for c in visitor.http.cookies.jar if c.name == "tasuki")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={tmp_path / 'schemathesis.toml'}",
        "--no-color",
        "run",
        f"{team.system.console}/openapi.json",
        f"--header=Cookie: {name}={value}",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=25",
        "--seed=20261124",
        f"--exclude-checks={NOT_OF_PAGES}",
        f"--exclude-path={ENDLESS}",
        "--continue-on-failure",
        "--request-timeout=30",
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "forms", "PYTHONPATH": str(tmp_path), "FORM_TOKEN": token[1]}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr + team.system.output()[-5_000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None
    paths = json.loads(visitor.get("/openapi.json"))["paths"]
    assert int(tested[1]) == sum(len(methods) for methods in paths.values()) - 1
