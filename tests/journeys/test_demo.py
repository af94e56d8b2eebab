"""`tasuki demo` as a user types it: the KPIs are a plain count over the events that it tells."""

import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.config import load_config
from shared.demo.week import Week, generate
from shared.demo.world import crews_of
from tests.journeys.outside import Outside
from tests.system import ROOT, System, until

SEED, LEADS, MONDAY = 283, 30, date(2026, 5, 18)  # chosen because it has something of everything that is counted here
TOKYO = ZoneInfo("Asia/Tokyo")
SILENT = ("opened", "clicked", "replied", "bounced")
EVER = (date.min, date.max)

Event = dict[str, Any]


@pytest.fixture(scope="module")
def week() -> Week:
    config = load_config(ROOT / "config")
    return generate(SEED, MONDAY, LEADS, crews_of(config.team, MONDAY, MONDAY), TOKYO, config.campaigns)


@pytest.fixture(scope="module")
def said(outside: Outside, week: Week) -> str:
    """What the demo prints when it is run against the system of this module for the first time."""
    return demo(outside.system, week)


def demo(system: System, week: Week) -> str:
    options = ["--seed", str(SEED), "--leads", str(LEADS), "--week", f"{week.monday:%G-W%V}"]
    command = [sys.executable, "-m", "shared.cli", "demo", *options]
    done = subprocess.run(command, cwd=ROOT, env=system.environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("ever", [True, False])
@pytest.mark.parametrize("kpi", ["calls", "conversations", "touches", "appointments", "opportunities", "deals"])
def test_counts_are_those_of_the_events(outside: Outside, week: Week, said: str, kpi: str, ever: bool) -> None:
    expected = counted(week, EVER if ever else (week.monday, week.sunday))[kpi]
    assert expected > 0, "the seed shows nothing of it"
    rows = outside.rows(kpi, **span(week, ever))
    assert sum(row["value"] for row in rows) == expected


@pytest.mark.parametrize("ever", [True, False])
def test_booked_amounts_are_those_of_the_events(outside: Outside, week: Week, said: str, ever: bool) -> None:
    expected = booked(week, EVER if ever else (week.monday, week.sunday))
    assert expected
    rows = outside.rows("booked_amount", **span(week, ever))
    assert {row["currency"]: row["value"] for row in rows if row["value"]} == expected


@pytest.mark.parametrize("dimension", ["rep", "hour"])
def test_calls_by_rep_and_hour_are_those_of_the_events(outside: Outside, week: Week, said: str, dimension: str) -> None:
    of: dict[str, Callable[[Event], str]] = {
        "rep": lambda call: call["rep"],
        "hour": lambda call: f"{call['occurred_at']:%H}",
    }
    expected = Counter(of[dimension](call) for call in standing(week) if is_outbound_call(call))
    rows = outside.rows("calls", grain="all", by=dimension)
    assert {row[dimension]: row["value"] for row in rows} == expected


def test_every_lead_is_there_and_every_handoff_was_ready(outside: Outside, week: Week, said: str) -> None:
    (leads,) = outside.rows("leads", grain="all")
    assert leads["value"] == LEADS
    handoffs = outside.ok("handoff", "GET", "/v1/handoffs?limit=200")["items"]
    packages = [outside.ok("handoff", "GET", f"/v1/handoffs/{one['handoff_id']}") for one in handoffs]
    assert packages
    assert {package["readiness"]["decision"] for package in packages} == {"ready"}
    assert all(package["appointment"]["appointment_id"] for package in packages)


def test_what_lacks_an_answer_is_refused_and_said_so(outside: Outside, week: Week, said: str) -> None:
    refused = sum(int(count) for count in re.findall(r"(\d+)\s+refused\s+with\s+409", said))
    assert refused > 0, "the seed shows nothing of it"
    handed_over = {one["lead_id"] for one in outside.ok("handoff", "GET", "/v1/handoffs?limit=200")["items"]}
    assert len(handed_over) == len(week.passes) - refused
    emails = {lead.external_id: lead.fields["email"] for lead in week.leads}
    wished = [outside.ok("ingest", "GET", f"/v1/leads?email={emails[p.external_id]}")["items"] for p in week.passes]
    others = [lead["lead_id"] for (lead,) in wished if lead["lead_id"] not in handed_over]
    decisions = [outside.ok("handoff", "GET", f"/v1/leads/{one}/readiness")["decision"] for one in others]
    assert decisions == ["needs_information"] * refused


def test_the_board_shows_the_numbers_and_where_to_look(outside: Outside, week: Week, said: str) -> None:
    numbers = counted(week, (week.monday, week.sunday))
    lines = [line.split() for line in said.splitlines()]
    for kpi in ("calls", "conversations", "touches", "appointments", "opportunities", "deals"):
        assert [line[2] for line in lines if len(line) == 3 and line[1] == kpi and line[0] != "hour"] == [
            f"{numbers[kpi]:,}"
        ]
    for service in outside.system.apis:
        assert f"{outside.system.url[service]}/docs" in said
    assert outside.system.key not in said


def test_a_second_run_adds_nothing_and_says_so(outside: Outside, week: Week, said: str) -> None:
    before = outside.ok("metrics", "GET", "/v1/status")
    again = demo(outside.system, week)
    assert "nothing was added" in again
    assert "nothing was added" not in said
    assert outside.ok("metrics", "GET", "/v1/status")["processed"] == before["processed"]
    assert outside.ok("metrics", "GET", "/v1/dead-letters")["items"] == []


@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_the_system_and_ends_it_when_asked(
    empty_data_dir: Path, free_port: Callable[[], int], order: signal.Signals
) -> None:
    command = (sys.executable, "-m", "shared.cli", "demo", "--leads", "5")
    with System(empty_data_dir, free_port, {"TASUKI_ADMIN_KEY": None}, command=command) as system:
        assert "starts the system itself" in system.output()
        system.wait_for(lambda: "Ctrl-C" in system.output(), 120)
        system.wait_ready()
        assert str(system.data_dir / "admin.key") in system.output()
        system.process.send_signal(order)
        assert system.process.wait(30) == 0, system.output()
        assert system.processes() == []


def test_broken_off_on_the_way_it_ends_the_system_too(empty_data_dir: Path, free_port: Callable[[], int]) -> None:
    system = System(empty_data_dir, free_port, command=(sys.executable, "-m", "shared.cli", "demo", "--leads", "20000"))
    system.launch()
    system.wait_for(lambda: "20,000 leads" in system.output(), 120)
    system.process.send_signal(signal.SIGINT)
    assert system.process.wait(30) == 130, system.output()
    assert "broken off" in system.output()
    assert "Traceback" not in system.output()
    assert system.processes() == []


def test_with_exit_nothing_is_left(empty_data_dir: Path, free_port: Callable[[], int]) -> None:
    command = (sys.executable, "-m", "shared.cli", "demo", "--leads", "5", "--exit")
    system = System(empty_data_dir, free_port, command=command)
    system.launch()
    assert system.process.wait(180) == 0, system.output()
    assert "By rep" in system.output()
    assert system.processes() == []


def test_what_hinders_the_start_is_shown(empty_data_dir: Path, free_port: Callable[[], int]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody answers there
        port = taken.getsockname()[1]
        command = (sys.executable, "-m", "shared.cli", "demo", "--leads", "5", "--exit")
        system = System(empty_data_dir, free_port, {"TASUKI_HANDOFF_PORT": str(port)}, command=command)
        system.launch()
        assert system.process.wait(60) == 1
    assert f"Port {port} is taken" in system.output()
    assert "Traceback" not in system.output()
    until(lambda: system.processes() == [])


# --- a count of its own, over the events as they stand after all corrections ------------------------------------------


def standing(week: Week) -> list[Event]:
    events = {(event["source"], event["id"]): event for event in (*week.activities, *week.outcomes)}
    for correction in [event for event in events.values() if event["type"] == "correction"]:
        about = (correction["corrects"]["source"], correction["corrects"]["id"])
        if correction["action"] == "void":
            del events[about]
        else:
            kept = {name: events[about][name] for name in ("id", "source", "type", "occurred_at")}
            events[about] = kept | correction["data"]
    return sorted(events.values(), key=lambda event: (event["occurred_at"], event["source"], event["id"]))


def is_outbound_call(event: Event) -> bool:
    return bool(event["type"] == "call" and event["direction"] == "outbound")


def counted(week: Week, days: tuple[date, date]) -> Counter[str]:
    found: Counter[str] = Counter()
    for event in standing(week):
        if not days[0] <= event["occurred_at"].date() <= days[1]:
            continue
        type_, outcome, status = event["type"], event.get("outcome"), event.get("status")
        found["calls"] += is_outbound_call(event)
        found["conversations"] += is_outbound_call(event) and outcome == "conversation"
        ours = type_ == "touch" and event["direction"] == "outbound" and outcome not in SILENT
        found["touches"] += is_outbound_call(event) or ours
        found["appointments"] += type_ == "appointment" and status == "set"
        found["opportunities"] += type_ == "opportunity" and status == "created"
    found["deals"] = len(won(week, days))
    return found


def won(week: Week, days: tuple[date, date]) -> dict[str, list[Event]]:
    """Opportunity -> all its steps in order, for those that were won in these days."""
    steps: dict[str, list[Event]] = {}
    for event in standing(week):
        if event["type"] == "opportunity":
            steps.setdefault(event["opportunity_id"], []).append(event)
    closes = {one: [e for e in of_it if e["status"] in ("won", "lost")] for one, of_it in steps.items()}
    return {
        one: steps[one]
        for one, ends in closes.items()
        if ends and ends[-1]["status"] == "won" and days[0] <= ends[-1]["occurred_at"].date() <= days[1]
    }


def booked(week: Week, days: tuple[date, date]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for steps in won(week, days).values():
        latest = [step["amount"] for step in steps if "amount" in step][-1]
        sums[latest["currency"]] += int(latest["value"])
    return dict(sums)


def span(week: Week, ever: bool) -> dict[str, str]:
    if ever:
        return {"grain": "all"}
    return {"grain": "week", "start": week.monday.isoformat(), "end": week.sunday.isoformat()}
