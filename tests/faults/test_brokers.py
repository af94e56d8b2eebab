"""Brokers die under load: nothing acknowledged is lost, ingest goes on answering, and all goes on by itself."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.events import ACTIVITIES
from shared.kafka import Cluster
from tests.faults.client import Client
from tests.faults.inside import errors_logged
from tests.faults.load import Load
from tests.faults.on_kafka import on_kafka, published
from tests.faults.oracle import check
from tests.faults.watch import Watch
from tests.system import System, until

RESUMES_WITHIN_S = 60


def test_reliability_10_11_12_brokers_are_killed_under_load(data_dir: Path, free_port: Callable[[], int]) -> None:
    _brokers_die(data_dir, free_port, size=1_200, seed=10, rounds=1)


@pytest.mark.long
def test_reliability_10_11_12_brokers_are_killed_under_load_again_and_again(
    data_dir: Path, free_port: Callable[[], int]
) -> None:
    _brokers_die(data_dir, free_port, size=9_000, seed=11, rounds=3)


def _brokers_die(data_dir: Path, free_port: Callable[[], int], *, size: int, seed: int, rounds: int) -> None:
    with on_kafka(data_dir, free_port, brokers=3) as (system, cluster):
        with Watch(system) as watch, Load(system, size, seed) as load:
            bursts = _bursts(load, 3 * rounds)
            for n in range(rounds):
                _one_of_three(system, cluster, 1 + n % 3, bursts)
                _two_of_three(system, cluster, 1 + n % 3, bursts)
                _all(cluster, bursts)
        figures = check(system, load, watch)
        assert errors_logged(system) == []
    print(f"\nbrokers killed during {figures}")


def _bursts(load: Load, count: int) -> Iterator[Callable[[], None]]:
    """Each lets the next part of the load go and waits until it is acknowledged."""

    def burst(n: int) -> None:
        load.release((n + 1) * load.size // count)
        load.wait_done(load.size * (n + 1) // count - load.size // (2 * count))

    return ((lambda n=n: burst(n)) for n in itertools.count())  # type: ignore[misc]


def _one_of_three(system: System, cluster: Cluster, node: int, bursts: Iterator[Callable[[], None]]) -> None:
    """reliability 10: what is acknowledged while one broker is dead is published while it is dead."""
    before = published(system, ACTIVITIES)
    cluster.kill(node)
    next(bursts)()
    with closing(Client(system)) as client:
        until(lambda: client.figure("ingest", "tasuki_outbox_pending") == 0, RESUMES_WITHIN_S)
    # a broker that is asked may be the dead one
    until(lambda: published(system, ACTIVITIES) > before, RESUMES_WITHIN_S)
    cluster.start(node)


def _two_of_three(system: System, cluster: Cluster, node: int, bursts: Iterator[Callable[[], None]]) -> None:
    """reliability 11: ingest acknowledges, what it has not published is told, and goes once there are brokers again."""
    for other in (node, node % 3 + 1):
        cluster.kill(other)
    with closing(Client(system)) as client:
        next(bursts)()  # a burst is done when all of it has been acknowledged
        until(lambda: client.figure("ingest", "tasuki_outbox_pending") > 0)
        until(lambda: client.figure("ingest", "tasuki_outbox_oldest_seconds") > 1)
        for service in ("ingest", "handoff", "metrics"):
            assert client.once(service, "GET", "/livez").status == 200
            assert client.once(service, "GET", "/readyz").status == 200
        for other in (node, node % 3 + 1):
            cluster.start(other)
        until(lambda: client.figure("ingest", "tasuki_outbox_pending") == 0, RESUMES_WITHIN_S)


def _all(cluster: Cluster, bursts: Iterator[Callable[[], None]]) -> None:
    """reliability 12: consuming goes on by itself, which the oracle finds at the end."""
    cluster.kill_all()
    next(bursts)()
    cluster.start_all()
