"""What all peers share: one broker with all calls on a topic, and what is right about them."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from bench.corpus import history
from bench.metrics.filling import fill_log
from bench.peers.exact import Counts, Exact
from bench.peers.programs.floor import take
from bench.peers.programs.side import Work
from bench.stage import Database, database
from shared.eventlog import topics
from shared.events import ACTIVITIES
from shared.kafka import Cluster
from shared.settings import Settings

PARTITIONS = 4
_BROKER = ["-Xmx1g", "-XX:TieredStopAtLevel=4"]
"""A broker for tests starts fast and computes slowly; here it shall be none that holds a peer back."""


class Stage(NamedTuple):
    """A broker with `events` messages on the topic of activities, and a PostgreSQL for who needs one."""

    brokers: str
    events: int
    right: Counts
    database: Database
    folder: Path

    def work(self) -> Work:
        """For a peer: in a new folder, and a group that has read nothing."""
        folder = Path(tempfile.mkdtemp(prefix="peer-", dir=self.folder))
        return Work(self.brokers, ACTIVITIES, self.events, folder, group=folder.name)


@contextmanager
def stage(events: int, seed: int) -> Iterator[Stage]:
    """All of it until the block ends. Raises BrokerError where there is no Kafka."""
    home = Settings().kafka_home
    with (
        tempfile.TemporaryDirectory(prefix="tasuki-bench-") as folder,
        Cluster(Path(folder) / "kafka", home=home, options=_BROKER) as cluster,
        database() as db,
    ):
        settings = Settings(database_url=db.url, kafka_bootstrap_servers=cluster.bootstrap, log_partitions=PARTITIONS)
        asyncio.run(topics.apply(settings))
        exact = Exact()
        fill_log(settings, exact.watch(history(events, max(1, events // 10), seed)), events)
        shared = Stage(cluster.bootstrap, events, exact.counts, db, Path(folder))
        asyncio.run(_warm_up(shared.work()))
        yield shared


async def _warm_up(work: Work) -> None:
    """Have the broker read everything once, and make its own topics for groups and transactions: the first peer shall
    not be the one that waits for this."""
    await take(work)
    producer = AIOKafkaProducer(bootstrap_servers=work.brokers, transactional_id="bench")
    await producer.start()
    await producer.stop()
