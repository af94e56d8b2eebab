"""FastStream: batches, counted into a dict that a crash empties; each is committed when it is counted."""

import asyncio
from collections import Counter
from typing import Any

from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

from bench.peers.programs.side import Work, begin, cell, end, identity


async def take(work: Work) -> Counter[str]:
    """The counts, when all is committed."""
    counts, seen, done, left = Counter[str](), set[str](), asyncio.Event(), work.events

    async def on_batch(calls: list[dict[str, Any]], message: KafkaMessage) -> None:
        nonlocal left
        for headers, call in zip(message.batch_headers, calls, strict=True):
            if (name := identity(headers)) not in seen:
                seen.add(name)
                counts[cell(headers, call)] += 1
        await message.ack()
        left -= len(calls)
        if left <= 0:
            done.set()

    broker = KafkaBroker(work.brokers)
    broker.subscriber(
        work.topic, batch=True, group_id=work.group, auto_offset_reset="earliest", ack_policy=AckPolicy.MANUAL
    )(on_batch)
    await broker.start()
    await done.wait()
    await broker.stop()
    return counts


if __name__ == "__main__":
    given = begin()
    end(given, asyncio.run(take(given)).items())
