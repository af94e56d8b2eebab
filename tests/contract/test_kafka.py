"""Kafka keeps the contract, and what only it promises."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from struct import pack_into
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.record.util import calc_crc32c
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import connect, transaction
from shared.eventlog import kafka_same, topics
from shared.eventlog.opened import open_log
from shared.eventlog.port import Message, PositionLost, TopicPartition
from shared.events import LEADS, Undecodable, from_record
from shared.kafka import Cluster
from shared.outbox import enqueue_messages, pending
from shared.relay import Relay
from shared.seek import seek
from shared.settings import Settings
from shared.telemetry import Telemetry
from tests.conftest import private_folder
from tests.contract.log_contract import LogContract
from tests.contract.reading import FAR_OFF_S, Keeper, fetch_until, message
from tests.kafka import running_cluster, without_topics

CHECKSUM_AT = 17
"""Where a batch of records (version 2) has the checksum of all that follows it."""


@pytest.fixture(scope="module")
def broker(kafka_home: Path) -> Iterator[Cluster]:
    """A broker of this module's own."""
    with private_folder() as folder, running_cluster(folder, kafka_home, brokers=1) as cluster:
        yield cluster


@pytest.fixture
async def empty_kafka(broker: Cluster) -> str:
    """Its address; it has the topics, and nothing in them."""
    await without_topics(broker.bootstrap)
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


async def test_a_record_that_the_client_cannot_take_apart_stops_nothing(database_url: str, empty_kafka: str) -> None:
    log = await open_log(Settings(database_url=database_url, kafka_bootstrap_servers=empty_kafka))
    producer = AIOKafkaProducer(bootstrap_servers=empty_kafka)
    await producer.start()
    at = TopicPartition(LEADS, 3)
    for n in range(6):
        header = "NAME" if n in {2, 3} else "ce_id"
        batch = producer.create_batch()
        batch.append(timestamp=None, key=b"lead", value=str(n).encode(), headers=[(header, b"1")])
        _spoil(batch, b"NAME", b"\xff\xfe\xfd\xfc")
        await (await producer.send_batch(batch, LEADS, partition=at.partition))
    await producer.send_and_wait(LEADS, b"elsewhere", partition=7)
    await producer.stop()

    reader = await log.join("group", "a", [LEADS], Keeper())
    records = await fetch_until(reader, 7)
    ours = [record for record in records if record.at == at]
    assert [record.offset for record in ours] == list(range(6))
    assert [record.value for record in ours] == [b"0", b"1", None, None, b"4", b"5"]
    assert {record.value for record in records if record.at != at} == {b"elsewhere"}
    for record in ours[2:4]:
        with pytest.raises(Undecodable, match="unreadable_record: UnicodeDecodeError"):
            from_record(record)
    assert sum((await reader.lag()).values()) == 0
    assert [(r.offset, r.value) for r in await log.read(at, 0, 10)] == [(r.offset, r.value) for r in ours]
    await reader.close()
    await log.close()


async def test_positions_in_a_topic_that_was_made_anew_are_lost_however_long_it_is(
    database_url: str, empty_kafka: str
) -> None:
    """Its records before them would be left out, and nobody told. From its beginning all of it is read."""
    settings, keeper = Settings(database_url=database_url, kafka_bootstrap_servers=empty_kafka), Keeper()
    log = await open_log(settings)
    await log.append([message("lead", n) for n in range(3)])
    reader = await log.join("metrics", "a", [LEADS], keeper)
    keeper.commit(await fetch_until(reader, 3))
    await reader.close()
    await without_topics(empty_kafka)
    await topics.apply(settings)
    await log.append([message("lead", n) for n in range(5)])
    for _ in range(2):  # a restart makes it no better
        reader = await log.join("metrics", "a", [LEADS], keeper)
        with pytest.raises(PositionLost, match="was made anew"):
            await reader.fetch(10, 1)
        await reader.close()

    await seek(settings, "metrics", LEADS, None, 0)
    keeper.stored.clear()
    reader = await log.join("metrics", "a", [LEADS], keeper)
    assert len(await fetch_until(reader, 5)) == 5
    await reader.close()
    await log.close()


async def test_who_reads_is_told_that_a_topic_was_made_anew_where_its_position_is_not_there_yet(
    database_url: str, empty_kafka: str
) -> None:
    settings = Settings(database_url=database_url, kafka_bootstrap_servers=empty_kafka)
    log = await open_log(settings)
    reader = await log.join("metrics", "a", [LEADS], Keeper())
    await log.append([message("lead", n) for n in range(3)])
    await fetch_until(reader, 3)
    await without_topics(empty_kafka)
    await topics.apply(settings)
    with pytest.raises(PositionLost, match="was made anew"):
        await fetch_until(reader, 1)
    await reader.close()
    await log.close()


async def test_who_reads_learns_that_partitions_were_added(
    database_url: str, empty_kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_same, "LOOK_S", 0.1)
    log = await open_log(Settings(database_url=database_url, kafka_bootstrap_servers=empty_kafka))
    reader = await log.join("metrics", "a", [LEADS], Keeper())
    await reader.fetch(10, 0.5)
    admin = AIOKafkaAdminClient(bootstrap_servers=empty_kafka)
    await admin.start()
    await admin.create_partitions({LEADS: NewPartitions(15)})
    await admin.close()
    with pytest.raises(PositionLost, match="has 15 partitions, and only 12 are read"):
        await fetch_until(reader, 1)
    await reader.close()
    await log.close()


def _spoil(batch: Any, good: bytes, bad: bytes) -> None:
    """Have a batch written with other bytes, and a checksum that agrees with them."""
    written = bytearray(batch._build())
    if (found := written.find(good)) >= 0:
        written[found : found + len(good)] = bad
        pack_into(">I", written, CHECKSUM_AT, calc_crc32c(bytes(written[CHECKSUM_AT + 4 :])))
        batch._buffer = bytes(written)


async def test_what_kafka_will_never_take_stops_nobody_behind_it(database_url: str, empty_kafka: str) -> None:
    settings = Settings(database_url=database_url, kafka_bootstrap_servers=empty_kafka)
    log, engine = await open_log(settings), connect(settings, "relay")
    values = [b"1", b"2", bytes(5 * 1024 * 1024), b"3"]
    async with transaction(engine) as conn:
        await enqueue_messages(conn, "ingest", [Message(LEADS, "lead", (), value) for value in values])
    relay, stop = Relay(engine, "ingest", log, Telemetry("ingest", stream=io.StringIO())), asyncio.Event()
    publishing = asyncio.create_task(relay.run(stop))
    async with asyncio.timeout(FAR_OFF_S):
        while await _waiting(engine) > 1:  # noqa: ASYNC110 - the database tells
            await asyncio.sleep(0.05)
    stop.set()
    await publishing
    (at,) = [at for at, end in (await log.ends([LEADS])).items() if end]
    written = [record.value for record in await log.read(at, 0, 1000)]
    assert list(dict.fromkeys(written)) == [b"1", b"2", b"3"]
    assert await _waiting(engine) == 1, "it is kept, and its age is told"
    await log.close()
    await engine.dispose()


async def _waiting(engine: AsyncEngine) -> int:
    async with transaction(engine) as conn:
        return (await pending(conn, "ingest"))[0]
