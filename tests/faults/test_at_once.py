"""The same event from everybody at the same moment."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.faults.client import Client, Reply
from tests.faults.inside import database, errors_in, errors_logged, logged, rows, settle
from tests.faults.load import Load
from tests.faults.oracle import check
from tests.faults.replicas import Replica
from tests.system import System

TIMES = 100


def test_reliability_1_the_same_event_a_hundred_times_at_once(system: System) -> None:
    call = {"source": "crowd", "id": "one", "type": "call", "occurred_at": "2026-02-02T00:00:00Z", "duration_s": 60}
    call |= {"lead": {"email": "mei@crowd.co.jp"}, "rep": "ito", "direction": "outbound", "outcome": "busy"}
    start, replies = threading.Barrier(TIMES), list[Reply]()

    def post() -> None:
        with closing(Client(system)) as client:
            start.wait()
            replies.append(client.send("ingest", "POST", "/v1/activities", call))

    threads = [threading.Thread(target=post) for _ in range(TIMES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {reply.status for reply in replies} == {202}
    results = [reply.body["results"][0] for reply in replies]
    assert len(results) == TIMES
    assert sorted(result["status"] for result in results) == ["accepted"] + ["duplicate"] * (TIMES - 1)
    assert len({(result["event_id"], result["lead_id"]) for result in results}) == 1

    settle(database(system))
    assert len(rows(database(system), "select from ingest.events where source = 'crowd'")) == 1
    assert sum(event.source == "crowd" for event in logged(database(system))) == 1
    with closing(Client(system)) as client:
        for kpi, expected in (("calls", 1), ("time_spent", 60)):
            (row,) = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all&where=source:crowd")["rows"]
            assert row["value"] == expected


def test_reliability_1_two_replicas_of_ingest_take_the_same_leads_at_once(
    data_dir: Path, free_port: Callable[[], int]
) -> None:
    with System(data_dir, free_port) as system, Replica(system, "ingest", free_port()) as other:
        other.wait_ready(system)
        with Load(system, 3_000, 1, ingests=[system.port["ingest"], other.port]) as load:
            load.release(load.size)
        figures = check(system, load)
        assert errors_logged(system) + errors_in(other.output()) == []
    print(f"\n{figures}")
