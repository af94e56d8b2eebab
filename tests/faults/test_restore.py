"""reliability 24: an older database comes back from a dump. The embedded log is in it, together with the positions;
Kafka is not: what came since is taken from it again."""

import asyncio
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.db import dsn
from shared.eventlog import topics
from shared.postgres import PrivatePostgres
from shared.postgres.install import find_install
from shared.settings import Settings
from tests.faults.client import Client
from tests.faults.inside import logged, settle
from tests.faults.oracle import numbers
from tests.faults.services import running
from tests.kafka import StartCluster

BEFORE, AFTER, LATER = range(200), range(200, 400), range(400, 500)
CALL = {"source": "restored", "type": "call", "direction": "outbound", "outcome": "conversation", "duration_s": 60}


def call(n: int) -> dict[str, Any]:
    moment = f"2026-02-{1 + n % 28:02}T{n % 24:02}:00:00Z"
    return CALL | {
        "id": f"c{n}",
        "occurred_at": moment,
        "rep": f"rep{n % 5}",
        "lead": {"email": f"mei@firm{n % 60}.co.jp"},
    }


def post(client: Client, wanted: range) -> list[str]:
    """What was answered to each."""
    found: list[str] = []
    for start in range(wanted.start, wanted.stop, 20):
        calls = [call(n) for n in range(start, start + 20)]
        reply = client.send("ingest", "POST", "/v1/activities", calls)
        assert reply.status == 202, reply
        found += [result["status"] for result in reply.body["results"]]
    return found


def tool(name: str, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([find_install().program(name), *arguments])


@pytest.mark.long
def test_reliability_24_an_older_database_is_restored(
    database_url: str, empty_database_url: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    _dump_and_restore(database_url, empty_database_url, tmp_path, free_port)


@pytest.mark.long
def test_reliability_24_an_older_database_is_restored_on_another_server(
    database_url: str, empty_data_dir: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Its clock of transactions is another, which sums that are kept up to date go by."""
    with PrivatePostgres(empty_data_dir) as other_url:
        _dump_and_restore(database_url, other_url, tmp_path, free_port)


def test_reliability_24_the_positions_of_an_older_database_win_over_kafka(
    database_url: str,
    empty_database_url: str,
    tmp_path: Path,
    free_port: Callable[[], int],
    kafka_cluster: StartCluster,
) -> None:
    kafka = kafka_cluster(brokers=1).bootstrap
    asyncio.run(topics.apply(Settings(kafka_bootstrap_servers=kafka)))
    dump, named = tmp_path / "dump", {"TASUKI_KAFKA_BOOTSTRAP_SERVERS": kafka}
    with (
        running(tmp_path / "first", free_port, database_url, **named) as services,
        closing(Client(services.system)) as client,
    ):
        post(client, BEFORE)
        settle(database_url, kafka=kafka)
        assert tool("pg_dump", "--format=custom", f"--file={dump}", dsn(database_url)).wait() == 0
        post(client, AFTER)
        settle(database_url, kafka=kafka)
        then = numbers(client)
    assert tool("pg_restore", "--exit-on-error", f"--dbname={dsn(empty_database_url)}", str(dump)).wait() == 0

    with (
        running(tmp_path / "second", free_port, empty_database_url, **named) as services,
        closing(Client(services.system)) as client,
    ):
        settle(empty_database_url, kafka=kafka)
        assert numbers(client) == then, "nobody has sent anything again"
        answers = post(client, AFTER)  # ingest has forgotten them; who sends them again does no harm
        assert answers == ["accepted"] * len(AFTER)
        settle(empty_database_url, kafka=kafka)
        assert numbers(client) == then
        status = client.get("metrics", "/v1/status")
        assert (status["duplicates"], status["dead_lettered"]) == (len(AFTER), 0)


def _dump_and_restore(url: str, other_url: str, folder: Path, free_port: Callable[[], int]) -> None:
    dump = folder / "dump"
    with running(folder / "first", free_port, url) as services, closing(Client(services.system)) as client:
        post(client, BEFORE)
        dumping = tool("pg_dump", "--format=custom", f"--file={dump}", dsn(url))
        post(client, AFTER)  # the dump shows some moment in the middle of this
        assert dumping.wait() == 0
        settle(url)
        then = numbers(client)
    restoring = tool("pg_restore", "--exit-on-error", f"--dbname={dsn(other_url)}", str(dump))
    assert restoring.wait() == 0

    with running(folder / "second", free_port, other_url) as services, closing(Client(services.system)) as client:
        settle(other_url)
        known = {event.identity for event in logged(other_url) if event.source == "restored"}
        assert {("restored", f"c{n}") for n in BEFORE} <= known
        assert _calls(client) == len(known), "what the older database holds, and nothing else"
        live = numbers(client)
        assert client.send("metrics", "POST", "/v1/rebuild").status == 200
        assert numbers(client) == live

        answers = post(client, range(BEFORE.start, AFTER.stop))  # their sources send all again
        assert answers.count("accepted") == len(BEFORE) + len(AFTER) - len(known)
        settle(other_url)
        assert numbers(client) == then
        post(client, LATER)
        settle(other_url)
        assert _calls(client) == len(BEFORE) + len(AFTER) + len(LATER)
        assert client.get("metrics", "/v1/status")["dead_lettered"] == 0
        for service in ("ingest", "handoff", "metrics"):
            assert client.get(service, "/livez") == "ok\n"


def _calls(client: Client) -> int:
    found = client.get("metrics", "/v1/kpis/calls/values?grain=all&where=source:restored")["rows"]
    return int(sum(row["value"] for row in found))
