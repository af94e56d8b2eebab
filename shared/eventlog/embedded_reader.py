"""Reading the embedded log as a member of a group."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, driver, transaction
from shared.eventlog.assigned import Assigned
from shared.eventlog.group import log_errors
from shared.eventlog.port import Fetched, LogUnavailable, PositionLost, Positions, Record, TopicPartition
from shared.notify import Waker
from shared.outbox import unpack_headers

FETCH_BYTES = 16 * 1024 * 1024
NOTHING = Fetched((), {})

_ENDS = "select id, next_offset from log.partitions where id = any($1::int[])"

# lateral + limit: an index scan per partition, whatever the planner thinks of the table's statistics.
# The first record of a partition always comes, however large it is.
_READ = """
select id, "offset", key, headers, value, appended_at from (
    select want.id, r.*,
        sum(octet_length(value)) over (partition by want.id order by "offset") - octet_length(value) as bytes_before
    from unnest($1::int[], $2::bigint[], $3::int[]) as want(id, first, most)
    cross join lateral (
        select "offset", key, headers, value, appended_at from log.records
        where partition_id = want.id and "offset" >= want.first order by "offset" limit want.most
    ) as r
) as measured
where bytes_before is null or bytes_before < $4
order by id, "offset"
"""


def record(at: TopicPartition, row: Any) -> Record:
    """A row of log.records as a record of the port."""
    headers = unpack_headers(row["headers"])
    return Record(at.topic, at.partition, row["offset"], row["key"], headers, row["value"], row["appended_at"])


class EmbeddedReader:
    """The port `Reader` on PostgreSQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        waker: Waker,
        ids: Mapping[TopicPartition, int],
        assigned: Assigned,
    ) -> None:
        self._engine = engine
        self._waker = waker
        self._ids = ids
        self._at = {id_: at for at, id_ in ids.items()}
        self._assigned = assigned

    @property
    def shards(self) -> frozenset[int]:
        return self._assigned.shards

    async def fetch(self, max_records: int, wait_s: float, in_hand: Collection[int] = ()) -> Fetched:
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            await self._assigned.follow(in_hand)
            fetched = await self._read(max_records)
            if fetched.records:
                return fetched
            try:
                woken = await self._waker.wait(max(0.0, deadline - asyncio.get_running_loop().time()))
            except DatabaseUnavailable as error:
                raise LogUnavailable(str(error)) from error
            if not woken:
                return NOTHING

    async def rewind(self, shards: Collection[int]) -> None:
        self._assigned.rewind(shards)

    async def lag(self) -> Mapping[TopicPartition, int]:
        reached = dict(self._assigned.next)  # a fetch may run beside us
        ends = await self._ends(reached)
        return {at: ends[at] - position for at, position in reached.items()}

    async def close(self) -> None:
        self._waker.close()
        await self._assigned.leave()

    async def _read(self, max_records: int) -> Fetched:
        if not self._assigned.next:
            return NOTHING
        ends = await self._ends(self._assigned.next)
        backlog = {at: ends[at] - position for at, position in self._assigned.next.items()}
        for at, size in backlog.items():
            if size < 0:
                raise PositionLost(
                    f"{at.topic}/{at.partition}: position {self._assigned.next[at]} is beyond the end {ends[at]}"
                )
        wanted = divide(max_records, backlog)
        if not wanted:
            return NOTHING
        async with log_errors(), transaction(self._engine, of_driver=True) as conn:
            rows = await (await driver(conn)).fetch(
                _READ,
                [self._ids[at] for at in wanted],
                [self._assigned.next[at] for at in wanted],
                list(wanted.values()),
                FETCH_BYTES // len(wanted),
            )
        reached = self._advance(wanted, rows)
        return Fetched([record(self._at[row["id"]], row) for row in rows], reached)

    def _advance(self, wanted: Collection[TopicPartition], rows: Sequence[Any]) -> Positions:
        found = {self._ids[at]: self._assigned.next[at] for at in wanted}
        for row in rows:
            id_, offset = row["id"], row["offset"]
            if offset != found[id_]:
                at = self._at[id_]
                raise PositionLost(f"{at.topic}/{at.partition}: offset {found[id_]} is gone, the next is {offset}")
            found[id_] = offset + 1
        reached = {self._at[id_]: position for id_, position in found.items()}
        for at, position in reached.items():
            if position == self._assigned.next[at]:
                raise PositionLost(f"{at.topic}/{at.partition}: offset {position} and all after it are gone")
        self._assigned.next.update(reached)
        return reached

    async def _ends(self, at: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        async with log_errors(), transaction(self._engine, of_driver=True) as conn:
            rows = await (await driver(conn)).fetch(_ENDS, [self._ids[a] for a in at])
        return {self._at[row["id"]]: row["next_offset"] for row in rows}


def divide(total: int, backlog: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """How many of `total` records to take from each partition: an equal share each, and what some do not need goes to
    the others. Partitions with little come first, so that none waits for one with much."""
    waiting = sorted((size, at) for at, size in backlog.items() if size > 0)
    shares: dict[TopicPartition, int] = {}
    for i, (size, at) in enumerate(waiting):
        share = min(size, max(1, total // (len(waiting) - i)), total)
        if share == 0:
            break
        shares[at] = share
        total -= share
    return shares
