"""The log on Apache Kafka.

What the port promises comes from: acks=all with a minimum of replicas in sync (`topics`), an idempotent producer whose
unsettled records are waited for (`kafka_appender`), positions in the handler's database and partitions that are
assigned by hand (`kafka_reader`), by the same groups as those of the embedded log (`group`): see decision 10.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Self

from aiokafka import AIOKafkaConsumer
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import connect
from shared.eventlog import topics
from shared.eventlog.assigned import Assigned
from shared.eventlog.group import Membership, log_errors
from shared.eventlog.kafka_appender import Appender
from shared.eventlog.kafka_client import from_kafka, kafka_errors, make_consumer, take_of, to_kafka
from shared.eventlog.kafka_reader import KafkaReader
from shared.eventlog.kafka_same import SameTopics
from shared.eventlog.port import LogError, LogUnavailable, Message, PositionKeeper, Positions, Record, TopicPartition
from shared.notify import Notices
from shared.partition import partition_of
from shared.settings import Settings

POOL_SIZE = 3
READ_WAIT_S = 5.0

_log = logging.getLogger(__name__)


class KafkaLog:
    """The port `EventLog` on Kafka. It connects when it is first used, so that a service can start, and take what is
    told it, while Kafka is away."""

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine
        self._notices = Notices(engine)
        self._appender = Appender(settings)
        self._partitions: int | None = None
        self._checking = asyncio.Lock()
        self._looker: AIOKafkaConsumer | None = None
        self._looking = asyncio.Lock()
        self._reading = asyncio.Lock()

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Look whether the topics are there. Raises LogError when they are not as they must be; a Kafka that cannot be
        reached is no error here."""
        log = cls(settings, connect(settings, "log", pool_size=POOL_SIZE))
        try:
            await log._topics_checked()
        except LogUnavailable as error:
            _log.warning("Kafka cannot be reached yet: %s", error)
        except BaseException:
            await log.close()
            raise
        return log

    @property
    def partitions(self) -> int:
        if self._partitions is None:
            raise LogUnavailable("Kafka has not been reached yet")
        return self._partitions

    @property
    def by_key(self) -> bool:
        return False  # whoever may write to the topics divides as they like

    async def append(self, messages: Sequence[Message]) -> None:
        if messages:
            await self._appender.append(_divided(messages, await self._topics_checked()))

    async def hand_over(self, messages: Sequence[Message]) -> Sequence[asyncio.Future[None]]:
        partitions = await self._topics_checked()
        written = await self._appender.hand_over(_divided(messages, partitions))
        return [written[_place(message, partitions)] for message in messages]

    async def copy(self, records: Mapping[TopicPartition, Sequence[Record]]) -> None:
        """Write records of another log to the same partitions (for `moving`). Raises LogUnavailable."""
        await self._appender.append(records)

    async def join(self, group: str, member: str, topics: Sequence[str], keeper: PositionKeeper) -> KafkaReader:
        partitions = await self._topics_checked()
        membership = Membership(self._engine, self._notices, group, member, partitions, self._settings.consumer_lease_s)
        assigned = Assigned(membership, keeper, _all_of(topics, partitions))
        async with log_errors():
            await membership.join()
        same = SameTopics(self._settings, self._engine, group, topics, partitions)
        return KafkaReader(lambda: make_consumer(self._settings), assigned, same)

    async def ends(self, topics: Sequence[str]) -> Positions:
        partitions = await self._topics_checked()
        async with kafka_errors():
            consumer = await self._look()
            found = await consumer.end_offsets([to_kafka(at) for at in _all_of(topics, partitions)])
        return {from_kafka(at): end for at, end in found.items()}

    async def read(self, at: TopicPartition, offset: int, max_records: int) -> Sequence[Record]:
        if at not in _all_of([at.topic], await self._topics_checked()):
            raise LogError(f"the log has no partition {at.partition} of topic {at.topic}")
        partition, records = to_kafka(at), list[Record]()
        async with kafka_errors(), asyncio.timeout(READ_WAIT_S), self._reading:
            consumer = await self._look()
            end = (await consumer.end_offsets([partition]))[partition]
            consumer.assign([partition])
            consumer.seek(partition, offset)
            while len(records) < max_records and await consumer.position(partition) < end:
                records += await take_of(consumer, at, max_records - len(records), 0.2)
            consumer.pause(partition)  # else it would go on asking for more
        return records

    async def close(self) -> None:
        await self._appender.close()
        if self._looker is not None:
            await self._looker.stop()
        await self._notices.close()
        await self._engine.dispose()

    async def _topics_checked(self) -> int:
        """The number of partitions; all topics are looked at once in the life of a process."""
        if self._partitions is None:
            async with self._checking:
                if self._partitions is None:
                    self._partitions = await topics.check(self._settings)
        return self._partitions

    async def _look(self) -> AIOKafkaConsumer:
        """A consumer that only looks, shared by all that ask."""
        async with self._looking:
            if self._looker is None:
                consumer = make_consumer(self._settings)
                try:
                    await consumer.start()
                except BaseException:
                    await consumer.stop()
                    raise
                self._looker = consumer
        return self._looker


def _divided(messages: Sequence[Message], partitions: int) -> dict[TopicPartition, list[Message]]:
    divided: dict[TopicPartition, list[Message]] = {}
    for message in messages:
        divided.setdefault(_place(message, partitions), []).append(message)
    return divided


def _place(message: Message, partitions: int) -> TopicPartition:
    return TopicPartition(message.topic, partition_of(message.key, partitions))


def _all_of(topics: Sequence[str], partitions: int) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(topic, p) for topic in topics for p in range(partitions))
