"""Writing to Kafka: what is handed over is confirmed by all replicas in sync, partition by partition, or it raises."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.eventlog.kafka_client import kafka_errors, make_producer
from shared.eventlog.port import LogError, LogUnavailable, Message, Record, TopicPartition
from shared.settings import Settings

STOP_WITHIN_S = 2.0

Entries = Mapping[TopicPartition, Sequence[Message | Record]]


class Appender:
    """Each partition is written by itself: one without a leader holds up no other.

    What an append that ran out of time has handed over is still owed by the producer, which never gives up by itself
    (it would break the order). Nothing more is handed over to a partition before that is settled, so a long outage
    costs the memory of one append for each partition, and ends in a late second copy, which is harmless.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starting = asyncio.Lock()
        self._life: _Life | None = None
        self._last: dict[TopicPartition, asyncio.Task[None]] = {}

    async def append(self, entries: Entries) -> None:
        """Write to each partition what is for it, in that order. Raises LogUnavailable; LogError when waiting does not
        help."""
        within_s = self._settings.kafka_delivery_timeout_s
        try:
            async with asyncio.timeout(within_s):
                if owed := [self._last[at] for at in entries if at in self._last]:
                    await asyncio.wait(owed)
                writing = await self.hand_over(entries)
                await asyncio.wait(writing.values())
        except TimeoutError:
            count = sum(map(len, entries.values()))
            raise LogUnavailable(f"Kafka has not confirmed {count} records in {within_s:g} s") from None
        for written in writing.values():
            written.result()

    async def hand_over(self, entries: Entries) -> dict[TopicPartition, asyncio.Task[None]]:
        """Begin to write. Each partition's task ends when all that was for it is confirmed, or raises as `append` does;
        it comes after what was handed over for that partition before. Raises LogUnavailable."""
        async with kafka_errors(), asyncio.timeout(self._settings.kafka_delivery_timeout_s), self._starting:
            life = await self._started()
        return {at: self._begin(life, at, found) for at, found in entries.items()}

    async def close(self) -> None:
        """Let go of the connections; what is still owed may or may not be written."""
        if self._life is not None:
            await self._end(self._life, "the log is being closed")
        if self._last:
            await asyncio.wait(self._last.values())

    def _begin(self, life: "_Life", at: TopicPartition, entries: Sequence[Message | Record]) -> asyncio.Task[None]:
        writing = asyncio.create_task(self._write(life, at, entries, self._last.get(at)))
        self._last[at] = writing
        writing.add_done_callback(lambda done: self._settled(at, done))
        return writing

    def _settled(self, at: TopicPartition, done: asyncio.Task[None]) -> None:
        if self._last.get(at) is done:
            del self._last[at]
        _look_at(done)  # whoever handed it over may not wait for it any more

    async def _write(
        self,
        life: "_Life",
        at: TopicPartition,
        entries: Sequence[Message | Record],
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        sending = asyncio.create_task(_send(life.producer, at, entries))
        either: set[asyncio.Future[Any]] = {sending, life.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            sending.cancel()
            raise LogUnavailable(life.ended.result())
        try:
            sending.result()
        except LogError as error:
            # A batch that failed leaves a gap in the numbers of its partition, after which the broker would refuse the
            # next one: the producer is made anew.
            await self._end(life, f"the client was made anew after: {error}")
            raise

    async def _started(self) -> "_Life":
        if self._life is None:
            producer = make_producer(self._settings)
            try:
                await producer.start()
            except BaseException:
                await _stop(producer)
                raise
            self._life = _Life(producer)
        return self._life

    async def _end(self, life: "_Life", why: str) -> None:
        if self._life is life:
            self._life = None
        if not life.ended.done():
            life.ended.set_result(why)
            await _stop(life.producer)


class _Life:
    """A producer, until it `ended`, and why."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()


async def _send(producer: AIOKafkaProducer, at: TopicPartition, entries: Sequence[Message | Record]) -> None:
    """Returns when all is confirmed. Raises LogError."""
    async with kafka_errors():
        confirmations: list[asyncio.Future[Any]] = []
        for batch in _batches(producer, entries):
            confirmation = await producer.send_batch(batch, at.topic, partition=at.partition)
            confirmation.add_done_callback(_look_at)  # when an earlier one has failed nobody waits for it
            confirmations.append(confirmation)
        await asyncio.wait(confirmations)
        for confirmation in confirmations:
            confirmation.result()


def _look_at(done: asyncio.Future[Any]) -> None:
    """Its error is known."""
    if not done.cancelled():
        done.exception()


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop it, without waiting for brokers that are away."""
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await producer.stop()
    except TimeoutError:
        await producer.client.close()


def _batches(producer: AIOKafkaProducer, entries: Sequence[Message | Record]) -> Iterator[BatchBuilder]:
    """What is for one partition in batches, in its order."""
    batch = producer.create_batch()
    for entry in entries:
        key = None if entry.key is None else entry.key.encode()
        parts = {"key": key, "value": entry.value, "headers": list(entry.headers), "timestamp": None}
        if batch.append(**parts) is None:  # it is full
            yield batch
            batch = producer.create_batch()
            batch.append(**parts)
    batch.close()
    yield batch
