"""Group commit: who waits together is committed together, and nobody suffers for a neighbour."""

import asyncio
from collections.abc import Sequence

import pytest

from services.ingest.group import GroupCommit, Overloaded
from shared.db import DatabaseUnavailable
from tests.ingest.door import Door, call


class Store:
    """Commits when it is let; doubles each item."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()

    async def commit(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        await self.open.wait()
        if -1 in items:
            raise ValueError("cannot be stored")
        if -2 in items:
            raise DatabaseUnavailable("away")
        return [2 * item for item in items]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_requests_that_wait_share_a_commit() -> None:
    store, stop = Store(), asyncio.Event()
    queue: GroupCommit[int, int] = GroupCommit(store.commit, largest=5)
    running = asyncio.create_task(queue.run(stop))
    first = asyncio.create_task(queue.submit([1]))
    await settle()
    rest = [asyncio.create_task(queue.submit([n, n])) for n in (2, 3, 4)]
    await settle()
    assert not first.done()
    store.open.set()
    assert await first == [2]
    assert await asyncio.gather(*rest) == [[4, 4], [6, 6], [8, 8]]
    assert store.groups == [[1], [2, 2, 3, 3], [4, 4]]
    stop.set()
    await running


async def test_a_group_waits_for_those_who_are_on_their_way() -> None:
    store, stop = Store(), asyncio.Event()
    store.open.set()
    queue: GroupCommit[int, int] = GroupCommit(store.commit, largest=6)
    running = asyncio.create_task(queue.run(stop))
    jobs = []
    for n in range(8):  # each comes some turns of the loop after the one before, as requests from sockets do
        jobs.append(asyncio.create_task(queue.submit([n])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*jobs) == [[2 * n] for n in range(8)]
    assert store.groups == [[0, 1, 2, 3, 4, 5], [6, 7]]
    stop.set()
    await running


async def test_one_that_cannot_be_stored_fails_alone() -> None:
    store, stop = Store(), asyncio.Event()
    queue: GroupCommit[int, int] = GroupCommit(store.commit)
    running = asyncio.create_task(queue.run(stop))
    jobs = [asyncio.create_task(queue.submit([n])) for n in (0, 1, -1, 2)]
    await settle()
    store.open.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [results[0], results[1], results[3]] == [[0], [2], [4]]
    assert isinstance(results[2], ValueError)
    stop.set()
    await running


async def test_an_outage_fails_all_and_is_not_repeated() -> None:
    store, stop = Store(), asyncio.Event()
    store.open.set()
    queue: GroupCommit[int, int] = GroupCommit(store.commit)
    running = asyncio.create_task(queue.run(stop))
    results = await asyncio.gather(queue.submit([1]), queue.submit([-2]), return_exceptions=True)
    assert all(isinstance(result, DatabaseUnavailable) for result in results)
    assert len(store.groups) == 1
    assert await queue.submit([3]) == [6]
    stop.set()
    await running


async def test_a_caller_that_goes_away_takes_nobody_with_it() -> None:
    store, stop = Store(), asyncio.Event()
    queue: GroupCommit[int, int] = GroupCommit(store.commit)
    running = asyncio.create_task(queue.run(stop))
    gone, stays = asyncio.create_task(queue.submit([1])), asyncio.create_task(queue.submit([2]))
    await settle()
    gone.cancel()
    store.open.set()
    assert await stays == [4]
    assert store.groups == [[1, 2]]
    stop.set()
    await running


async def test_more_than_the_bound_is_told_to_come_again() -> None:
    store, stop = Store(), asyncio.Event()
    queue: GroupCommit[int, int] = GroupCommit(store.commit, bound=3)
    running = asyncio.create_task(queue.run(stop))
    jobs = [asyncio.create_task(queue.submit([0]))]
    await settle()
    jobs += [asyncio.create_task(queue.submit([n])) for n in (1, 2, 3)]
    await settle()
    with pytest.raises(Overloaded):
        await queue.submit([4])
    store.open.set()
    await asyncio.gather(*jobs)
    stop.set()
    await running
    with pytest.raises(Overloaded):
        await queue.submit([5])


async def test_at_the_end_all_that_waits_is_still_committed() -> None:
    store, stop = Store(), asyncio.Event()
    queue: GroupCommit[int, int] = GroupCommit(store.commit, largest=1)
    running = asyncio.create_task(queue.run(stop))
    jobs = [asyncio.create_task(queue.submit([n])) for n in (1, 2, 3)]
    await settle()
    stop.set()
    store.open.set()
    assert await asyncio.gather(*jobs) == [[2], [4], [6]]
    await running


async def test_reliability_15_cancelled_requests_leave_no_connection_and_no_half_event(door: Door) -> None:
    jobs = [asyncio.create_task(door.post("/v1/activities", call(n))) for n in range(120)]
    await asyncio.sleep(0.05)
    for job in jobs[::2]:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    answered = [job.result() for job in jobs[1::2]]
    assert {answer.status_code for answer in answered} == {202}
    stored = {e.id for e in await door.outbox("call")}
    assert {answer.json()["results"][0]["event_id"] for answer in answered} <= stored
    assert len(stored) == len(await door.rows("select from ingest.events"))
    assert (await door.post("/v1/activities", call(1000))).status_code == 202
    pool = door.runtime.engine.pool
    assert pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_an_outage_is_503_and_the_same_request_is_good_later(door: Door) -> None:
    await door.post("/v1/activities", call(1))
    await door.rows("alter table ingest.events rename to hidden")
    broken = await door.post("/v1/activities", call(2))
    assert broken.status_code == 500  # a schema that is not ours is no outage
    await door.rows("alter table ingest.hidden rename to events")
    others = "datname = current_database() and pid <> pg_backend_pid()"
    terminate = f"select pg_terminate_backend(pid) from pg_stat_activity where {others}"  # noqa: S608
    jobs = [asyncio.create_task(door.post("/v1/activities", call(n))) for n in range(2, 200)]
    await asyncio.sleep(0.02)
    await door.rows(terminate)
    answers = await asyncio.gather(*jobs)
    assert {answer.status_code for answer in answers} <= {202, 503}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 503)
    for answer, n in zip(answers, range(2, 200), strict=True):
        if answer.status_code == 503:
            assert (await door.post("/v1/activities", call(n))).status_code == 202
    assert sorted(e.id for e in await door.outbox("call")) == sorted(f"c{n}" for n in range(1, 200))
