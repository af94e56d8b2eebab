"""A consumer that cannot keep up stays alive, small and where it is, and what comes meanwhile is still taken."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shared.eventlog import topics
from shared.settings import Settings
from tests.faults.client import Client
from tests.faults.inside import rows, settle
from tests.faults.on_kafka import fill
from tests.faults.services import Services, running
from tests.kafka import StartCluster
from tests.system import until

PER_EVENT_S = 0.003
"""In the handler: some thirty times of what it takes otherwise."""
GROWTH_MIB = 200
"""Buffers of 12 partitions, a batch in hand and one that has been fetched; the backlog itself is several times that."""
HELD = "select member, array_agg(shard order by shard) from log.leases where consumer_group = 'metrics' group by member"


@pytest.mark.parametrize(
    ("backlog", "watched_s"), [(8_000, 4), pytest.param(100_000, 40, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_reliability_19_a_slow_handler_under_a_backlog(
    tmp_path: Path,
    database_url: str,
    free_port: Callable[[], int],
    kafka_cluster: StartCluster,
    backlog: int,
    watched_s: float,
) -> None:
    kafka = kafka_cluster(brokers=1).bootstrap
    asyncio.run(topics.apply(Settings(kafka_bootstrap_servers=kafka)))
    settings = {"TASUKI_KAFKA_BOOTSTRAP_SERVERS": kafka, "TASUKI_CONSUMER_BATCH_MAX": "1000"}
    with running(tmp_path, free_port, database_url, **settings) as services:
        services.stop("handoff")  # it would take the backlog, too, and has no part here
        services.replace("metrics", "tests.faults.slow", str(PER_EVENT_S))
        until(lambda: sorted(len(shards) for _, shards in rows(database_url, HELD)) == [6, 6])  # its two consumers
        before_mib = _memory_mib(services)
        fill(database_url, kafka, backlog)
        waits: list[float] = []
        with closing(Client(services.system)) as client, _posting(services, waits):
            seen, most_mib, until_s = set(), 0.0, time.monotonic() + watched_s
            while time.monotonic() < until_s:
                assert client.once("metrics", "GET", "/livez").status == 200
                seen.add(frozenset((member, *shards) for member, shards in rows(database_url, HELD)))
                most_mib = max(most_mib, _memory_mib(services))
                time.sleep(0.5)
            taken = client.get("metrics", "/v1/status")
        assert 0 < taken["processed"] < backlog, "it was slow enough, and went on"
        assert len(seen) == 1, "nobody took a shard from anybody"
        assert most_mib - before_mib < GROWTH_MIB
        services.replace("metrics")
        services.start("handoff")
        settle(database_url, 300, kafka)
        with closing(Client(services.system)) as client:
            status = client.get("metrics", "/v1/status")
            (row,) = client.get("metrics", "/v1/kpis/calls/values?grain=all")["rows"]
        assert (row["value"], status["dead_lettered"]) == (backlog + len(waits), 0)
    p99_ms = 1000 * sorted(waits)[int(0.99 * len(waits))]
    print(f"\n{len(waits)} posts meanwhile, p99 {p99_ms:.0f} ms; grew by {most_mib - before_mib:.0f} MiB")


class _posting:  # noqa: N801 - used like a function
    """Posts one activity after the other while the block runs; their answers' times in seconds go to a list."""

    def __init__(self, services: Services, waits: list[float]) -> None:
        self._system = services.system
        self._waits = waits
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._refused: list[int] = []

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()
        assert self._refused == []

    def _work(self) -> None:
        call = {"type": "call", "source": "posted", "rep": "ito", "direction": "outbound", "outcome": "busy"}
        moment = {"occurred_at": "2026-02-02T00:00:00Z", "lead": {"email": "mei@slow.co.jp"}}
        with closing(Client(self._system)) as client:
            while not self._stop.wait(0.02):
                began = time.perf_counter()
                reply = client.once("ingest", "POST", "/v1/activities", call | moment | {"id": str(len(self._waits))})
                self._waits.append(time.perf_counter() - began)
                if reply.status != 202:
                    self._refused.append(reply.status)


def _memory_mib(services: Services) -> float:
    """Resident memory of metrics."""
    status = Path(f"/proc/{services.pids()['metrics']}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024
