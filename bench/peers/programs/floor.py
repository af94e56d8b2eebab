"""Nothing but taking the bytes: aiokafka's fastest way of reading, and its commits."""

import asyncio

from aiokafka import AIOKafkaConsumer

from bench.peers.programs.side import Work, begin, end


async def take(work: Work) -> None:
    """Returns when all is committed."""
    consumer = AIOKafkaConsumer(
        work.topic, bootstrap_servers=work.brokers, group_id=work.group, auto_offset_reset="earliest"
    )
    await consumer.start()
    left = work.events
    while left > 0:
        left -= sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
    await consumer.commit()  # on the way it does so by itself every few seconds
    await consumer.stop()


if __name__ == "__main__":
    given = begin()
    asyncio.run(take(given))
    end(given, ())
