"""reliability 16: the disk of the database is full, first for its tables, then for its journal (WAL) too."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.faults.client import Client
from tests.faults.inside import database, outlive_claims, rows, telling_errors
from tests.faults.load import Load
from tests.faults.oracle import check
from tests.faults.small_disk import Filler, why_not
from tests.faults.watch import Watch
from tests.system import SERVICES, System, until

DISK_MIB = 384
HANGS_S = 180
"""PostgreSQL 18 may hang in a recovery for which the disk has no room: its startup process sleeps, and it neither
serves nor ends. The supervisor gives a start 120 s, then begins it anew."""
TASUKI_RUN = (sys.executable, "-m", "shared.cli", "run", *SERVICES)
BEHIND = 200  # records that metrics has to take when the disk is full: more than the room in pages that are there
_METRICS = """
select (select sum(next_offset) from log.partitions where topic <> 'tasuki.dead-letters.v1')::int
    - coalesce(sum(next_offset), 0)::int as behind,
    coalesce(sum(next_offset), 0)::int as reached, coalesce(sum(processed + duplicates), 0)::int as taken,
    coalesce(sum(processed), 0)::int - (select count(*) from metrics.events)::int as uncounted
from metrics.positions
"""
_CONDEMNED = "select from handoff.dead_letters union all select from metrics.dead_letters"


class SmallDisk(System):
    """The whole of Tasuki, all of whose data lie on a small disk."""

    def __init__(self, empty_data_dir: Path, free_port: Callable[[], int]) -> None:
        runner = ["tests.faults.small_disk", str(empty_data_dir), str(DISK_MIB)]
        super().__init__(
            empty_data_dir, free_port, command=[sys.executable, "-m", *runner, *TASUKI_RUN], patience=HANGS_S
        )

    @property
    def seen_data_dir(self) -> Path:
        return Path(f"/proc/{self.process.pid}/root{self.data_dir}")


def test_reliability_16_disk_full(empty_data_dir: Path, free_port: Callable[[], int]) -> None:
    _fill_and_free(empty_data_dir, free_port, size=2_000, times=1, seed=16)


@pytest.mark.long
def test_reliability_16_disk_full_again_and_again(empty_data_dir: Path, free_port: Callable[[], int]) -> None:
    _fill_and_free(empty_data_dir, free_port, size=6_000, times=4, seed=160)


def _fill_and_free(empty_data_dir: Path, free_port: Callable[[], int], *, size: int, times: int, seed: int) -> None:
    empty_data_dir.mkdir()
    if (reason := why_not(empty_data_dir)) is not None:
        pytest.skip(reason)
    with SmallDisk(empty_data_dir, free_port) as system, telling_errors(system):
        pids = _pids(system)
        with Watch(system) as watch, Load(system, size, seed) as load:
            for number in range(times):
                load.release((2 * number + 1) * load.size // (2 * times))
                with _full_while_metrics_is_behind(system):
                    load.release((number + 1) * load.size // times)
                    _no_room_for_tables(system)
                    _postgresql_ends_and_is_started_again(system)
                    _no_room_for_the_journal(system)
                system.wait_ready()
                outlive_claims(database(system))
            assert _pids(system) == pids
        figures = check(system, load, watch)
    print(f"\nseed {seed}: disk full {times} times during {figures}")


def _pids(system: System) -> list[list[int]]:
    return [system.processes(f"services.{service}") for service in SERVICES]


@contextmanager
def _full_while_metrics_is_behind(system: System) -> Iterator[None]:
    (metrics,) = system.processes("services.metrics")
    os.kill(metrics, signal.SIGSTOP)
    with ExitStack() as full:
        try:
            until(lambda: _of_metrics(system)["behind"] >= BEHIND, 60, lambda: f"{_of_metrics(system)}")
            rows(database(system), "select pg_switch_wal()")  # a whole new segment: the journal has room for a while
            full.enter_context(Filler(system.seen_data_dir))
        finally:
            os.kill(metrics, signal.SIGCONT)
        yield


def _of_metrics(system: System) -> Any:
    return rows(database(system), _METRICS)[0]


def _no_room_for_tables(system: System) -> None:
    """Statements fail one by one: nothing is acknowledged, and no position moves past what was not taken."""
    waited, refused = _waits(system), _refused(system)
    system.wait_for(lambda: _waits(system) >= waited + 3 and _refused(system) > refused)
    with closing(Client(system)) as client:
        for service in SERVICES:
            assert client.once(service, "GET", "/livez").status == 200, service
    found = _of_metrics(system)
    assert found["behind"] > 0
    assert found["reached"] == found["taken"]
    assert found["uncounted"] == 0
    assert rows(database(system), _CONDEMNED) == []


def _waits(system: System) -> int:
    """How often metrics' consumer has met that the database cannot serve."""
    lines = system.output().splitlines()
    return sum('"consumer_waits"' in line and "No space left" in line and '"metrics"' in line for line in lines)


def _refused(system: System) -> int:
    """How often ingest has answered 503; that it tells when to come again is seen by the load's clients."""
    return sum('"status": 503' in line and '"ingest"' in line for line in system.output().splitlines())


def _postgresql_ends_and_is_started_again(system: System) -> None:
    """Whether it can be started on a full disk is its own affair; the supervisor keeps on in either case."""
    ends = _ends(system)
    os.kill(system.postgresql(), signal.SIGKILL)
    system.wait_for(lambda: _ends(system) > ends + 1 or (_ends(system) > ends and _serves(system)), HANGS_S)


def _no_room_for_the_journal(system: System) -> None:
    """PostgreSQL gives up, and cannot be started; the services wait, and say so."""
    ends = _ends(system)

    def given_up() -> bool:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            rows(database(system), "select pg_switch_wal(), pg_logical_emit_message(true, 'disk', 'full')")
        return _ends(system) > ends and not _serves(system)

    system.wait_for(given_up, HANGS_S)
    with closing(Client(system)) as client:
        for service in SERVICES:
            ready, alive = (client.once(service, "GET", path) for path in ("/readyz", "/livez"))
            assert (ready.status, alive.status) == (503, 200), service
            assert int(ready.headers["retry-after"]) > 0


def _ends(system: System) -> int:
    """How often PostgreSQL has ended, or not come up."""
    told = ("tasuki: PostgreSQL ended", "tasuki: PostgreSQL could not be started")
    return sum(line.startswith(told) for line in system.output().splitlines())


def _serves(system: System) -> bool:
    try:
        rows(database(system), "select")
    except (OSError, asyncpg.PostgresError):
        return False
    return True
