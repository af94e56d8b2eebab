"""`tasuki kpi` beside the running system."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.metrics.commands import app
from shared.client import Client, ingest, metrics
from shared.settings import Settings
from tests.system import System, until

EVENTS = 5 + 2 * 3
"""The calls; and of each of two leads that it is there, what its reference told, and the stage that it entered."""


def test_rebuild_and_verify_beside_the_running_system(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in system.environment.items():
        if name.startswith("TASUKI_"):
            monkeypatch.setenv(name, value)
    call = {"type": "call", "source": "dialer", "rep": "tanaka", "direction": "outbound", "outcome": "conversation"}
    calls = [
        call | {"id": f"c{n}", "occurred_at": f"2026-01-0{n}T01:00:00Z", "lead": {"email": f"{n % 2}@example.jp"}}
        for n in range(1, 6)
    ]
    with Client.of(Settings()) as tasuki:
        tasuki.send(ingest.activities(calls))
        until(lambda: tasuki.send(metrics.status()).processed == EVENTS)
        until(lambda: tasuki.send(metrics.status()).lag == 0)
    rebuilt = CliRunner().invoke(app, ["rebuild"])
    assert rebuilt.exit_code == 0, rebuilt.output
    assert rebuilt.stdout == f"made anew from {EVENTS} events\n"
    verified = CliRunner().invoke(app, ["verify"])
    assert verified.exit_code == 0, verified.output
    assert verified.stdout.splitlines()[0].endswith(f", {EVENTS} events")
    assert verified.stdout.startswith("none: ")


def test_rebuild_says_that_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASUKI_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TASUKI_ADMIN_KEY", raising=False)
    told = CliRunner().invoke(app, ["rebuild"])
    assert told.exit_code == 1
    assert "start Tasuki" in told.stderr
