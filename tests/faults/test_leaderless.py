"""A partition that has no leader holds up no other: each is published by itself."""

import asyncio
import io
from collections import Counter

import pytest

from shared.db import connect, transaction
from shared.eventlog import topics
from shared.eventlog.opened import open_log
from shared.eventlog.port import Message
from shared.events import LEADS
from shared.outbox import SHARDS, enqueue_messages
from shared.partition import partition_of
from shared.relay import Relay
from shared.settings import Settings
from shared.telemetry import Telemetry
from tests.faults.inside import rows
from tests.kafka import StartCluster

KEYS = [str(n) for n in range(200)]


@pytest.mark.long
async def test_what_has_no_leader_waits_and_the_rest_goes_on(database_url: str, kafka_cluster: StartCluster) -> None:
    """One replica of each partition: with its broker dead a third of them has no leader until it is back."""
    cluster = kafka_cluster()
    settings = Settings(
        database_url=database_url, kafka_bootstrap_servers=cluster.bootstrap, kafka_replication=1, kafka_min_isr=1
    )
    await topics.apply(settings)
    log, engine = await open_log(settings), connect(settings, "relay")
    relay, stop = Relay(engine, "ingest", log, Telemetry("ingest", stream=io.StringIO())), asyncio.Event()
    publishing = asyncio.create_task(relay.run(stop))

    async def told(n: int) -> None:
        async with transaction(engine) as conn:
            await enqueue_messages(conn, "ingest", [Message(LEADS, key, (), str(n).encode()) for key in KEYS])

    async def waiting() -> Counter[int]:
        found = await asyncio.to_thread(rows, database_url, "select shard, count(*) n from ingest.outbox group by 1")
        return Counter({row["shard"]: row["n"] for row in found})

    async def come(shards: int) -> Counter[int]:
        """What waits once it is of no more shards than these."""
        async with asyncio.timeout(120):
            while len(found := await waiting()) > shards:  # noqa: ASYNC110 - the database tells
                await asyncio.sleep(0.1)
        return found

    await told(0)
    await come(0)
    cluster.kill(1)
    for n in (1, 2, 3):
        await told(n)
        await asyncio.sleep(1)
    expected = {s: 3 * n for s, n in Counter(partition_of(key, SHARDS) for key in KEYS).items()}
    stuck = await come(SHARDS // 3)
    assert len(stuck) == SHARDS // 3
    assert all(expected[shard] == count for shard, count in stuck.items()), "all of theirs waits, in its order"
    cluster.start(1)
    await come(0)
    stop.set()
    await publishing
    for at in await log.ends([LEADS]):
        values: dict[str, list[bytes | None]] = {}
        for record in await log.read(at, 0, 10_000):
            values.setdefault(record.key or "", []).append(record.value)
        for key, found in values.items():
            assert list(dict.fromkeys(found)) == [b"0", b"1", b"2", b"3"], key
    await log.close()
    await engine.dispose()
