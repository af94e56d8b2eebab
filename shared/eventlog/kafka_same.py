"""Whether a group still reads the topics that its positions are of, and all of their partitions.

A topic that was deleted and made anew has the name and, soon, the offsets of the old one: positions would point into
it, and what lies before them would be left out in silence. Partitions that were added would be read by nobody.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from aiokafka import AIOKafkaClient
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import driver, transaction
from shared.eventlog.group import log_errors
from shared.eventlog.kafka_client import REQUEST_TIMEOUT_S, kafka_errors, make_client
from shared.eventlog.kafka_ids import Identity, identities
from shared.eventlog.port import LogUnavailable, PositionLost
from shared.settings import Settings

LOOK_S = 10.0
"""How often is looked. What was taken of a topic that was made anew until then is no loss: it is read again."""
LOOK_WITHIN_S = 1.0
"""How long whoever reads already may be held up by a broker that does not answer."""


class SameTopics:
    """What one group reads, looked at before a member reads, and now and then while it does."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, group: str, topics: Sequence[str], partitions: int
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._group = group
        self._topics = topics
        self._partitions = partitions
        self._client: AIOKafkaClient | None = None
        self._has_looked = False
        self._next_look = 0.0

    async def look(self, *, now: bool = False) -> None:
        """Look, unless that was done lately and need not be done `now`. Raises PositionLost when they are not the same;
        LogUnavailable when that has never been seen: later on, reading tells whether the log is away."""
        if not now and time.monotonic() < self._next_look:
            return
        try:
            async with kafka_errors(), asyncio.timeout(LOOK_WITHIN_S if self._has_looked else REQUEST_TIMEOUT_S):
                told = await identities(await self._asked(), self._topics)
            self._compare(told, await self._remembered(told))
        except LogUnavailable:
            await self.close()
            if not self._has_looked:
                raise
        self._has_looked, self._next_look = True, time.monotonic() + LOOK_S

    async def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _asked(self) -> AIOKafkaClient:
        if self._client is None:
            client = make_client(self._settings)
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
        return self._client

    def _compare(self, told: Mapping[str, Identity], before: Mapping[str, UUID]) -> None:
        """A topic that Kafka does not tell of is away, and no other. Raises PositionLost."""
        for name, now in sorted(told.items()):
            if now.id != before[name]:
                raise PositionLost(f"{name} was made anew: its positions are those of another topic of that name")
            if now.partitions > self._partitions:
                raise PositionLost(f"{name} has {now.partitions} partitions, and only {self._partitions} are read")

    async def _remembered(self, told: Mapping[str, Identity]) -> Mapping[str, UUID]:
        """The ids of the topics that the group has begun with: these, where it begins now."""
        async with log_errors(), transaction(self._engine, of_driver=True) as conn:
            db = await driver(conn)
            await db.execute(
                """
                insert into log.read_topics (consumer_group, topic, topic_id)
                select $1, unnest($2::text[]), unnest($3::uuid[]) order by 2 on conflict do nothing
                """,
                self._group,
                list(told),
                [identity.id for identity in told.values()],
            )
            rows = await db.fetch("select topic, topic_id from log.read_topics where consumer_group = $1", self._group)
        return {row["topic"]: row["topic_id"] for row in rows}
