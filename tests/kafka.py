"""A real Kafka for tests."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from shared.events import TOPICS
from shared.kafka import DEFAULT_HOME, BrokerError, Cluster
from shared.kafka.install import find_install
from tests.needs import require
from tests.system import ROOT

StartCluster = Callable[..., Cluster]


def require_kafka() -> Path:
    """Folder of Kafka's program, as deploy/kafka/install.sh has filled it; skips or fails where it is not there."""
    home = Path(os.environ.get("TASUKI_KAFKA_HOME", ROOT / DEFAULT_HOME))
    try:
        find_install(home)
    except BrokerError as error:
        require("Kafka", str(error))
    return home


@contextmanager
def running_cluster(folder: Path, home: Path, *, brokers: int, **more: Any) -> Iterator[Cluster]:
    """A running cluster, ended by SIGKILL: nobody needs its data afterwards. `more` is what `Cluster` takes."""
    cluster = Cluster(folder, brokers, home=home, **more)
    cluster.start_all()
    try:
        yield cluster
    finally:
        cluster.kill_all()


async def without_topics(bootstrap: str) -> None:
    """Take our topics from a broker, with all that is in them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        await admin.delete_topics([topic for topic in TOPICS if topic in there])
        async with asyncio.timeout(60):
            while set(await admin.list_topics()) & set(TOPICS):  # noqa: ASYNC110 - the broker tells
                await asyncio.sleep(0.02)
    finally:
        await admin.close()
