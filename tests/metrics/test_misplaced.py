"""Producers that are not ours may divide keys among partitions in their own way: a lead's events come on several."""

import asyncio

from shared.config import load_config
from shared.db import connect
from tests.metrics.desk import Desk, call, utc
from tests.metrics.numbers import Numbers


def test_a_lead_whose_events_come_on_several_shards_is_counted_by_one_at_a_time(
    desk: Desk, runner: asyncio.Runner
) -> None:
    leads = [f"lead-{n}" for n in range(3)]
    calls = [
        [call(f"{lead}-{n}", utc(2026, 11, 2, 3, n), lead, outcome="conversation") for lead in leads] for n in range(36)
    ]
    numbers = desk.numbers

    async def several_at_once() -> None:
        engines = [connect(numbers.settings, "replica", pool_size=3) for _ in range(2)]
        config = load_config(numbers.settings.config_dir)
        second, third = (Numbers(engine, config, numbers.settings) for engine in engines)
        for n in range(0, len(calls), 3):
            batches = calls[n : n + 3]
            await asyncio.gather(
                numbers.take(batches[0]), second.take(batches[1], shard=n % 12), third.take(batches[2], shard=7)
            )
        for engine in engines:
            await engine.dispose()
        cells, digests = await numbers.cells(), await numbers.digests()
        await numbers.rebuild()
        assert await numbers.cells() == cells
        assert await numbers.digests() == digests

    runner.run(several_at_once())
