"""The whole system is told to stop under load, and PostgreSQL goes away under load."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.settings import ServiceName
from tests.faults.client import Client
from tests.faults.inside import database, errors_logged, outlive_claims, telling_errors
from tests.faults.load import Load
from tests.faults.oracle import check
from tests.faults.watch import Watch
from tests.system import SERVICES, System, until

WITHIN_S = 10.0


def test_reliability_20_stopped_and_started_again_under_load(data_dir: Path, free_port: Callable[[], int]) -> None:
    with System(data_dir, free_port) as system, telling_errors(system):
        with Watch(system) as watch:
            with Load(system, 1_000, seed=5) as load:
                for part in (1, 2):
                    load.release(part * load.size // 2)
                    load.wait_done((2 * part - 1) * load.size // 5)
                    assert system.stop(WITHIN_S) == 0
                    assert system.processes() == []
                    system.launch()
                    system.wait_ready()
                    outlive_claims(database(system))  # of requests that the end of the grace has cut off
            figures = check(system, load, watch)
        assert "SIGKILL" not in system.output(), "everything has drained within its grace"
        assert errors_logged(system) == []
    print(f"\nstopped twice during {figures}")


def test_reliability_14_postgresql_goes_away_under_load(data_dir: Path, free_port: Callable[[], int]) -> None:
    with System(data_dir, free_port) as system, telling_errors(system):
        with Watch(system) as watch, Load(system, 1_000, seed=6) as load:
            load.release(load.size)
            load.wait_done(load.size // 4)
            os.kill(system.process.pid, signal.SIGSTOP)  # nobody starts it again yet
            try:
                os.kill(system.postgresql(), signal.SIGKILL)
                _all_say_that_it_is_away(system)
            finally:
                os.kill(system.process.pid, signal.SIGCONT)
            system.wait_ready()
        figures = check(system, load, watch)
        assert errors_logged(system) == []
    print(f"\nPostgreSQL away during {figures}")


def _all_say_that_it_is_away(system: System) -> None:
    """No service is restarted for it, each says 503 and when to come again, to requests and to readiness alike."""
    pids = [system.processes(f"services.{service}") for service in SERVICES]
    activity = {"source": "probe", "id": "1", "type": "call", "occurred_at": "2026-02-02T00:00:00Z", "lead_id": "probe"}
    activity |= {"rep": "ito", "direction": "outbound", "outcome": "busy"}
    requests: dict[ServiceName, tuple[str, str, Any]] = {
        "ingest": ("POST", "/v1/activities", activity),
        "handoff": ("GET", "/v1/handoffs", None),
        "metrics": ("GET", "/v1/status", None),
    }
    client = Client(system)
    try:
        for service, (method, path, body) in requests.items():
            until(lambda service=service: client.once(service, "GET", "/readyz").status == 503)  # type: ignore[misc]
            for _ in range(3):
                assert client.once(service, "GET", "/livez").status == 200
                assert client.once(service, "GET", "/metrics").status == 200
                for reply in (client.once(service, "GET", "/readyz"), client.once(service, method, path, body)):
                    assert reply.status == 503, reply
                    assert int(reply.headers["retry-after"]) > 0
                assert reply.headers["content-type"] == "application/problem+json"
    finally:
        client.close()
    assert [system.processes(f"services.{service}") for service in SERVICES] == pids
