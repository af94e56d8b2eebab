"""reliability 23: two releases beside one another, while the newer one migrates the database under load, and back."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.schemas import newest
from tests.faults.inside import database, errors_in, rows
from tests.faults.load import Load
from tests.faults.next_release import BUSIEST, make_next_release
from tests.faults.oracle import check
from tests.faults.recount import recount
from tests.faults.replicas import Replica
from tests.system import ROOT, SERVICES, System, until

GRACE = {"TASUKI_SHUTDOWN_GRACE_S": "20"}  # on a slow machine, too, what has begun is answered


def test_reliability_23_the_next_release_beside_ours_and_back(
    database_url: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    _there_and_back(database_url, tmp_path, free_port, size=3_000, seed=23, times=1)


@pytest.mark.long
def test_reliability_23_the_next_release_beside_ours_and_back_again_and_again(
    database_url: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    _there_and_back(database_url, tmp_path, free_port, size=20_000, seed=24, times=6)


def _there_and_back(url: str, folder: Path, free_port: Callable[[], int], *, size: int, seed: int, times: int) -> None:
    following = make_next_release(folder / "next", url)
    system = System(folder / "data", free_port, {"TASUKI_DATABASE_URL": url, **GRACE})
    system.data_dir.mkdir()
    (system.data_dir / "database.url").write_text(url)  # as the private PostgreSQL does, for `inside.database`
    beside = {service: free_port() for service in SERVICES}
    both = {service: (system.port[service], beside[service]) for service in SERVICES}
    ours = [Replica(system, service, system.port[service]) for service in SERVICES]
    newer = [Replica(system, service, beside[service], root=following) for service in SERVICES]
    assert _prepare(system, ROOT).wait(60) == 0
    with ExitStack() as stack:
        _start(ours, stack)
        for replica in ours:
            replica.wait_ready(system)
        with Load(system, size, seed, balanced=both) as load:
            step = _steps(load, 4 * times + 1)
            for _ in range(times):
                _migrate(load, next(step), system, following)
                _start(newer, stack)
                _both_write(load, system, (*ours, *newer))
                _migrate(load, next(step), system, ROOT)  # ours, which leaves what is newer as it is
                _stop(load, next(step), ours)
                _start(ours, stack)
                _both_write(load, system, (*ours, *newer))
                _stop(load, next(step), newer)
            of_newer = _made_by(url, "'next'")
        figures = check(system, load)
        assert recount(system).differences == 0
        assert _made_by(url, "'next'") == of_newer, "ours has gone on alone"
        assert load.repeated["503"] == 0, "and any other 5xx fails the client"
        for replica in (*ours, *newer):
            assert errors_in(replica.output()) == []
    ((version,),) = rows(url, "select version_num from metrics.alembic_version")
    assert version > newest("metrics"), "it has been left as it is"
    print(f"\n{times} times to the next release and back during {figures}")


def _steps(load: Load, number: int) -> Iterator[int]:
    """How far the load may go in each step: it has to last, and an array may be more than was let out."""
    for left in range(number, 0, -1):
        yield load.sent + (load.size - load.sent) // left


def _prepare(system: System, root: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "shared.prepare"], cwd=root, env=system.environment)


def _migrate(load: Load, upto: int, system: System, root: Path) -> None:
    migration = _prepare(system, root)
    _sending(load, upto, lambda: migration.poll() is not None)
    assert migration.returncode == 0


def _start(replicas: Sequence[Replica], stack: ExitStack) -> None:
    for replica in replicas:
        stack.enter_context(replica)


def _stop(load: Load, upto: int, replicas: Sequence[Replica]) -> None:
    """As an operator does; the others of their kind go on."""
    for replica in replicas:
        replica.send(signal.SIGTERM)
    _sending(load, upto, lambda: all(replica.process.poll() is not None for replica in replicas))
    assert [replica.process.returncode for replica in replicas] == [0] * len(replicas)


def _both_write(load: Load, system: System, replicas: Sequence[Replica]) -> None:
    """Wait until all are ready and have their shares of the log, and then until both releases have written."""
    url = database(system)
    until(lambda: all(system.is_ready(replica.service, replica.port) for replica in replicas), 120)
    until(lambda: all(_has_a_share(url, replica) for replica in replicas), 120)
    before = {release: _made_by(url, release) for release in ("'next'", "null")}

    def moved() -> bool:
        now = {release: _made_by(url, release) for release in before}
        return all(n > m for release in before for n, m in zip(now[release], before[release], strict=True))

    _sending(load, load.size, moved, let_out=1)


def _has_a_share(url: str, replica: Replica) -> bool:
    held = "select from log.leases where consumer_group = $1 and member ~ $2"
    return bool(rows(url, held, replica.service, f":{replica.port}(\\D|$)"))


def _made_by(url: str, release: str) -> list[int]:
    """Rows that a release has written to the tables of the services."""
    which = f"made_by is not distinct from {release}"
    tables = [f"{schema}.{BUSIEST[schema]}" for schema in SERVICES]
    return [rows(url, f"select count(*) from {table} where {which}")[0][0] for table in tables]  # noqa: S608


def _sending(load: Load, upto: int, condition: Callable[[], bool], let_out: int = 5) -> None:
    """Wait until a condition holds, while the load goes on, but not beyond `upto`; so many are let out at each look."""

    def holds() -> bool:
        load.wait_done(0)  # raises what broke a worker
        load.release(min(load.sent + let_out, upto))
        return condition()

    until(holds, 120, lambda: f"{load.sent} of {load.size} sent")
