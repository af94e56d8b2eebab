"""The log in PostgreSQL: tables of the schema `log`, for a machine without Kafka.

An append locks the rows of its partitions until it is committed and takes its offsets from them: that makes offsets
dense and in commit order, and appends to one partition follow one another. `NOTIFY` wakes the readers of its topics.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import connect, driver, transaction
from shared.eventlog.assigned import Assigned
from shared.eventlog.embedded_reader import EmbeddedReader, record
from shared.eventlog.group import Membership, log_errors
from shared.eventlog.port import LogError, Message, PositionKeeper, Positions, Record, Taken, TopicPartition
from shared.events import TOPICS
from shared.notify import Notices
from shared.outbox import oldest_rows, pack_headers
from shared.partition import partition_of
from shared.settings import Settings

CHANNEL = "tasuki_log"
POOL_SIZE = 4

_APPEND = """
with counted as (
    select * from unnest($1::int[], $2::int[]) as c(id, added)
), locked as materialized (
    select id, next_offset from log.partitions where id = any($1::int[]) order by id for update
), moved as (
    update log.partitions p set next_offset = l.next_offset + c.added
    from locked l join counted c using (id) where p.id = l.id
), written as (
    insert into log.records (partition_id, "offset", key, headers, value, appended_at)
    select l.id, l.next_offset + m.nth, m.key, m.headers, m.value, clock_timestamp()
    from unnest($3::int[], $4::int[], $5::text[], $6::bytea[], $7::bytea[]) as m(id, nth, key, headers, value)
    join locked l using (id)
)
select pg_notify($8, topic) from unnest($9::text[]) topic
"""

# A row of an outbox is packed as the log packs it, and its shard tells its partition: this process need not see it,
# but for what traces tell of ($6).
# `told` is counted in the answer, because what nobody asks for is not run.
_TAKE = """
with oldest as materialized ({oldest}), placed as materialized (
    select o.id as row, o.topic, o.key, o.headers, o.value, octet_length(o.value) as size, p.id,
        row_number() over (partition by p.id order by o.id) - 1 as nth
    from oldest o left join log.partitions p on p.topic = o.topic and p.partition = o.shard % $4::int
), counted as (
    select id, count(*) as added from placed group by id
), locked as materialized (
    select id, next_offset from log.partitions where id = any(array(select id from counted)) order by id for update
), moved as (
    update log.partitions p set next_offset = l.next_offset + c.added
    from locked l join counted c using (id) where p.id = l.id
), written as (
    insert into log.records (partition_id, "offset", key, headers, value, appended_at)
    select l.id, l.next_offset + m.nth, m.key, m.headers, m.value, clock_timestamp()
    from placed m join locked l using (id)
), taken as (
    delete from {schema}.outbox where id = any(array(select row from placed))
), told as materialized (
    select pg_notify($5, topic) from (select distinct topic from placed) as topics
)
select (select count(*) from placed) as rows, (select coalesce(sum(size), 0) from placed)::bigint as size,
    (select count(*) from told) as topics,
    (select array_agg(distinct topic) from placed where id is null) as strange,
    case when $6 then array(select (topic, headers) from placed where position('ce_traceparent'::bytea in headers) > 0)
    end as traced
