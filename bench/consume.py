"""What the metrics service does with a filled log, in a process of its own.

`python -m bench.consume <events of one lead>` writes one Consumed as JSON to stdout. The floor is the same log read
through the same reader, and nothing done with it.
"""

import asyncio
import gc
import os
import random
import sys
import time
from collections.abc import Collection, Sequence
from datetime import timedelta

import msgspec
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.corpus import BEGIN, call
from bench.stage import memory_mib
from services.metrics import store
from services.metrics.app import SCHEMA, TOPICS
from services.metrics.compile import compile_catalogue
from services.metrics.contributions.rules import Rules
from services.metrics.fold import Fold
from services.metrics.rebuild import rebuild
from shared.clock import SystemClock
from shared.config import load_config
from shared.consume import Consumer, Received
from shared.db import connect, driver, transaction
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import EventLog, Positions, Record
from shared.events import ACTIVITIES, encode_data
from shared.partition import partition_of
from shared.settings import Settings
from shared.telemetry import Telemetry

LOOK_S = 0.05
SAMPLES = 100  # single events whose cost is measured on each of the two leads


class Consumed(msgspec.Struct, kw_only=True):
    """Events and seconds of each pass over the log, and the milliseconds of one event."""

    events: int
    floor_first_s: float
    live_s: float
    rebuild_s: float
    floor_last_s: float
    memory_mib: float | None
    short_ms: float
    long_ms: float


class _FromTheStart:
    """Keeps no positions: each reading begins with the first record."""

    async def positions(self, shards: Collection[int]) -> Positions:
        return {}


async def _main(length: int) -> Consumed:
    settings = Settings()
    config = load_config(settings.config_dir)
    engine = connect(settings, "bench")
    log = await EmbeddedLog.open(settings)
    telemetry = Telemetry("bench", level="warning", stream=sys.stderr)
    telemetry.take_over_logging()
    catalogue = compile_catalogue(config.kpis, config.fields)
    rules = Rules(settings.zone, config.fields, config.policies["default"], catalogue.rank_fields)
    async with transaction(engine) as conn:
        await store.set_membership(await driver(conn), config.team)
    fold = Fold(engine, rules, config.team)
    consumer = Consumer(
        engine=engine,
        log=log,
        schema=SCHEMA,
        group=SCHEMA,
        topics=TOPICS,
        handler=fold,
        settings=settings,
        clock=SystemClock(),
        telemetry=telemetry,
    )
    gc.collect()
    gc.freeze()
    floor_first_s = await _read_all(log, "floor first", settings.consumer_batch_max)
    live_s = await _follow(consumer, engine)
    memory = memory_mib(os.getpid())
    started = time.monotonic()
    events = await rebuild(engine, rules) or 0
    rebuild_s = time.monotonic() - started
    floor_last_s = await _read_all(log, "floor last", settings.consumer_batch_max)
    short_ms, long_ms = await _lead_costs(engine, fold, length)
    await log.close()
    await engine.dispose()
    return Consumed(
        events=events,
        floor_first_s=floor_first_s,
        live_s=live_s,
        rebuild_s=rebuild_s,
        floor_last_s=floor_last_s,
        memory_mib=memory,
        short_ms=short_ms,
        long_ms=long_ms,
    )


async def _read_all(log: EventLog, group: str, batch: int) -> float:
    """Seconds to read all that is in the log, as a consumer reads it."""
    left = sum((await log.ends(TOPICS)).values())
    started = time.monotonic()
    reader = await log.join(group, "bench", TOPICS, _FromTheStart())
    while left > 0:
        left -= len(await reader.fetch(batch, 5.0))
    seconds = time.monotonic() - started
    await reader.close()
    return seconds


async def _follow(consumer: Consumer, engine: AsyncEngine) -> float:
    """Seconds from the consumer's start until its last batch is committed."""
    stop = asyncio.Event()
    started = time.monotonic()
    running = asyncio.create_task(consumer.run(stop))
    while True:
        await asyncio.sleep(LOOK_S)
        async with transaction(engine) as conn:
            if (await consumer.status(conn)).lag == 0:
                break
    seconds = time.monotonic() - started
    stop.set()
    await running
    return seconds


async def _lead_costs(engine: AsyncEngine, fold: Fold, length: int) -> tuple[float, float]:
    """Milliseconds of one event alone in its transaction: on a lead with ten events, and on one with `length`."""
    leads = {"lead-short": 10, "lead-long": length}
    draw = random.Random(1)  # noqa: S311 - figures that can be repeated
    made = 10_000_000
    for lead, events in leads.items():
        for begin in range(0, events, 2000):
            numbers = range(made + begin, made + min(begin + 2000, events))
            await _take(engine, fold, [_received(n, lead, draw) for n in numbers])
        made += events
    costs: dict[str, list[float]] = {lead: [] for lead in leads}
    for _ in range(SAMPLES):
        for lead in leads:
            made += 1
            started = time.monotonic()
            await _take(engine, fold, [_received(made, lead, draw)])
            costs[lead].append(time.monotonic() - started)
    short, long = (1000 * sorted(costs[lead])[SAMPLES // 2] for lead in leads)
    return short, long


async def _take(engine: AsyncEngine, fold: Fold, batch: Sequence[Received]) -> None:
    async with transaction(engine) as conn:
        await fold.handle(conn, (await fold.fresh(conn, batch)).new)


def _received(n: int, lead: str, draw: random.Random) -> Received:
    event = call(n, BEGIN + timedelta(seconds=n % 31_000_000), lead, draw)
    record = Record(ACTIVITIES, partition_of(lead, 12), n, lead, (), encode_data(event.data), event.recorded_at)
    return Received(record, event)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        consumed = runner.run(_main(int(sys.argv[1])))
    sys.stdout.buffer.write(msgspec.json.encode(consumed))
