"""Kafka keeps the contract, and what only it promises."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from shared.eventlog import topics
from shared.events import TOPICS
from shared.settings import Settings
from tests.contract.log_contract import LogContract


@pytest.fixture
async def empty_kafka() -> AsyncIterator[str]:
    """Brokers with the topics, and nothing in them."""
    bootstrap = "127.0.0.1:19092"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        await admin.delete_topics([topic for topic in TOPICS if topic in there])
        while set(await admin.list_topics()) & set(TOPICS):
            await asyncio.sleep(0.02)
    finally:
        await admin.close()
    await topics.apply(Settings(kafka_bootstrap_servers=bootstrap))
    yield bootstrap


class TestKafka(LogContract):
    @pytest.fixture
    def settings(self, database_url: str, empty_kafka: str) -> Settings:
        return Settings(
            database_url=database_url,
            kafka_bootstrap_servers=empty_kafka,
            consumer_lease_s=2,
            kafka_delivery_timeout_s=3,
        )

    @pytest.fixture
    async def broken(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        pid = int(open("/tmp/k/pid").read())

        async def stop() -> None:
            os.kill(pid, signal.SIGSTOP)

        yield stop
        os.kill(pid, signal.SIGCONT)
