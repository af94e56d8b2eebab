"""Several replicas of metrics share the log: killed, suspended, woken again, they all tell the same, right numbers."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.faults.client import Client
from tests.faults.inside import database, errors_logged, rows, settle
from tests.faults.load import Load
from tests.faults.on_kafka import on_kafka
from tests.faults.oracle import check, numbers
from tests.faults.recount import recount
from tests.faults.replicas import Replica
from tests.faults.watch import Watch
from tests.faults.zombie import POINTS
from tests.system import System, until


def test_reliability_8_consumers_join_and_are_killed(data_dir: Path, free_port: Callable[[], int]) -> None:
    _join_and_die(data_dir, free_port, size=1_500, seed=8, seconds=10, most_s=2)


@pytest.mark.long
def test_reliability_8_consumers_join_and_are_killed_for_minutes(data_dir: Path, free_port: Callable[[], int]) -> None:
    _join_and_die(data_dir, free_port, size=20_000, seed=9, seconds=150, most_s=6)


def _join_and_die(
    data_dir: Path, free_port: Callable[[], int], *, size: int, seed: int, seconds: float, most_s: float
) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    with on_kafka(data_dir, free_port) as (system, _), ExitStack() as stack:
        replicas = [stack.enter_context(Replica(system, "metrics", free_port())) for _ in range(2)]
        kills = 0
        with Watch(system) as watch, Load(system, size, seed) as load:
            began = time.monotonic()
            while (passed := time.monotonic() - began) < seconds:
                load.release(int(load.size * min(1.0, passed / seconds)))
                time.sleep(rng.uniform(0.5, most_s))
                replica = rng.choice(replicas)
                replica.kill()
                replica.start()
                kills += 1
        figures = check(system, load, watch)
        assert recount(system).differences == 0
        for replica in replicas:
            replica.wait_ready(system)
        _all_tell_the_same(system, replicas)
        assert errors_logged(system) == []
    print(f"\n{kills} replicas killed during {figures}")


def _all_tell_the_same(system: System, replicas: list[Replica]) -> None:
    told = []
    for port in (system.port["metrics"], *(replica.port for replica in replicas)):
        with closing(Client(system, {"metrics": port})) as client:
            told.append(numbers(client))
    assert all(one == told[0] for one in told)


def test_reliability_9_suspended_consumers_that_wake_change_nothing(
    data_dir: Path, free_port: Callable[[], int]
) -> None:
    short = {"TASUKI_CONSUMER_LEASE_S": "2", "TASUKI_STATEMENT_TIMEOUT_S": "4"}
    with on_kafka(data_dir, free_port, environment=short) as (system, _), closing(Client(system)) as client:
        with ExitStack() as stack:
            modules = [["tests.faults.zombie", point] for point in POINTS]
            zombies = [stack.enter_context(Replica(system, "metrics", free_port(), module)) for module in modules]
            _members_are(system, 2 + 2 * len(zombies))  # two consumers in each process
            _post(client, range(200))
            for zombie in zombies:
                until(lambda zombie=zombie: _state(zombie) == "T", 60, zombie.output)  # type: ignore[misc]
            settle(database(system), kafka=system.kafka)  # the others have taken over what they hold
            before = numbers(client)
            for zombie in zombies:
                zombie.send(signal.SIGCONT)
            for zombie in zombies:
                until(lambda zombie=zombie: _was_refused(zombie), 60, zombie.output)  # type: ignore[misc]
            assert numbers(client) == before
            _members_are(system, 2 + 2 * len(zombies))
            _post(client, range(200, 400))
            settle(database(system), kafka=system.kafka)
        (row,) = client.get("metrics", "/v1/kpis/calls/values?grain=all")["rows"]
        assert row["value"] == 400
        status = client.get("metrics", "/v1/status")
        assert (status["duplicates"], status["dead_lettered"]) == (0, 0)
        after = numbers(client)
        assert client.send("metrics", "POST", "/v1/rebuild").status == 200
        assert numbers(client) == after


def _post(client: Client, which: range) -> None:
    call = {"type": "call", "source": "row", "rep": "ito", "direction": "outbound", "outcome": "busy"}
    moment = {"occurred_at": "2026-02-02T00:00:00Z"}
    body = [call | moment | {"id": str(n), "lead": {"email": f"mei@row{n % 50}.co.jp"}} for n in which]
    assert client.send("ingest", "POST", "/v1/activities", body).status == 202


def _members_are(system: System, count: int) -> None:
    """Wait until the group has so many members, and each has its share."""
    statement = "select member, count(*) from log.leases where consumer_group = 'metrics' group by member"
    until(lambda: len(rows(database(system), statement)) == count)


def _was_refused(replica: Replica) -> bool:
    return "consumer_rewinds" in replica.output() or "consumer_waits" in replica.output()


def _state(replica: Replica) -> str:
    """Of its process, as Linux names it: T is stopped."""
    return Path(f"/proc/{replica.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
