"""reliability 7: each service dies at each point where a death could lose or double something."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.settings import SERVICES, ServiceName
from tests.faults.client import Client, InFlight, Reply
from tests.faults.failpoint import FAILPOINTS
from tests.faults.inside import logged, outlive_claims, rows, settle
from tests.system import ROOT, System, until

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
DECISION_FAILPOINTS = [("decision: before commit", 0), ("decision: after commit", 1)]


class Services:
    """The three services on one database, each a process of its own that nobody restarts but the test."""

    def __init__(self, system: System, url: str) -> None:
        self.system = system
        self.url = url
        self._running: dict[ServiceName, subprocess.Popen[bytes]] = {}

    def start(self, service: ServiceName, failpoint: str | None = None) -> None:
        """Start it and wait until it is ready; with a failpoint it will die there."""
        module = ["tests.faults.failpoint", service, failpoint] if failpoint else [f"services.{service}"]
        self._running[service] = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, env=self.system.environment, stdin=subprocess.DEVNULL
        )
        until(lambda: self.system.is_ready(service), 60, lambda: f"{service} is not ready")

    def replace(self, service: ServiceName, failpoint: str) -> None:
        """End it as an operator does, and start it with a failpoint."""
        self.stop(service)
        self.start(service, failpoint)

    def died(self, service: ServiceName) -> None:
        """Wait until it has killed itself."""
        assert self._running.pop(service).wait(60) == -signal.SIGKILL

    def stop(self, service: ServiceName) -> None:
        """SIGTERM; it has to end by itself."""
        process = self._running.pop(service)
        process.terminate()
        assert process.wait(30) == 0

    def kill(self) -> None:
        """What is left of them."""
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def services(module_database_url: str, free_port: Callable[[], int], tmp_path_factory: Any) -> Iterator[Services]:
    folder: Path = tmp_path_factory.mktemp("failpoints")
    system = System(folder / "data", free_port, {"TASUKI_DATABASE_URL": module_database_url})
    subprocess.run([sys.executable, "-m", "shared.prepare"], cwd=ROOT, env=system.environment, check=True)
    running = Services(system, module_database_url)
    try:
        for service in SERVICES:
            running.start(service)
        yield running
    finally:
        running.kill()


def in_background(send: Callable[[Client], Reply], system: System) -> Callable[[], Reply]:
    """Sends from a thread, until there is an answer; what is returned waits for it."""
    replies: list[Reply] = []

    def work() -> None:
        with closing(Client(system)) as client:
            while not replies:
                try:
                    replies.append(send(client))
                except InFlight:
                    time.sleep(0.1)

    thread = threading.Thread(target=work)
    thread.start()

    def answer() -> Reply:
        thread.join()
        return replies[0]

    return answer


def test_every_failpoint_is_tested() -> None:
    tested = [(service, name) for service, name, *_ in ACTIVITY_FAILPOINTS]
    tested += [("handoff", name) for name, _ in DECISION_FAILPOINTS]
    assert sorted(tested) == sorted((service, name) for service, names in FAILPOINTS.items() for name in names)


@pytest.mark.parametrize(("service", "failpoint", "table", "there", "copies"), ACTIVITY_FAILPOINTS)
def test_reliability_7_an_activity(
    services: Services, service: ServiceName, failpoint: str, table: str | None, there: int, copies: int
) -> None:
    source = f"{service} {failpoint}"
    call = CALL | {"source": source, "id": "1", "outcome": "conversation", "lead": {"email": "mei@failpoint.co.jp"}}
    services.replace(service, failpoint)
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


@pytest.mark.parametrize(("failpoint", "there"), DECISION_FAILPOINTS)
def test_reliability_7_a_decision(services: Services, failpoint: str, there: int) -> None:
    lead_id = _ready_lead(services, failpoint)
    services.replace("handoff", failpoint)
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
