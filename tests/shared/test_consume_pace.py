"""What a consumer fetches when, and when it says that it does not get on."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from shared import consume
from shared.consume_batch import Batch
from tests.shared.consuming import Toy, call, open_toy, until


class Held:
    """Keeps a consumer's first batch from being committed until something was done. `sizes`: records of each batch."""

    def __init__(self, toy: Toy, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self.sizes: list[int] = []
        self._commit = toy.consumer._commit
        self._meanwhile = meanwhile
        toy.consumer._commit = self.commit  # type: ignore[method-assign]

    async def commit(self, batch: Batch) -> None:
        self.sizes.append(len(batch.records))
        if len(self.sizes) == 1:
            await self._meanwhile()
        await self._commit(batch)


async def test_what_comes_while_little_is_taken_is_one_batch(database_url: str) -> None:
    async with open_toy(database_url) as toy:

        async def more() -> None:
            for id_ in ("b", "c", "d"):
                await toy.append(call(id_))
                await asyncio.sleep(0.1)  # whoever looked now would find less

        held = Held(toy, more)
        await toy.append(call("a"))
        async with toy.running():
            assert await toy.caught_up() == (4, 0, 0, 0)
        assert [size for size in held.sizes if size] == [1, 3]


async def test_more_is_fetched_while_much_is_taken(database_url: str) -> None:
    async with open_toy(database_url, consumer_batch_max=10) as toy:

        async def all_is_fetched() -> bool:
            reader = toy.consumer._reader
            return reader is not None and sum((await reader.lag()).values()) == 0

        held = Held(toy, lambda: until(all_is_fetched))
        await toy.append(*(call(f"e{n:02}") for n in range(20)))
        async with toy.running():
            assert await toy.caught_up() == (20, 0, 0, 0)
        assert [size for size in held.sizes if size] == [10, 10]


async def test_lag_without_progress_is_unhealthy_and_an_outage_is_not(database_url: str) -> None:
    async with open_toy(database_url, consumer_stall_s=0.3) as toy:
        stuck = asyncio.Event()

        async def hang(*_: object) -> None:
            await stuck.wait()

        toy.consumer._commit = hang  # type: ignore[method-assign, assignment]
        async with toy.running():
            assert await toy.consumer.healthy() is None
            numbers = count()

            async def unwell_at_last() -> str | None:
                """Something must lag beyond the batch in hand, whenever that was taken."""
                await toy.append(call(str(next(numbers))))
                return await toy.consumer.healthy()

            unwell = await until(unwell_at_last)
            assert "took none for" in unwell
            stuck.set()


async def test_a_log_that_does_not_say_where_it_ends_is_an_outage(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def silent() -> None:
        asked.set()
        await asyncio.Event().wait()

    async with open_toy(database_url, consumer_stall_s=0.3) as toy, toy.running():
        await toy.append(call("a"))
        assert await toy.caught_up() == (1, 0, 0, 0)
        monkeypatch.setattr(consume, "LAG_WITHIN_S", 0.05)
        monkeypatch.setattr(toy.consumer._reader, "lag", silent)

        async def looked() -> bool | None:
            """Only a consumer that was idle for long asks."""
            assert await toy.consumer.healthy() is None
            return asked.is_set() or None

        assert await until(looked)
