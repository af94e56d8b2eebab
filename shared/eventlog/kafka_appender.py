"""Writing to Kafka: all of an append is confirmed by all replicas in sync, or it raises."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.eventlog.kafka_client import kafka_errors, make_producer
from shared.eventlog.port import LogUnavailable, Message, Record, TopicPartition
from shared.settings import Settings

STOP_WITHIN_S = 2.0


class Appender:
    """One append at a time; what an append that ran out of time has handed over is still owed by the producer, which
    never gives up by itself (it would break the order). Nothing new is handed over before that is settled, so a long
    outage costs the memory of one append, and ends in a late second copy of its messages, which is harmless."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None
        self._owed: set[asyncio.Future[object]] = set()

    async def append(self, entries: Mapping[TopicPartition, Sequence[Message | Record]]) -> None:
        """Write to each partition what is for it, in that order. Raises LogUnavailable; LogError when waiting does not
        help."""
        within_s = self._settings.kafka_delivery_timeout_s
        async with kafka_errors():
            try:
                async with asyncio.timeout(within_s), self._lock:
                    await self._settle()
                    await self._hand_over(entries)
                    await self._settle()
            except TimeoutError:
                count = sum(map(len, entries.values()))
                raise LogUnavailable(f"Kafka has not confirmed {count} records in {within_s:g} s") from None

    async def close(self) -> None:
        """Let go of the connections; what is still owed may or may not be written."""
        await self._drop()

    async def _hand_over(self, entries: Mapping[TopicPartition, Sequence[Message | Record]]) -> None:
        producer = await self._started()
        for round_ in zip_longest(*(_batches(producer, at, found) for at, found in entries.items())):
            for at, batch in filter(None, round_):
                self._owed.add(await producer.send_batch(batch, at.topic, partition=at.partition))

    async def _settle(self) -> None:
        """Wait for all that is owed. A batch that failed leaves a gap in the numbers of its partition, after which the
        broker would refuse the next one: then the producer is made anew."""
        if not self._owed:
            return
        await asyncio.wait(self._owed)
        failures = [error for future in self._owed if (error := future.exception()) is not None]
        self._owed.clear()
        if failures:
            await self._drop()
            raise failures[0]

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = make_producer(self._settings)
            try:
                await producer.start()
            except BaseException:
                await _stop(producer)
                raise
            self._producer = producer
        return self._producer

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop it, without waiting for brokers that are away."""
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await producer.stop()
    except TimeoutError:
        await producer.client.close()


def _batches(
    producer: AIOKafkaProducer, at: TopicPartition, entries: Sequence[Message | Record]
) -> Iterator[tuple[TopicPartition, BatchBuilder]]:
    """What is for one partition in batches, in its order."""
    batch = producer.create_batch()
    for entry in entries:
        key = None if entry.key is None else entry.key.encode()
        parts = {"key": key, "value": entry.value, "headers": list(entry.headers), "timestamp": None}
        if batch.append(**parts) is None:  # it is full
            yield at, batch
            batch = producer.create_batch()
            batch.append(**parts)
    batch.close()
    yield at, batch
