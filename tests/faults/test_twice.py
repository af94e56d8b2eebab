"""All of a log is consumed twice, since the positions were set back: not one cell changes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.eventlog import topics
from shared.settings import Settings
from tests.faults.client import Client
from tests.faults.inside import rows
from tests.faults.on_kafka import fill
from tests.faults.services import Services
from tests.kafka import StartCluster
from tests.system import ROOT, System, tasuki, until

CELLS = """
select count(*), md5(string_agg(c::text, chr(10) order by c::text))
from (
    select day, dimensions, hour, value, sum(n) as n, sum(total) as total
    from (select * from metrics.cells union all select * from metrics.cells_2) entered group by 1, 2, 3, 4
) c where n <> 0 or total <> 0
"""
"""Of both sides: one of them is shown, the other empty."""


@pytest.mark.long
@pytest.mark.parametrize("count", [20_000, 1_000_000])
def test_events_consumed_twice_make_the_same_cells(
    tmp_path: Path, database_url: str, free_port: Callable[[], int], kafka_cluster: StartCluster, count: int
) -> None:
    kafka = kafka_cluster(brokers=1).bootstrap
    asyncio.run(topics.apply(Settings(kafka_bootstrap_servers=kafka)))
    named = {"TASUKI_DATABASE_URL": database_url, "TASUKI_KAFKA_BOOTSTRAP_SERVERS": kafka}
    services = Services(System(tmp_path / "data", free_port, named), database_url)
    subprocess.run([sys.executable, "-m", "shared.prepare"], cwd=ROOT, env=services.system.environment, check=True)
    fill(database_url, kafka, count)
    try:
        services.start("metrics")
        with closing(Client(services.system)) as client:
            first_s = _taken(client, count)
            once = _told(client), [tuple(row) for row in rows(database_url, CELLS)]
            beyond = tasuki(services.system, "log", "seek", "metrics", str(count + 1))
            assert (beyond.returncode, f"{count + 1} is beyond it" in beyond.stderr) == (1, True)
            assert tasuki(services.system, "log", "seek", "metrics", "0").returncode == 0
            second_s = _taken(client, count)
            assert (_told(client), [tuple(row) for row in rows(database_url, CELLS)]) == once
            status = client.get("metrics", "/v1/status")
        assert (status["processed"], status["duplicates"], status["dead_lettered"]) == (count, count, 0)
        assert sum(row["value"] for row in once[0]) == count
    finally:
        services.kill()
    print(f"\n{count} events: {count / first_s:,.0f} a second, then {count / second_s:,.0f} a second as duplicates")


def _taken(client: Client, count: int) -> float:
    """Wait until nothing is left in the log; the seconds that it took."""
    began = time.monotonic()
    until(lambda: client.get("metrics", "/v1/status")["lag"] == 0, 60 + count / 1000)
    return time.monotonic() - began


def _told(client: Client) -> list[dict[str, Any]]:
    path = "/v1/kpis/calls/values?grain=day&by=rep,hour"
    found: list[dict[str, Any]] = client.get("metrics", path)["rows"]
    return found
