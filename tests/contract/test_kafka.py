"""Kafka keeps the contract, and what only it promises."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from shared.eventlog import topics
from shared.eventlog.opened import open_log
from shared.eventlog.port import TopicPartition
from shared.events import LEADS, TOPICS
from shared.kafka import Cluster
from shared.settings import Settings
from tests.conftest import private_folder
from tests.contract.log_contract import FAR_OFF_S, Keeper, LogContract


@pytest.fixture(scope="module")
def broker() -> Iterator[Cluster]:
    """A broker of this module's own."""
    with private_folder() as folder, Cluster(folder) as cluster:
        yield cluster


@pytest.fixture
async def empty_kafka(broker: Cluster) -> str:
    """Its address; it has the topics, and nothing in them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        await admin.delete_topics([topic for topic in TOPICS if topic in there])
        async with asyncio.timeout(FAR_OFF_S):
            while set(await admin.list_topics()) & set(TOPICS):  # noqa: ASYNC110 - the broker tells
                await asyncio.sleep(0.02)
    finally:
        await admin.close()
    await topics.apply(Settings(kafka_bootstrap_servers=broker.bootstrap))
    return broker.bootstrap


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
    async def broken(self, broker: Cluster) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        async def pause() -> None:
            broker.pause(1)

        yield pause
        broker.resume(1)


async def test_what_transactions_leave_behind_is_passed_over(database_url: str, empty_kafka: str) -> None:
    """Markers and aborted records take offsets and are no records: lag comes to 0 all the same."""
    log = await open_log(Settings(database_url=database_url, kafka_bootstrap_servers=empty_kafka))
    producer = AIOKafkaProducer(bootstrap_servers=empty_kafka, transactional_id="theirs")
    await producer.start()
    for value, kept in ((b"1", True), (b"lost", False), (b"2", True)):
        await producer.begin_transaction()
        await producer.send_and_wait(LEADS, value, key=b"lead")
        await (producer.commit_transaction() if kept else producer.abort_transaction())
    await producer.stop()

    reader = await log.join("group", "a", [LEADS], Keeper())
    values, reached = list[bytes | None](), dict[TopicPartition, int]()
    async with asyncio.timeout(FAR_OFF_S):
        while not reached or sum((await reader.lag()).values()) > 0:
            fetched = await reader.fetch(10, 1)
            values += [record.value for record in fetched.records]
            reached |= fetched.reached
    assert values == [b"1", b"2"]
    assert list(reached.values()) == [6]
    assert {end for end in (await log.ends([LEADS])).values() if end} == {6}
    await reader.close()
    await log.close()
