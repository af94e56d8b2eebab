"""The oracle of all fault tests: what was acknowledged is there, once, and the live numbers are those of the log."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.acknowledged import Acknowledged
from tests.faults.client import Client
from tests.faults.inside import database, logged, rows, settle
from tests.faults.load import Load
from tests.faults.plan import SOURCE
from tests.faults.watch import Watch
from tests.system import System

REBUILT_WITHIN_S = 3600.0
Numbers = dict[str, Any]


@dataclass
class Held:
    """What the log holds. `identities`: source and id of each event; `records`: their number with second copies;
    `observations`: those told in it; `told`: name -> what its events enter, which must not come twice."""

    identities: set[tuple[str, str]]
    records: int
    observations: set[str]
    told: dict[str, list[tuple[str, int, str]]]

    @property
    def copies(self) -> int:
        """Records that are second copies."""
        return self.records - len(self.identities)


def check(system: System, load: Load, watch: Watch | None = None) -> str:
    """Wait until all has arrived and hold it against what was acknowledged; figures to tell."""
    settle(database(system), kafka=system.kafka)
    acknowledged, held = Acknowledged(load), held_in_log(system)
    for _, holds in checks(system, acknowledged, held):
        holds()
    seen = f"; {watch.scrapes} scrapes" if watch else ""
    return (
        f"{len(acknowledged.ids)} activities, {len(held.identities)} events, {held.copies} twice in the log; "
        f"answers {dict(acknowledged.answers)}; repeated {dict(acknowledged.repeated)}{seen}"
    )


def checks(system: System, acknowledged: Acknowledged, held: Held) -> Iterator[tuple[str, Callable[[], None]]]:
    """What has to hold once all has arrived, one after the other: in words, and what raises AssertionError."""

    def through(check_: Callable[[Client], None]) -> Callable[[], None]:
        def asked() -> None:
            client = Client(system)
            try:
                check_(client)
            finally:
                client.close()

        return asked

    yield "the log and the services hold what was acknowledged", lambda: _state(system, acknowledged, held)
    yield "every event was counted once", through(lambda client: _status(client, held))
    yield "KPIs are those of what was posted", through(lambda client: _kpis(client, acknowledged))
    yield "the totals are those of what was posted", through(lambda client: _counters(client, acknowledged))
    yield "there is one lead for each e-mail", through(lambda client: _leads(client, acknowledged))
    yield "each asking lead has one handoff", through(lambda client: _handoffs(system, client, acknowledged, held))
    yield "a rebuild changes no number", through(_rebuild)
    yield "a rebuild changes no total", through(lambda client: _counters(client, acknowledged))


def held_in_log(system: System) -> Held:
    """Read the whole log."""
    held = Held(set(), 0, set(), defaultdict(list))
    for event in logged(database(system), system.kafka):
        held.records += 1
        if event.identity in held.identities:
            continue
        held.identities.add(event.identity)
        held.observations |= {o.observation_id for o in getattr(event.data, "observations", ())}
        if event.name == "stage-changed":
            held.told[event.name].append((event.subject, event.data.cycle, event.data.to))  # type: ignore[attr-defined]
        elif event.name.startswith("handoff-"):
            held.told[event.name].append((event.subject, 0, event.data.handoff_id))  # type: ignore[attr-defined]
    return held


def taken_by_metrics(system: System) -> set[tuple[str, str]]:
    """Source and id of every event that metrics has stored."""
    return {(r["source"], r["id"]) for r in rows(database(system), "select source, id from metrics.events")}


def _state(system: System, acknowledged: Acknowledged, held: Held) -> None:
    url = database(system)
    of_load = {id_ for source, id_ in held.identities if source == SOURCE}
    _same("activities in the log", of_load, acknowledged.ids)
    _same("events in metrics", taken_by_metrics(system), held.identities)
    in_handoff = [r["id"] for r in rows(url, "select id from handoff.activities where source = $1", SOURCE)]
    assert len(in_handoff) == len(set(in_handoff))
    _same("activities in handoff", set(in_handoff), acknowledged.ids - acknowledged.corrections)
    told = {r[0] for r in rows(url, "select observation_id from handoff.observations")}
    _same("observations in handoff", told, held.observations)


def _same(what: str, found: set[Any], expected: set[Any]) -> None:
    """A difference of large sets in few words."""
    missing, more = expected - found, found - expected
    assert not missing | more, f"{what}: {len(missing)} missing {list(missing)[:3]}, {len(more)} more {list(more)[:3]}"


def _status(client: Client, held: Held) -> None:
    status = client.get("metrics", "/v1/status")
    assert status["lag"] == 0
    assert status["dead_lettered"] == 0
    assert status["processed"] == len(held.identities)
    assert status["duplicates"] == held.copies


def _kpis(client: Client, acknowledged: Acknowledged) -> None:
    for kpi, expected in acknowledged.sums.items():
        found = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all&by=rep,hour")["rows"]
        told = {(row["rep"], row["hour"]): row["value"] for row in found}
        differ = {at: (told.get(at), n) for at in {*told, *+expected} if told.get(at) != (n := expected[at])}
        assert differ == {}, f"{kpi}: told and expected"
    assert _all(client, "opportunities") == acknowledged.deals
    assert _all(client, "pipeline_amount") == acknowledged.amount


def _all(client: Client, kpi: str) -> float:
    found = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all")["rows"]
    return sum(float(row["value"]) for row in found)


def _counters(client: Client, acknowledged: Acknowledged) -> None:
    corrections = len(acknowledged.corrections)
    assert client.figure("metrics", "tasuki_activities_total") == len(acknowledged.ids) - corrections
    assert client.figure("metrics", "tasuki_corrections_total") == corrections


def _leads(client: Client, acknowledged: Acknowledged) -> None:
    """One lead per e-mail, whoever was first, and each with all that was heard."""
    assert {len(ids) for ids in acknowledged.leads.values()} == {1}
    different = len(set.union(*acknowledged.leads.values()))
    assert _all(client, "leads") == len(acknowledged.leads) == different
    for story in acknowledged.stories:
        lead = client.get("ingest", f"/v1/leads/{story.lead_id}")
        assert lead["fields"]["employees"]["value"] == 350
        assert lead["fields"]["needs"]["status"] == lead["fields"]["authority"]["status"] == "confirmed"


def _handoffs(system: System, client: Client, acknowledged: Acknowledged, held: Held) -> None:
    """One handoff per asking lead, one decision on it, and no stage entered twice."""
    url, stories = database(system), acknowledged.stories
    found = {r["lead_id"]: r for r in rows(url, "select lead_id, handoff_id, status from handoff.handoffs")}
    number = rows(url, "select count(*) from handoff.handoffs")[0][0]
    assert number == len(found) == len(stories) == _all(client, "handoffs")
    for story in stories:
        one = found[str(story.lead_id)]
        assert (one["handoff_id"], one["status"]) == (story.handoff_id, "accepted" if story.accepted else "pending")
    for name, entries in held.told.items():
        assert len(entries) == len(set(entries)), f"{name} twice"
    assert len(held.told["handoff-created"]) == len(stories)
    assert len(held.told["handoff-accepted"]) == sum(story.accepted for story in stories)
    for story in stories:
        history = client.get("handoff", f"/v1/leads/{story.lead_id}/stages")
        entered = [(entry["cycle"], entry["stage"]) for entry in history["items"]]
        assert len(entered) == len(set(entered)) > 0
        assert history["stage"] == ("SQL" if story.accepted else "MQL")


def _rebuild(client: Client) -> None:
    before = numbers(client)
    client.close()  # the next connection is one that waits longer
    made = client.once("metrics", "POST", "/v1/rebuild", wait_s=REBUILT_WITHIN_S)
    assert made.status == 200, made
    after = numbers(client)
    different = [path for path in before if before[path] != after.get(path)]
    assert before == after, f"{len(different)} answers differ: {different[:3]}"


def numbers(client: Client) -> Numbers:
    """Every KPI by day, and over all time by each of its dimensions."""
    found: Numbers = {}
    for kpi in client.get("metrics", "/v1/kpis?limit=200")["items"]:
        for query in ("grain=day", *(f"grain=all&by={dimension}" for dimension in kpi["dimensions"])):
            path = f"/v1/kpis/{kpi['id']}/values?{query}"
            found[path] = client.get("metrics", path)["rows"]
    return found
