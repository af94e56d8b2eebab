"""reliability 5: what comes a year late, or before what it refers to, changes its own period and nothing else."""

from contextlib import closing
from typing import Any

from services.metrics.catalogue.compile import compile_catalogue
from shared.config import load_config
from tests.faults.client import Client
from tests.faults.inside import database, settle
from tests.faults.oracle import Numbers, numbers
from tests.system import ROOT, System

TRAILING = {kpi.id for kpi in compile_catalogue(load_config(ROOT / "config")) if kpi.definition.kind == "trailing"}
CALL = {"source": "late", "type": "call", "rep": "ito", "direction": "outbound", "outcome": "conversation"}


def call(id_: str, day: str, **more: Any) -> dict[str, Any]:
    about: dict[str, Any] = {"id": id_, "occurred_at": f"{day}T03:00:00Z", "duration_s": 60}
    about["lead"] = {"email": f"mei@{id_}.co.jp"}
    return {**CALL, **about, **more}


def test_reliability_5_a_year_late_and_a_correction_before_what_it_corrects(system: System) -> None:
    with closing(Client(system)) as client:
        before = _after(system, client, *(call(f"now{n}", f"2026-02-{n + 1:02}") for n in range(20)))

        late = _after(system, client, call("old", "2025-02-03"))
        assert _days_changed(before, late) == {"2025-02-03"}
        assert _value(late, "calls", "2025-02-03") == 1

        data = {"rep": "ito", "direction": "outbound", "outcome": "busy", "duration_s": 90}
        correction: dict[str, Any] = {"id": "fix", "source": "late", "type": "correction"}
        correction["occurred_at"] = "2026-02-10T00:00:00Z"
        correction |= {"corrects": {"source": "late", "id": "wrong"}, "action": "replace", "data": data}
        waiting = _after(system, client, correction)
        assert _days_changed(late, waiting) == set(), "there is nothing yet that it corrects"

        corrected = _after(system, client, call("wrong", "2025-03-04"))
        assert _days_changed(late, corrected) == {"2025-03-04"}
        assert _value(corrected, "time_spent", "2025-03-04") == 90
        assert _value(corrected, "calls", "2025-03-04") == 1
        assert _value(corrected, "conversations", "2025-03-04") in (None, 0)

        assert client.send("metrics", "POST", "/v1/rebuild").status == 200
        assert numbers(client) == corrected


def _after(system: System, client: Client, *activities: dict[str, Any]) -> Numbers:
    """All numbers once these are counted."""
    reply = client.send("ingest", "POST", "/v1/activities", list(activities))
    assert reply.status == 202, reply
    settle(database(system))
    return numbers(client)


def _by_day(found: Numbers) -> dict[tuple[str, str], Any]:
    daily = {path: rows for path, rows in found.items() if path.endswith("grain=day")}
    return {(path, row["period"]): row["value"] for path, rows in daily.items() for row in rows}


def _days_changed(before: Numbers, after: Numbers) -> set[str]:
    """Days whose value of any KPI differs; no value is as good as nothing.

    Trailing KPIs are left out: their period is all the weeks before a day.
    """
    old, new = _by_day(before), _by_day(after)
    differ = {at for at in {*old, *new} if (old.get(at) or 0) != (new.get(at) or 0)}
    return {day for path, day in differ if path.split("/")[3] not in TRAILING}


def _value(found: Numbers, kpi: str, day: str) -> Any:
    return _by_day(found).get((f"/v1/kpis/{kpi}/values?grain=day", day))
