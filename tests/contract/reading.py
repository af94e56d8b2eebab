"""What tests of the log read and write with."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from shared.eventlog.port import Message, Positions, Reader, Record, TopicPartition
from shared.events import LEADS

FAR_OFF_S = 60
"""Longer than anything here takes: a test that waits so long has failed."""


class Keeper:
    """Positions in memory, in the place of a handler's database."""

    def __init__(self) -> None:
        self.stored: dict[TopicPartition, int] = {}

    async def positions(self, shards: Collection[int]) -> Positions:
        return {at: offset for at, offset in self.stored.items() if at.partition in shards}

    def commit(self, records: Sequence[Record]) -> None:
        for record in records:
            self.stored[record.at] = record.offset + 1


def message(key: str, n: int = 0, topic: str = LEADS) -> Message:
    return Message(topic, key, (("ce_id", str(n).encode()),), str(n).encode())


async def fetch_until(reader: Reader, count: int, max_records: int = 1000) -> list[Record]:
    """Fetch until so many records have come."""
    records: list[Record] = []
    async with asyncio.timeout(FAR_OFF_S):
        while len(records) < count:
            records += (await reader.fetch(max_records, 1)).records
    return records


async def settle(condition: Callable[[], bool], *readers: Reader) -> None:
    """Let members fetch, as they do in life, until they have come to an arrangement."""
    async with asyncio.timeout(FAR_OFF_S):
        while not condition():
            await asyncio.gather(*(reader.fetch(1000, 0.05) for reader in readers), asyncio.sleep(0.02))
