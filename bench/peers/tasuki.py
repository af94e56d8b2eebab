"""Tasuki's metrics service among its peers: as it ships, on Kafka, with the whole catalogue; a replica
for each core, as the others use all of them."""

import os

import msgspec

from bench.metrics.filling import calm
from bench.metrics.service import Taken, metrics
from bench.peers.exact import Counts, read_rows
from bench.peers.stage import Stage

_CALLS = "/v1/kpis/calls/values?grain=day&by=rep"


class _Values(msgspec.Struct):
    rows: list[dict[str, str | float]]


def run(stage: Stage, within_s: float) -> tuple[Taken, float, Counts]:
    """What it has taken since it answered first; its resident memory in MiB after that, without PostgreSQL's; and the
    calls that it tells, by day (UTC) and rep. Raises RuntimeError when it takes longer or cannot."""
    calm(stage.database)
    settings = {"kafka_bootstrap_servers": stage.brokers, "timezone": "UTC"}
    with metrics(stage.database, settings, replicas=os.cpu_count() or 1) as service:
        taken = service.follow("Tasuki", within_s)
        if not taken.records:
            raise RuntimeError("it had taken all before it answered first; give it more events")
        memory_mib = service.memory_mib()
        values = msgspec.json.decode(service.get(_CALLS), type=_Values)
        return taken, memory_mib, read_rows(values.rows)
