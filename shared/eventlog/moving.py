"""Moves the embedded log to Kafka, so that every record keeps its topic, partition and offset: then all positions and
coordinates stay right, and nothing is taken twice or left out.

Most is copied while the log is in use; the rest, and the note that it has moved, while nothing can be appended. What is
copied is read back and compared. Whatever breaks off, the next run goes on from what Kafka holds.
"""

from collections.abc import Callable
from typing import NamedTuple

from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.kafka import KafkaLog
from shared.eventlog.port import LogError, Positions, Record, TopicPartition
from shared.events import TOPICS
from shared.settings import Settings

CHUNK = 1000
"""Records that are copied at once; they and their headers fit into one append of Kafka."""
NEARLY = 10_000
"""So few records may be left for the time in which nothing can be appended."""

Told = Callable[[int, int], None]
"""Records copied or compared so far, and how many that will be."""


class Moved(NamedTuple):
    """What has been moved."""

    records: int
    partitions: int


async def move(settings: Settings, told: Told) -> Moved:
    """Move the log of the settings' database to their Kafka, whose topics must be there and hold nothing else.

    Raises LogUnavailable (run it again), LogError (Kafka holds other records, or has other partitions).
    """
    embedded = await EmbeddedLog.open(settings)
    try:
        kafka = await KafkaLog.open(settings)
        try:
            return await _Move(embedded, kafka, told).run()
        finally:
            await kafka.close()
    finally:
        await embedded.close()


class _Move:
    def __init__(self, embedded: EmbeddedLog, kafka: KafkaLog, told: Told) -> None:
        self._embedded = embedded
        self._kafka = kafka
        self._told = told
        self._done = 0
        self._compared: dict[TopicPartition, int] = {}

    async def run(self) -> Moved:
        if self._kafka.partitions != self._embedded.partitions:
            raise LogError(
                f"the log has {self._embedded.partitions} partitions, Kafka's topics have {self._kafka.partitions}: "
                f"make them anew with TASUKI_LOG_PARTITIONS={self._embedded.partitions}"
            )
        ends = await self._embedded.ends(TOPICS)
        while sum(ends.values()) - sum((await self._kafka.ends(TOPICS)).values()) > NEARLY:
            await self._copy(ends)
            await self._compare(ends)
            ends = await self._embedded.ends(TOPICS)
        async with self._embedded.closing():
            ends = await self._embedded.ends(TOPICS)
            await self._copy(ends)
            await self._compare(ends)
        return Moved(sum(ends.values()), len(ends))

    async def _copy(self, ends: Positions) -> None:
        for at, reached in (await self._kafka.ends(TOPICS)).items():
            if reached > ends[at]:
                raise LogError(f"Kafka holds more of {at.topic}/{at.partition} than the log: {reached} to {ends[at]}")
            while reached < ends[at]:
                records = await self._embedded.read(at, reached, CHUNK)
                await self._kafka.copy({at: records})
                reached += len(records)
                self._tell(len(records), ends)

    async def _compare(self, ends: Positions) -> None:
        if await self._kafka.ends(TOPICS) != ends:
            raise LogError("Kafka's topics end elsewhere than the log: somebody else writes to them")
        for at, end in ends.items():
            reached = self._compared.get(at, 0)
            while reached < end:
                ours = await self._embedded.read(at, reached, CHUNK)
                theirs = await self._kafka.read(at, reached, len(ours))
                if list(map(_content, ours)) != list(map(_content, theirs)):
                    raise LogError(f"Kafka holds other records in {at.topic}/{at.partition} from {reached} on")
                reached += len(ours)
                self._tell(len(ours), ends)
            self._compared[at] = end

    def _tell(self, more: int, ends: Positions) -> None:
        self._done += more
        self._told(self._done, max(self._done, 2 * sum(ends.values())))


def _content(record: Record) -> object:
    return (record.offset, record.key, record.headers, record.value)
