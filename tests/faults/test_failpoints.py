"""reliability 7: each service dies at each point where a death could lose or double something."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from shared.client import Client as Tasuki
from shared.client import Retry, ingest
from shared.settings import ServiceName
from tests.faults.client import Client
from tests.faults.failpoint import FAILPOINTS
from tests.faults.inside import logged, outlive_claims, rows, settle
from tests.faults.services import Services, in_background, running
from tests.faults.test_webhooks import WEBHOOK_FAILPOINTS
from tests.system import SERVICES, until

CALL = {"type": "call", "occurred_at": "2026-02-02T00:00:00Z", "rep": "ito", "direction": "outbound"}
# Failpoint -> table in which the event (or decision) must stand, or not yet stand, when its process has died there;
# and how often the log holds the call in the end: twice, where the relay could not note that it had published it.
ACTIVITY_FAILPOINTS = [
    ("ingest", "before commit", "ingest.events", 0, 1),
    ("ingest", "after commit", "ingest.events", 1, 1),
    ("ingest", "relay: before produce", "metrics.events", 0, 1),
    ("ingest", "relay: after produce", None, 0, 2),
    ("ingest", "relay: before mark", None, 0, 2),
    ("ingest", "relay: after mark", None, 0, 1),
    ("handoff", "batch: before commit", "handoff.activities", 0, 1),
    ("handoff", "batch: after commit", "handoff.activities", 1, 1),
    ("metrics", "batch: before commit", "metrics.events", 0, 1),
    ("metrics", "batch: after commit", "metrics.events", 1, 1),
]
IMPORT_FAILPOINTS = ["import: before it is complete", "import: rows stored", "import: rows counted"]
DECISION_FAILPOINTS = [("decision: before commit", 0), ("decision: after commit", 1)]


@pytest.fixture(scope="module")
def services(module_database_url: str, free_port: Callable[[], int], tmp_path_factory: Any) -> Iterator[Services]:
    """With five partitions the relay gives rows to the log, as it does with Kafka; with twelve, the log would take them
    in one transaction, which has no points in between."""
    folder = tmp_path_factory.mktemp("failpoints")
    with running(folder, free_port, module_database_url, TASUKI_LOG_PARTITIONS="5") as started:
        yield started


def test_every_failpoint_is_tested() -> None:
    tested = [(service, name) for service, name, *_ in ACTIVITY_FAILPOINTS]
    tested += [("ingest", name) for name in IMPORT_FAILPOINTS]
    tested += [("handoff", name) for name, _ in (*DECISION_FAILPOINTS, *WEBHOOK_FAILPOINTS)]
    assert sorted(tested) == sorted((service, name) for service, names in FAILPOINTS.items() for name in names)


@pytest.mark.parametrize(("service", "failpoint", "table", "there", "copies"), ACTIVITY_FAILPOINTS)
def test_reliability_7_an_activity(
    services: Services, service: ServiceName, failpoint: str, table: str | None, there: int, copies: int
) -> None:
    source = f"{service} {failpoint}"
    call = CALL | {"source": source, "id": "1", "outcome": "conversation", "lead": {"email": "mei@failpoint.co.jp"}}
    services.replace(service, "tests.faults.failpoint", failpoint)
    answer = in_background(lambda client: client.send("ingest", "POST", "/v1/activities", call), services.system)
    services.died(service)
    if table is not None:
        found = rows(services.url, f"select from {table} where source = $1", source)
        assert len(found) == there
    services.start(service)
    assert answer().status == 202

    settle(services.url)
    assert sum(event.source == source for event in logged(services.url)) == copies
    for name in ("ingest.events", "handoff.activities", "metrics.events"):
        assert len(rows(services.url, f"select from {name} where source = $1", source)) == 1
    with closing(Client(services.system)) as client:
        (row,) = client.get(
            "metrics", f"/v1/kpis/conversations/values?grain=all&by=source&where=source:{source.replace(' ', '%20')}"
        )["rows"]
        assert row["value"] == 1
        assert client.get("metrics", "/v1/status")["dead_lettered"] == 0


@pytest.mark.parametrize("failpoint", IMPORT_FAILPOINTS)
def test_reliability_7_an_import(services: Services, failpoint: str) -> None:
    """No row is stored twice, nor counted as a duplicate of itself; an upload is repeated by its client."""
    domain = failpoint.replace(": ", "-").replace(" ", "-") + ".co.jp"
    file = b"email,title\n" + b"".join(b"a%d@%b,x\n" % (n, domain.encode()) for n in range(700)) + b"ragged\n"
    system = services.system
    services.replace("ingest", "tests.faults.failpoint", failpoint)
    urls = {service: system.url[service] for service in SERVICES}
    with Tasuki(urls, system.key, retry=Retry(tries=200)) as tasuki, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(tasuki.send, ingest.import_leads("website", lambda: iter([file])))
        services.died("ingest")
        services.start("ingest")
        outlive_claims(services.url)
        sent = answer.result(120)
        until(lambda: tasuki.send(ingest.import_report(sent.id)).is_over)
        report = tasuki.send(ingest.import_report(sent.id))
    assert (report.rows, report.created, report.duplicates, report.rejected) == (701, 700, 0, 1)
    (counted,) = rows(services.url, "select count(*) from ingest.lead_keys where value like $1", f"%@{domain}")
    assert counted["count"] == 700
    until(lambda: rows(services.url, "select from ingest.import_chunks") == [])


@pytest.mark.parametrize(("failpoint", "there"), DECISION_FAILPOINTS)
def test_reliability_7_a_decision(services: Services, failpoint: str, there: int) -> None:
    lead_id = _ready_lead(services, failpoint)
    services.replace("handoff", "tests.faults.failpoint", failpoint)
    handoff = {"lead_id": lead_id, "rep": "tanaka", "reason": "They want to see it next week."}
    send = lambda client: client.send("handoff", "POST", "/v1/handoffs", handoff, f"hand over {failpoint}")  # noqa: E731
    answer = in_background(send, services.system)
    services.died("handoff")
    made = "select handoff_id from handoff.handoffs where lead_id = $1"
    assert len(rows(services.url, made, lead_id)) == there
    services.start("handoff")
    outlive_claims(services.url)
    reply = answer()
    assert reply.status == 201, reply

    settle(services.url)
    assert [row["handoff_id"] for row in rows(services.url, made, lead_id)] == [reply.body["handoff_id"]]
    told = [event for event in logged(services.url) if event.name == "handoff-created" and event.subject == lead_id]
    assert len({event.identity for event in told}) == 1


def _ready_lead(services: Services, name: str) -> str:
    with closing(Client(services.system)) as client:
        email = f"mei@{name.replace(': ', '-').replace(' ', '-')}.co.jp"
        lead = client.send("ingest", "POST", "/v1/leads", {"fields": {"email": email, "employees": 350}})
        lead_id: str = lead.body["lead_id"]
        answers = {"needs": {"status": "confirmed"}, "authority": {"status": "confirmed"}}
        heard = {"rep": "tanaka", "heard_at": "2026-02-03T01:00:00Z", "channel": "call", "answers": answers}
        assert client.send("ingest", "POST", f"/v1/leads/{lead_id}/hearings", heard).status == 201
        settle(services.url)
        assert client.get("handoff", f"/v1/leads/{lead_id}/readiness")["decision"] == "ready"
    return lead_id
