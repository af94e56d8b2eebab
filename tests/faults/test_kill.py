"""SIGKILL at random moments of a load: nothing acknowledged is lost, nothing is counted twice."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.inside import database, errors_logged, outlive_claims, telling_errors
from tests.faults.load import Load
from tests.faults.oracle import check
from tests.faults.rebuilds import Rebuilds
from tests.faults.watch import Watch
from tests.system import System

VICTIMS = {
    "ingest": "services.ingest",
    "handoff": "services.handoff",
    "metrics": "services.metrics",
    "PostgreSQL": "bin/postgres",
}


def test_kills_during_a_load(data_dir: Path, free_port: Callable[[], int]) -> None:
    _kills(data_dir, free_port, size=3_000, times=2, seed=3, wait_for_claims=False)


@pytest.mark.long
@pytest.mark.parametrize("seed", [20, 21])
def test_kills_during_a_load_of_20_000_events(data_dir: Path, free_port: Callable[[], int], seed: int) -> None:
    _kills(data_dir, free_port, size=20_000, times=6, seed=seed, wait_for_claims=True)


def _kills(
    data_dir: Path, free_port: Callable[[], int], *, size: int, times: int, seed: int, wait_for_claims: bool
) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    victims = [name for name in VICTIMS for _ in range(times)]
    rng.shuffle(victims)
    with System(data_dir, free_port) as system, telling_errors(system):
        began = time.monotonic()
        with Watch(system) as watch:
            with Rebuilds(system) as rebuilds, Load(system, size, seed) as load:
                burst = load.size // (len(victims) + 1)
                for number, victim in enumerate(victims):
                    load.release((number + 1) * burst)
                    load.wait_done(number * burst + rng.randrange(burst // 2))
                    _kill(system, victim, after_s=rng.uniform(0, 0.15))
                    if not wait_for_claims:
                        system.wait_ready()
                        outlive_claims(database(system))
            figures = check(system, load, watch)
        assert rebuilds.done > 0
        for name in VICTIMS:
            assert _deaths_told(system, name) >= times, name
        assert errors_logged(system) == []
        took = time.monotonic() - began
        print(f"\nseed {seed}: {len(victims)} kills during {figures}; {rebuilds.done} rebuilds; {took:.0f} s")


def _kill(system: System, victim: str, after_s: float) -> None:
    """SIGKILL as soon as `after_s` is over and there is a process: it may have come back a moment ago."""
    time.sleep(after_s)
    system.wait_for(lambda: system.processes(VICTIMS[victim]) != [])
    pids = system.processes(VICTIMS[victim])
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    system.wait_for(lambda: not set(pids) & set(system.processes()))


def _deaths_told(system: System, victim: str) -> int:
    """How often the supervisor has said that it was killed, while it served or while it started."""
    lines = system.output().splitlines()
    return sum(line.startswith(f"tasuki: {victim} ") and "killed by SIGKILL" in line for line in lines)
