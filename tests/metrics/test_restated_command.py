"""`tasuki kpi restated`."""

import asyncio
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from services.metrics.commands import app
from services.metrics.question import Grain
from services.metrics.restatement.command import Report, Unanswerable, print_report, run
from shared.clock import FixedClock
from shared.db import driver, transaction
from tests.metrics.desk import Desk, call, jpy, step, utc, void
from tests.metrics.office import AFTER, IN_TIME, JANUARY, recorded
from tests.metrics.test_groups import replace


def told(desk: Desk, runner: asyncio.Runner, kpi: str | None = None, grain: Grain | None = "month") -> Report:
    runner.run(desk.numbers.rebuild())
    return runner.run(run(desk.numbers.settings, grain, "2026-10", kpi, FixedClock(JANUARY)))


def printed(report: Report) -> str:
    out = StringIO()
    print_report(report, Console(file=out, width=200))
    return out.getvalue()


def test_the_command_lists_what_moved_with_the_number_of_causes(desk: Desk, runner: asyncio.Runner) -> None:
    desk.take(*recorded(IN_TIME, call("a", utc(2026, 10, 5)), step("1", utc(2026, 10, 5), "created", amount=jpy(100))))
    amount = replace("y", 1, "1", opportunity_id="O", status="created", amount=jpy(1300))
    desk.take(*recorded(AFTER, *(call(f"l{n}", utc(2026, 10, 6)) for n in range(3)), void("x", utc(2026, 11, 1), "a")))
    desk.take(*recorded(AFTER, amount))
    shown = printed(told(desk, runner))
    lines = {cells[1]: cells[2:] for row in shown.splitlines() if len(cells := [c.strip() for c in row.split("│")]) > 2}
    assert lines["calls"][:4] == ["1", "3", "2", "3 late, 1 correction"]
    assert "架電数, Calls" in lines
    assert lines["pipeline_amount"][:4] == ["100 JPY", "1,300 JPY", "1,200 JPY", "1 correction"]
    assert "opportunities" not in lines
    assert "closed at 2026-10-31T15:00:00Z" in shown
    assert list(desk.ask("calls", "month").values()) == [3]
    assert printed(told(desk, runner, "opportunities")) == (
        "none moved: 1 KPI of 2026-10, closed at 2026-10-31T15:00:00Z\n"
    )


def test_the_command_says_what_it_cannot_answer(desk: Desk, runner: asyncio.Runner) -> None:
    with pytest.raises(Unanswerable, match="no KPI 'nonsense'"):
        told(desk, runner, "nonsense")
    with pytest.raises(Unanswerable, match="of the grain month"):
        told(desk, runner, grain="week")
    runner.run(_made_by_other_rules(desk))
    with pytest.raises(Unanswerable, match="restart Tasuki first"):
        runner.run(run(desk.numbers.settings, None, "2026-10", None, FixedClock(JANUARY)))


async def _made_by_other_rules(desk: Desk) -> None:
    async with transaction(desk.numbers.engine) as conn:
        await (await driver(conn)).execute("update metrics.sides set fingerprint = 'others' where shown")


def test_the_command_itself(desk: Desk, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    runner.run(desk.numbers.rebuild())
    monkeypatch.setenv("TASUKI_DATABASE_URL", str(desk.numbers.settings.database_url))
    done = CliRunner().invoke(app, ["restated", "--grain", "month", "--period", "2026-10"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("none moved: ")
    refused = CliRunner().invoke(app, ["restated", "--period", "9000-01"])
    assert refused.exit_code == 1
    assert "9000-01 closes at 9000-02-01T00:00:00+09:00" in refused.stderr
