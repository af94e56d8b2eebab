"""The oracle of all fault tests: what was acknowledged is there, once, and the live numbers are those of the log."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.faults.client import Client
from tests.faults.inside import database, logged, rows, settle
from tests.faults.load import Load
from tests.faults.plan import SOURCE, Act
from tests.faults.watch import Watch
from tests.system import System

ZONE = ZoneInfo("Asia/Tokyo")
Numbers = dict[str, Any]


def check(system: System, load: Load, watch: Watch | None = None) -> str:
    """Wait until all has arrived and hold it against what was acknowledged; figures to tell."""
    settle(database(system), kafka=system.kafka)
    client = Client(system)
    try:
        figures = _log_and_state(system, client, load)
        _kpis(client, load.acknowledged.values())
        _counters(client, load.acknowledged.values())
        _leads(client, load)
        _handoffs(system, client, load)
        _rebuild(client)
        _counters(client, load.acknowledged.values())
    finally:
        client.close()
    seen = f"; {watch.scrapes} scrapes" if watch else ""
    return f"{figures}; answers {dict(load.results)}; repeated {dict(load.repeated)}{seen}"


def _log_and_state(system: System, client: Client, load: Load) -> str:
    url = database(system)
    events = logged(url, system.kafka)
    distinct = {event.identity: event for event in events}
    of_load = {id_ for source, id_ in distinct if source == SOURCE}
    assert set(load.acknowledged) == {act.identity for act in load.plan.acts}
    assert of_load == set(load.acknowledged), "the log holds what was acknowledged, and nothing else"
    taken = {(r["source"], r["id"]) for r in rows(url, "select source, id from metrics.events")}
    assert taken == set(distinct)
    about_leads = {i for i, act in load.acknowledged.items() if act.data["type"] != "correction"}
    statement = "select id from handoff.activities where source = $1"
    assert sorted(r["id"] for r in rows(url, statement, SOURCE)) == sorted(about_leads)
    told = {o.observation_id for e in distinct.values() for o in getattr(e.data, "observations", ())}
    assert {r[0] for r in rows(url, "select observation_id from handoff.observations")} == told

    status = client.get("metrics", "/v1/status")
    assert status["lag"] == 0
    assert status["dead_lettered"] == 0
    assert status["processed"] == len(distinct)
    assert status["duplicates"] == len(events) - len(distinct)
    return (
        f"{len(load.acknowledged)} activities, {len(distinct)} events, {len(events) - len(distinct)} twice in the log"
    )


def _truths(acts: Iterable[Act]) -> list[dict[str, Any]]:
    """The activities as the corrections left them; the plan corrects each once at most."""
    acts = list(acts)
    corrections = {a.data["corrects"]["id"]: a.data for a in acts if a.data["type"] == "correction"}
    truths = []
    for act in acts:
        correction = corrections.get(act.identity)
        if act.data["type"] == "correction" or (correction and correction["action"] == "void"):
            continue
        truths.append(act.data | (correction["data"] if correction else {}))
    return truths


def _kpis(client: Client, acts: Iterable[Act]) -> None:
    truths = _truths(acts)
    calls = [t for t in truths if t["type"] == "call" and t["direction"] == "outbound"]
    timed = [t for t in truths if "duration_s" in t]
    _same_by_rep_and_hour(client, "calls", calls, lambda _: 1)
    _same_by_rep_and_hour(client, "conversations", [c for c in calls if c["outcome"] == "conversation"], lambda _: 1)
    _same_by_rep_and_hour(client, "time_spent", timed, lambda t: int(t["duration_s"]))
    deals = [t for t in truths if t["type"] == "opportunity"]
    assert _all(client, "opportunities") == len(deals)
    assert _all(client, "pipeline_amount") == sum(int(t["amount"]["value"]) for t in deals)


def _same_by_rep_and_hour(
    client: Client, kpi: str, truths: Iterable[dict[str, Any]], amount: Callable[[dict[str, Any]], int]
) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for truth in truths:
        local = datetime.fromisoformat(truth["occurred_at"]).astimezone(ZONE)
        expected[truth["rep"], f"{local.hour:02}"] += amount(truth)
    found = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all&by=rep,hour")["rows"]
    told = {(row["rep"], row["hour"]): row["value"] for row in found}
    differ = {at: (told.get(at), expected[at]) for at in {*told, *expected} if told.get(at) != expected[at]}
    assert differ == {}, f"{kpi}: told and expected"


def _all(client: Client, kpi: str) -> float:
    found = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all")["rows"]
    return sum(float(row["value"]) for row in found)


def _counters(client: Client, acts: Iterable[Act]) -> None:
    acts = list(acts)
    corrections = sum(act.data["type"] == "correction" for act in acts)
    lines = client.get("metrics", "/metrics").splitlines()
    assert _sum(lines, "tasuki_activities_total") == len(acts) - corrections
    assert _sum(lines, "tasuki_corrections_total") == corrections


def _sum(lines: Iterable[str], name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))


def _leads(client: Client, load: Load) -> None:
    """One lead per e-mail, whoever was first, and each with all that was heard."""
    assert {len(ids) for ids in load.leads.values()} == {1}
    assert _all(client, "leads") == len(load.leads) == len(set.union(*load.leads.values()))
    for story in load.plan.stories:
        lead = client.get("ingest", f"/v1/leads/{story.lead_id}")
        assert lead["fields"]["employees"]["value"] == 350
        assert lead["fields"]["needs"]["status"] == lead["fields"]["authority"]["status"] == "confirmed"


def _handoffs(system: System, client: Client, load: Load) -> None:
    """One handoff per asking lead, one decision on it, and no stage entered twice."""
    url, stories = database(system), load.plan.stories
    found = {r["lead_id"]: r for r in rows(url, "select lead_id, handoff_id, status from handoff.handoffs")}
    number = rows(url, "select count(*) from handoff.handoffs")[0][0]
    assert number == len(found) == len(stories) == _all(client, "handoffs")
    for story in stories:
        held = found[str(story.lead_id)]
        assert (held["handoff_id"], held["status"]) == (story.handoff_id, "accepted" if story.accepted else "pending")
    told: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    distinct = {event.identity: event for event in logged(url, system.kafka)}
    for event in distinct.values():
        if event.name == "stage-changed":
            told[event.name].append((event.subject, event.data.cycle, event.data.to))  # type: ignore[attr-defined]
        elif event.name.startswith("handoff-"):
            told[event.name].append((event.subject, 0, event.data.handoff_id))  # type: ignore[attr-defined]
    for name, entries in told.items():
        assert len(entries) == len(set(entries)), f"{name} twice"
    assert len(told["handoff-created"]) == len(stories)
    assert len(told["handoff-accepted"]) == sum(story.accepted for story in stories)
    for story in stories:
        history = client.get("handoff", f"/v1/leads/{story.lead_id}/stages")
        entered = [(entry["cycle"], entry["stage"]) for entry in history["items"]]
        assert len(entered) == len(set(entered)) > 0
        assert history["stage"] == ("SQL" if story.accepted else "MQL")


def _rebuild(client: Client) -> None:
    before = numbers(client)
    made = client.send("metrics", "POST", "/v1/rebuild")
    assert made.status == 200, made
    assert numbers(client) == before


def numbers(client: Client) -> Numbers:
    """Every KPI by day, and over all time by each of its dimensions."""
    found: Numbers = {}
    for kpi in client.get("metrics", "/v1/kpis?limit=200")["items"]:
        for query in ("grain=day", *(f"grain=all&by={dimension}" for dimension in kpi["dimensions"])):
            path = f"/v1/kpis/{kpi['id']}/values?{query}"
            found[path] = client.get("metrics", path)["rows"]
    return found
