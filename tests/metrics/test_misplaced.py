"""Producers that are not ours may divide keys among partitions in their own way: a lead's events come on several."""

import asyncio

from shared.config import load_config
from shared.db import Overtaken, connect, is_retryable
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


def test_an_event_that_comes_on_two_shards_at_once_is_counted_once(desk: Desk, runner: asyncio.Runner) -> None:
    numbers = desk.numbers
    calls = [[call(f"c{n}-{m}", utc(2026, 11, 2, 3, m), f"lead-{m}") for m in range(5)] for n in range(12)]

    async def at_once() -> int:
        engine = connect(numbers.settings, "replica", pool_size=3)
        other = Numbers(engine, load_config(numbers.settings.config_dir), numbers.settings)
        overtaken = 0
        for batch in calls:
            found = await asyncio.gather(numbers.take(batch), other.take(batch, shard=7), return_exceptions=True)
            errors = [error for error in found if error is not None]
            assert all(isinstance(error, Overtaken) and is_retryable(error) for error in errors)
            assert len(errors) <= 1
            overtaken += len(errors)
            await other.take(batch, shard=7)  # as the consumer repeats it
        await engine.dispose()
        return overtaken

    overtaken = runner.run(at_once())
    assert desk.ask("calls") == {"all": 60}
    assert overtaken > 0, "they never met"
