"""Reading Kafka as a member of a group."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError, KafkaError, OffsetOutOfRangeError

from shared.eventlog.assigned import Assigned
from shared.eventlog.kafka_client import REQUEST_TIMEOUT_S, from_kafka, kafka_errors, take_of, to_kafka, to_record
from shared.eventlog.kafka_same import SameTopics
from shared.eventlog.port import Fetched, LogUnavailable, PositionLost, Positions, Record, TopicPartition

LOOK_S = 0.2
"""How often a waiting fetch looks whether its shards have changed."""
QUIET_S = 10.0
"""A client that has given nothing for so long, although there are records, is made anew (it may stall silently)."""
STOP_WITHIN_S = 2.0

_log = logging.getLogger(__name__)


class KafkaReader:
    """The port `Reader` on Kafka."""

    def __init__(self, make: Callable[[], AIOKafkaConsumer], assigned: Assigned, same: SameTopics) -> None:
        self._make = make
        self._assigned = assigned
        self._same = same
        self._consumer: AIOKafkaConsumer | None = None
        self._in_place = False
        self._turn = 0
        self._heard_at = time.monotonic()
        self._suspected = False

    @property
    def shards(self) -> frozenset[int]:
        return self._assigned.shards

    async def fetch(self, max_records: int, wait_s: float, in_hand: Collection[int] = ()) -> Fetched:
        deadline = time.monotonic() + wait_s
        while True:
            await self._same.look()
            fresh = await self._assigned.follow(in_hand)
            left_s = deadline - time.monotonic()
            try:
                fetched = await self._fetch(fresh, max_records, max(0.0, min(LOOK_S, left_s)))
            except PositionLost:
                await self._same.look(now=True)  # which may know why
                raise
            if fetched.reached:
                self._heard_at, self._suspected = time.monotonic(), False
                return fetched
            if left_s <= 0:
                await self._look_for_a_stall()
                return Fetched((), {})

    async def _fetch(self, fresh: frozenset[TopicPartition], max_records: int, wait_s: float) -> Fetched:
        in_place, self._in_place = self._in_place, False  # what breaks off below may have moved the client on
        async with kafka_errors():
            consumer = await self._placed(fresh if in_place else frozenset(self._assigned.next))
            try:
                records = await self._take(consumer, max_records, wait_s)
            except OffsetOutOfRangeError as error:
                raise PositionLost(f"a position is not in the log any more: {error}") from error
            reached = await self._reached(consumer)
        self._in_place = True
        return Fetched(records, reached)

    async def rewind(self, shards: Collection[int]) -> None:
        self._assigned.rewind(shards)

    async def lag(self) -> Mapping[TopicPartition, int]:
        reached = dict(self._assigned.next)  # a fetch may run beside us
        if self._consumer is None or not reached:
            return {}
        async with kafka_errors():
            ends = await _ends(self._consumer, reached)
        return {at: max(0, ends[at] - position) for at, position in reached.items()}

    async def close(self) -> None:
        await self._drop()
        await self._same.close()
        await self._assigned.leave()

    async def _placed(self, fresh: frozenset[TopicPartition]) -> AIOKafkaConsumer:
        """The consumer, standing where it has to go on. fresh: partitions whose position has just been asked for."""
        consumer, positions = self._consumer, self._assigned.next
        if consumer is None:
            consumer = await self._started()
        assignment = {from_kafka(at) for at in consumer.assignment()}
        if assignment != positions.keys():
            fresh = frozenset(positions)  # an assignment forgets where it was
        if fresh:
            await self._check(consumer, {at: positions[at] for at in fresh})
        if assignment != positions.keys():
            consumer.assign([to_kafka(at) for at in positions])
        for at in fresh:
            consumer.seek(to_kafka(at), positions[at])
        return consumer

    async def _take(self, consumer: AIOKafkaConsumer, max_records: int, wait_s: float) -> Sequence[Record]:
        """What has come, at most `max_records`: a share of each partition, then more of those that have more."""
        positions = self._assigned.next
        if not positions:
            await asyncio.sleep(wait_s)
            return ()
        at = list(positions)
        self._turn = (self._turn + 1) % len(at)
        share = max(1, max_records // len(at))
        try:
            found = await consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=min(share, max_records))
        except (KafkaError, ConsumerStoppedError):
            raise
        except Exception:  # of one record: `take_of` will find it
            return await self._take_of_each(consumer, share)
        records = [to_record(record) for of_one in found.values() for record in of_one]
        in_turn = at[self._turn :] + at[: self._turn]
        for most in (share, max_records) if records else ():
            for partition in in_turn:
                if (room := max_records - len(records)) > 0:
                    records += await take_of(consumer, partition, min(most, room), 0)
        return records

    async def _take_of_each(self, consumer: AIOKafkaConsumer, share: int) -> list[Record]:
        """From each partition again where it stood, one after the other."""
        positions = self._assigned.next
        for at, position in positions.items():
            consumer.seek(to_kafka(at), position)
        ends, records = await _ends(consumer, positions), list[Record]()
        for at, position in positions.items():
            if position < ends[at]:
                records += await take_of(consumer, at, share, REQUEST_TIMEOUT_S)
        return records

    async def _reached(self, consumer: AIOKafkaConsumer) -> Positions:
        """Where the client has moved on, by records or by what it passes over."""
        positions = self._assigned.next
        now = {at: await consumer.position(to_kafka(at)) for at in positions}
        moved = {at: position for at, position in now.items() if position != positions[at]}
        positions.update(moved)
        return moved

    async def _check(self, consumer: AIOKafkaConsumer, positions: Positions) -> None:
        """Raises PositionLost when a position lies outside what the log holds: nothing is skipped in silence."""
        first = await consumer.beginning_offsets([to_kafka(at) for at in positions])
        ends = await _ends(consumer, positions)
        for at, position in positions.items():
            if position < first[to_kafka(at)]:
                raise PositionLost(
                    f"{at.topic}/{at.partition}: offset {position} is gone, the first is {first[to_kafka(at)]}"
                )
            if position > ends[at]:
                raise PositionLost(f"{at.topic}/{at.partition}: position {position} is beyond the end {ends[at]}")

    async def _look_for_a_stall(self) -> None:
        """Raises LogUnavailable, and drops the client, when records are there and none come."""
        if time.monotonic() - self._heard_at < QUIET_S:
            return
        lag = sum((await self.lag()).values())
        if lag == 0:
            self._heard_at, self._suspected = time.monotonic(), False
            return
        if not self._suspected:  # they may have come just now
            self._suspected = True
            return
        await self._drop()
        self._heard_at, self._suspected = time.monotonic(), False
        raise LogUnavailable(f"Kafka has {lag} records and gave none for {QUIET_S:g} s: the client is made anew")

    async def _started(self) -> AIOKafkaConsumer:
        consumer = self._make()
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        return consumer

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await consumer.stop()
        except TimeoutError:
            _log.warning("a Kafka client did not stop in time")


async def _ends(consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    found = await consumer.end_offsets([to_kafka(at) for at in partitions])
    return {from_kafka(at): end for at, end in found.items()}
