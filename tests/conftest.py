"""Fixtures for all tests: real PostgreSQL and Kafka, fresh databases, free ports, a whole running system."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.db import dsn
from shared.kafka import Cluster
from shared.migrate import migrate
from shared.postgres import PrivatePostgres
from tests.kafka import StartCluster, require_kafka, running_cluster
from tests.needs import say_what_did_not_run
from tests.system import SERVICES, System


@contextmanager
def private_folder() -> Iterator[Path]:
    """For what runs PostgreSQL. Not pytest's own: a second pytest would shut those to the server's user meanwhile."""
    with tempfile.TemporaryDirectory(prefix="tasuki-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL for the whole session, to make databases on: TASUKI_DATABASE_URL if set, else a private one."""
    given = os.environ.get("TASUKI_DATABASE_URL")
    if given:
        yield given
        return
    with private_folder() as folder, PrivatePostgres(folder) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A fresh database without any schema."""
    yield from _database(postgres_url)


@pytest.fixture(scope="session")
def _template(postgres_url: str) -> Iterator[str]:
    for url in _database(postgres_url):
        migrate(url)
        yield urlsplit(url).path[1:]


@pytest.fixture
def database_url(postgres_url: str, _template: str) -> Iterator[str]:
    """A fresh, migrated database for one test."""
    yield from _database(postgres_url, _template)


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str, _template: str) -> Iterator[str]:
    """A fresh, migrated database for the tests of one module."""
    yield from _database(postgres_url, _template)


@pytest.fixture
def emptied_database_url(module_database_url: str) -> str:
    """The module's database, with nothing in the services' tables and keys: making one for each test takes longer."""
    asyncio.run(_empty(module_database_url))
    return module_database_url


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(dsn(url))
    try:
        statements = await connection.fetchval(
            "select string_agg(format('delete from %I.%I', schemaname, tablename), ';') from pg_tables"
            " where schemaname in ('ingest', 'handoff', 'outreach', 'access')"
            " and tablename not in ('alembic_version', 'runs_with')"
        )
        # Of so few rows faster than truncate, which makes new files; the order does not matter without foreign keys.
        await connection.execute(f"set session_replication_role = replica; {statements}")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def kafka_home() -> Path:
    """Folder of Kafka's program, for tests that start brokers of their own."""
    return require_kafka()


@pytest.fixture(scope="session")
def kafka(kafka_home: Path) -> Iterator[str]:
    """A Kafka of one broker for the whole session, to make topics on: its bootstrap servers."""
    with private_folder() as folder, running_cluster(folder, kafka_home, brokers=1) as cluster:
        yield cluster.bootstrap


@pytest.fixture
def kafka_cluster(kafka_home: Path) -> Iterator[StartCluster]:
    """Starts a cluster of one test's own, of three brokers unless told otherwise; takes what `Cluster` takes."""
    with ExitStack() as stack:

        def start(brokers: int = 3, **more: Any) -> Cluster:
            folder = stack.enter_context(private_folder())
            return stack.enter_context(running_cluster(folder, kafka_home, brokers=brokers, **more))

        yield start


_LONGEST_FIRST = ("faults", "journeys", "metrics", "contract", "console")
"""Folders whose files take longest: what begins late ends late, and then one worker goes on alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pytest's hook for the order of tests; that within a file stays. xdist hands files out in this order."""
    ranks = {folder: rank for rank, folder in enumerate(_LONGEST_FIRST)}
    here = Path(__file__).parent
    items.sort(key=lambda item: ranks.get(item.path.relative_to(here).parts[0], len(ranks)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Pytest's hook for its last lines."""
    say_what_did_not_run(terminalreporter)


@pytest.fixture
def empty_data_dir() -> Iterator[Path]:
    """A data folder of one test's own, that does not exist yet."""
    with private_folder() as folder:
        yield folder / "data"


@pytest.fixture(scope="session")
def prepared_folder() -> Iterator[Path]:
    """A data folder as `tasuki run` leaves it: a cluster with all schemas. Copying it costs a tenth of making one."""
    with private_folder() as folder:
        with PrivatePostgres(folder / "data") as url:
            environment = os.environ | {"TASUKI_DATABASE_URL": url, "TASUKI_ADMIN_KEY": secrets.token_hex(16)}
            subprocess.run([sys.executable, "-m", "shared.prepare"], env=environment, check=True)
        yield folder / "data"


@pytest.fixture
def data_dir(prepared_folder: Path) -> Iterator[Path]:
    """A data folder of one test's own, in which a system once ran."""
    with private_folder() as folder:
        copy_folder(prepared_folder, folder / "data")
        yield folder / "data"


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with owners and rights."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port that nobody listens on, each once: who asked for one may not listen on it yet. Tests that run beside
    these (pytest-xdist) are given others."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ours = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % workers  # a worker that died is followed by gw2
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            # by halves, since Linux gives odd ports before even ones
            if port // 2 % workers == ours and port not in given:
                given.add(port)
                return port

    return find


@pytest.fixture(scope="module")
def system(prepared_folder: Path, free_port: Callable[[], int], request: pytest.FixtureRequest) -> Iterator[System]:
    """Tasuki, started as a user starts it, shared by the tests of one module. A module whose tests want other services
    than those that a System runs by itself names them as `RUNS`."""
    with private_folder() as folder:
        copy_folder(prepared_folder, folder / "data")
        with System(folder / "data", free_port, services=getattr(request.module, "RUNS", SERVICES)) as running:
            yield running


def _database(server_url: str, template: str = "template1") -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(_execute(server_url, f'create database "{name}" template "{template}"'))
    yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    asyncio.run(_execute(server_url, f'drop database "{name}" with (force)'))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """Hypothesis calls a test many times; all of them share this loop, and so the connections of an engine."""
    with asyncio.Runner() as running:
        yield running