"""


class EmbeddedLog:
    """The port `EventLog` on PostgreSQL. It has an engine of its own: who holds a connection of the service's pool may
    use the log without a danger of both waiting for each other."""

    def __init__(self, engine: AsyncEngine, partitions: int, ids: dict[TopicPartition, int], lease_s: float) -> None:
        self._engine = engine
        self._partitions = partitions
        self._ids = ids
        self._lease_s = lease_s
        self._notices = Notices(engine)

    @classmethod
    async def open(cls, settings: Settings, topics: Sequence[str] = TOPICS) -> Self:
        """Connect, and make the topics that are not there yet. Raises LogUnavailable.

        The number of partitions is settled when the first topic is made; `settings.log_partitions` counts only then.
        """
        engine = connect(settings, "log", pool_size=POOL_SIZE)
        try:
            async with log_errors(), transaction(engine) as conn:
                connection = await driver(conn)
                await _refuse_when_moved(connection)
                await connection.execute("lock table log.partitions in share row exclusive mode")
                known = await connection.fetchval("select max(partition) + 1 from log.partitions")
                partitions: int = known or settings.log_partitions
                await connection.execute(
                    """
                    insert into log.partitions (topic, partition)
                    select topic, partition from unnest($1::text[]) topic, generate_series(0, $2::int - 1) partition
                    on conflict do nothing
                    """,
                    list(topics),
                    partitions,
                )
                rows = await connection.fetch("select topic, partition, id from log.partitions")
        except BaseException:
            await engine.dispose()
            raise
        ids = {TopicPartition(row["topic"], row["partition"]): row["id"] for row in rows}
        return cls(engine, partitions, ids, settings.consumer_lease_s)

    @property
    def partitions(self) -> int:
        return self._partitions

    @property
    def by_key(self) -> bool:
        return True

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Nothing is appended while the block runs, and never again when it ends well: the log has moved."""
        async with log_errors(), transaction(self._engine, of_driver=True) as conn:
            connection = await driver(conn)
            await connection.execute("set local idle_in_transaction_session_timeout = 0")
            await connection.execute("set local lock_timeout = 0")
            await connection.execute("lock table log.partitions in exclusive mode")
            yield
            await connection.execute("insert into log.moved (at) values (clock_timestamp())")

    async def append(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        nth: Counter[int] = Counter()
        columns: dict[str, list[Any]] = defaultdict(list)
        for message in messages:
            partition = self._id(TopicPartition(message.topic, partition_of(message.key, self._partitions)))
            columns["id"].append(partition)
            columns["nth"].append(nth[partition])
            columns["key"].append(message.key)
            columns["headers"].append(pack_headers(message.headers))
            columns["value"].append(message.value)
            nth[partition] += 1
        async with log_errors(), transaction(self._engine, of_driver=True) as conn:
            connection = await driver(conn)
            topics = list({message.topic for message in messages})
            await connection.execute(_APPEND, list(nth), list(nth.values()), *columns.values(), CHANNEL, topics)

    async def hand_over(self, messages: Sequence[Message]) -> Sequence[asyncio.Future[None]]:
        await self.append(messages)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return [written] * len(messages)

    def takes(self, shards: int) -> bool:
        return shards % self._partitions == 0

    async def take(
        self, connection: Any, schema: str, shards: Collection[int], *, rows: int, size: int, traced: bool = False
    ) -> Taken:
        async with log_errors():
            moved = await connection.fetchrow(
                _TAKE.format(oldest=oldest_rows(schema), schema=schema),
                list(shards),
                rows,
                size,
                self._partitions,
                CHANNEL,
                traced,
            )
        if moved["strange"]:
            raise LogError(f"the log has no topic {', '.join(moved['strange'])}")
        return Taken(moved["rows"], moved["size"], moved["traced"] or ())

    async def join(self, group: str, member: str, topics: Sequence[str], keeper: PositionKeeper) -> EmbeddedReader:
        ids = {at: id_ for at, id_ in self._ids.items() if at.topic in topics}
        membership = Membership(self._engine, self._notices, group, member, self._partitions, self._lease_s)
        waker = self._notices.waker(CHANNEL, topics)
        membership.changed = waker.wake
        reader = EmbeddedReader(self._engine, waker, ids, Assigned(membership, keeper, ids))
        async with log_errors():
            await membership.join()
        return reader

    async def ends(self, topics: Sequence[str]) -> Positions:
        async with log_errors(), transaction(self._engine, of_driver=True) as conn:
            rows = await (await driver(conn)).fetch(
                "select topic, partition, next_offset from log.partitions where topic = any($1::text[])", list(topics)
            )
        return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def read(self, at: TopicPartition, offset: int, max_records: int) -> Sequence[Record]:
        async with log_errors(), transaction(self._engine, of_driver=True) as conn:
            rows = await (await driver(conn)).fetch(
                """
                select "offset", key, headers, value, appended_at from log.records
                where partition_id = $1 and "offset" >= $2 order by "offset" limit $3
                """,
                self._id(at),
                offset,
                max_records,
            )
        return [record(at, row) for row in rows]

    async def close(self) -> None:
        await self._notices.close()
        await self._engine.dispose()

    def _id(self, at: TopicPartition) -> int:
        try:
            return self._ids[at]
        except KeyError:
            raise LogError(f"the log has no partition {at.partition} of topic {at.topic}") from None


async def _refuse_when_moved(connection: Any) -> None:
    if moved_at := await connection.fetchval("select at from log.moved"):
        raise LogError(f"the log moved to Kafka at {moved_at}: set TASUKI_KAFKA_BOOTSTRAP_SERVERS")
