"""What runs is documented in words: every setting, endpoint, page, metric, KPI and command.

Each is asked of the running system, or of typer and the settings themselves, and not of what makes the pages.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from typer.main import get_command

from shared import cli
from shared.settings import PROCESSES, ProcessName, Settings
from shared.web.keys_cli import keys
from shared.web.scopes import SCOPES
from tests.journeys.operations import operations_of
from tests.journeys.outside import Outside
from tests.system import ROOT

RUNS = PROCESSES
HEADING = re.compile(r"^#{2,4} (.+)$", re.MULTILINE)
HELP = re.compile(r"^# HELP (?P<name>(?!process_|python_)\S+) (?P<text>.*)$", re.MULTILINE)
LABELS = re.compile(r"^(?P<name>\w+)\{(?P<labels>.+)\} ", re.MULTILINE)
OF_THE_FORMAT = {"le"}
"""The bound of a bucket, in every histogram."""


def sections(page: str) -> dict[str, str]:
    """What stands below each heading of a page, until the next."""
    _, *parts = HEADING.split((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(parts[::2]) == len(set(parts[::2])), f"{page} has a heading twice"
    return dict(zip(parts[::2], parts[1::2], strict=True))


def is_worded(text: str) -> bool:
    """Whether somebody has said more than a name."""
    return len(text.split()) >= 3 or len(re.findall(r"[ぁ-んァ-ヶ一-龠]", text)) >= 5


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting(setting: str) -> None:
    words = Settings.model_fields[setting].description or ""
    assert is_worded(words)
    assert words in sections("settings.md")[f"TASUKI_{setting.upper()}"]


def test_every_endpoint_with_its_scope(outside: Outside) -> None:
    page = sections("reference/api.md")
    operations = operations_of(outside)
    assert len(operations) > 80
    documented = {service: _summaries(outside, service) for service in outside.system.apis}
    for operation in operations:
        section = page[f"{operation.method} {operation.template}"]
        summary, scope = documented[operation.service][operation.method, operation.template]
        assert is_worded(summary), operation
        assert f"\n{summary}.\n" in section, operation
        assert f"Scope: {scope}." in section, operation
    assert len(page) == len({(o.method, o.template) for o in operations}) + len(outside.system.apis) + 1


def _summaries(outside: Outside, service: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """Of each endpoint its summary, and its scope as the page puts it."""
    found = {}
    for template, methods in outside.call(service, "GET", "/openapi.json", key=None).json()["paths"].items():
        for method, operation in methods.items():
            named = re.search(r"`.+`", operation.get("description", ""))
            scope = named[0] if named else "any key" if operation["security"] else "none; it is open"
            found[method.upper(), template] = operation["summary"], scope
    return found


def test_every_page_of_the_console(outside: Outside) -> None:
    console = (ROOT / "docs/console.md").read_text(encoding="utf-8")
    paths = httpx.get(f"{outside.system.console}/openapi.json", trust_env=False).json()["paths"]
    pages = {path for path, methods in paths.items() if "get" in methods and methods["get"]["security"]}
    assert len(pages) > 8
    assert {page for page in pages if f"`{page}`" not in console} == set()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_metric_with_its_labels(outside: Outside, process: ProcessName) -> None:
    """Of labels only those that something was counted by are seen; the calls below see to most."""
    outside.call("ingest", "POST", "/v1/webhooks/website", {"email": "metric@example.jp"}, key=None)
    outside.call("ingest", "POST", "/v1/webhooks/nobody", {}, key=None)
    call = {"rep": "tanaka", "direction": "outbound", "outcome": "conversation", "lead": {"email": "metric@example.jp"}}
    told = {"id": "metric", "source": "dialer", "type": "call", "occurred_at": "2026-11-20T10:00:00+09:00"}
    outside.call("ingest", "POST", "/v1/activities", told | call)
    outside.settle()
    text = httpx.get(f"http://127.0.0.1:{outside.system.port[process]}/metrics", trust_env=False).text
    page = sections("reference/metrics.md")
    told_of = {match["name"]: match["text"] for match in HELP.finditer(text)}
    assert told_of
    for name, words in told_of.items():
        assert is_worded(words), name
        assert f"\n{words}\n" in page[name], name
    for match in LABELS.finditer(text):
        family = re.sub("_(bucket|count|sum)$", "", match["name"])
        if family in told_of:
            labels = set(re.findall(r'(?:^|,)(\w+)="', match["labels"])) - OF_THE_FORMAT
            assert labels == set(re.findall(r"^- `(\w+)`: ", page[family], re.MULTILINE)), family


def test_every_kpi(outside: Outside) -> None:
    page = sections("kpis.md")
    kpis = outside.ok("metrics", "GET", "/v1/kpis")["items"]
    assert {kpi["id"] for kpi in kpis} == set(page)
    for kpi in kpis:
        for said in (kpi["definition"], kpi["purpose"]):
            assert is_worded(said["ja"]), kpi["id"]
            assert is_worded(said["en"]), kpi["id"]
            assert said["ja"] in page[kpi["id"]]
            assert said["en"] in page[kpi["id"]]


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        yield from _commands(command, f"{path} {name}") if hasattr(command, "commands") else ()


def test_every_command_with_its_options() -> None:
    page = sections("reference/cli.md")
    commands = [*_commands(get_command(cli.app), "tasuki"), *_commands(get_command(keys), "tasuki keys")]
    assert {"tasuki kpi verify", "tasuki policy backtest", "tasuki keys create"} <= {path for path, _ in commands}
    for path, command in commands:
        assert is_worded(command.help or ""), path
        if path != "tasuki keys":  # typer knows only how it is reached
            assert command.help in page[path], path
        for parameter in command.params:
            assert is_worded(parameter.help or ""), f"{path} {parameter.name}"
            assert parameter.help in page[path], f"{path} {parameter.name}"
            written = parameter.name.upper() if parameter.param_type_name == "argument" else parameter.opts[0]
            assert f"`{written}" in page[path], f"{path} {written}"
    assert set(page) == {path for path, _ in commands}


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope(scope: str) -> None:
    assert re.search(rf"\b{scope}\b", (ROOT / "docs/security.md").read_text(encoding="utf-8"))
