"""Consumer groups: who is a member, and which shards each holds. Both adapters of the log use them, see decision 10.

Members and leases are rows. Each member keeps its row fresh and, under the group's lock, takes free shards up to its
fair share; who holds more than that gives the surplus up between two batches. A member is gone when its row is older
than the lease by the database's clock, or its listening connection has died with its process.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, driver, is_outage, is_retryable, transaction
from shared.eventlog.port import LogUnavailable
from shared.notify import BACKEND, Notices

HEARTBEAT_S = 1.0

_log = logging.getLogger(__name__)


class Membership:
    """One member of a group. `owned` and `surplus` change at each heartbeat; `changed` is called when they do."""

    def __init__(
        self, engine: AsyncEngine, notices: Notices, group: str, member: str, shards: int, lease_s: float
    ) -> None:
        self._engine = engine
        self._notices = notices
        self._group = group
        self._member = member
        self._shards = shards
        self._lease_s = lease_s
        self._session = uuid4()
        self._lock = asyncio.Lock()  # what we believe follows the rows only if changes come one by one
        self._channel = _channel(group)
        self._waker = notices.waker(self._channel)
        self._heart: asyncio.Task[None] | None = None
        self.changed: Callable[[], None] = lambda: None
        self.owned: frozenset[int] = frozenset()
        self.surplus: frozenset[int] = frozenset()
        self.taken: set[int] = set()
        """Shards newly got; whoever has loaded their positions removes them."""

    async def join(self) -> None:
        """Become a member, in the place of one of the same name, and begin to beat. Raises DatabaseUnavailable."""
        await self._balance(replace=True)
        self._heart = asyncio.create_task(self._beat(), name=f"group {self._group}")

    async def give_up(self, shards: Iterable[int]) -> None:
        """Let others have these shards. Raises DatabaseUnavailable."""
        shards = frozenset(shards)
        async with self._lock, transaction(self._engine, of_driver=True) as conn:
            connection = await driver(conn)
            await self._lock_group(connection)
            await connection.execute(
                """
                delete from log.leases l where consumer_group = $1 and member = $2 and shard = any($3::int[])
                and exists (select from log.members m where m.consumer_group = $1 and m.member = $2 and session = $4)
                """,
                self._group,
                self._member,
                list(shards),
                self._session,
            )
            await connection.execute("select pg_notify($1, '')", self._channel)
            self.owned -= shards
            self.surplus -= shards

    async def leave(self) -> None:
        """Stop beating and free all shards at once. Raises DatabaseUnavailable."""
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait([self._heart])
        self._waker.close()
        await self.give_up(self.owned)
        async with transaction(self._engine, of_driver=True) as conn:
            connection = await driver(conn)
            await connection.execute(
                "delete from log.members where consumer_group = $1 and member = $2 and session = $3",
                self._group,
                self._member,
                self._session,
            )
            await connection.execute("select pg_notify($1, '')", self._channel)

    async def _beat(self) -> None:
        period = min(HEARTBEAT_S, self._lease_s / 3)
        while True:
            try:
                await self._waker.wait(period)
                await self._balance(replace=False)
            except Exception as error:
                # Nothing is lost: what we believe to own is checked again when positions are written.
                if not is_outage(error):
                    _log.exception("heartbeat of group %s failed", self._group)
                await asyncio.sleep(period)

    async def _balance(self, *, replace: bool) -> None:
        """Beat; remove members that are gone; take free shards up to the fair share. Raises DatabaseUnavailable."""
        try:
            gone = await self._share(replace=replace)
        except DatabaseUnavailable:  # if only the group's own lock is, somebody was suspended with it
            with suppress(DatabaseUnavailable):  # the one that led here is told
                await self._end_suspended()
            raise
        if gone:
            await self._end_suspended()

    async def _share(self, *, replace: bool) -> bool:
        """Whether others were gone."""
        async with self._lock, transaction(self._engine, of_driver=True) as conn:
            connection = await driver(conn)
            await self._lock_group(connection)
            joined = await self._enter(connection, replace=replace)
            if joined is None:
                self._now_own(frozenset(), frozenset())
                return False
            gone = await self._bury(connection)
            members = await connection.fetch(
                "select member from log.members where consumer_group = $1 order by member", self._group
            )
            leases = await connection.fetch(
                "select shard, member from log.leases where consumer_group = $1", self._group
            )
            mine = {row["shard"] for row in leases if row["member"] == self._member}
            share = fair_share([row["member"] for row in members], self._member, self._shards)
            free = sorted(set(range(self._shards)) - {row["shard"] for row in leases})
            take = free[: max(0, share - len(mine))]
            await connection.execute(
                "insert into log.leases (consumer_group, shard, member) select $1, unnest($2::int[]), $3",
                self._group,
                take,
                self._member,
            )
            if joined or gone or take:
                await connection.execute("select pg_notify($1, '')", self._channel)
            self.taken.update(take)
            if replace:
                self.taken.update(mine)
            self._now_own(frozenset(mine) | frozenset(take), frozenset(sorted(mine)[share:]))
            return gone

    async def _end_suspended(self) -> None:
        """End server processes that wait for their client in the midst of a statement.

        There (in a COPY; with asyncpg between preparing and executing) neither statement_timeout nor
        idle_in_transaction_session_timeout ends them: who was suspended would keep its locks. Whose they are does not
        matter, nobody alive leaves one alone for so long.
        """
        async with transaction(self._engine, of_driver=True) as conn:
            await (await driver(conn)).execute(
                """
                select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and usename = current_user
                  and state = 'active' and wait_event = 'ClientRead' and query_start < now() - make_interval(secs => $1)
                """,
                self._lease_s / 2,
            )

    async def _lock_group(self, connection: Any) -> None:
        await connection.execute("select pg_advisory_xact_lock(hashtext($1))", self._channel)

    async def _enter(self, connection: Any, *, replace: bool) -> bool | None:
        """Refresh our row: False. Make it: True. None when another process of our name is alive (it came later)."""
        row = (self._group, self._member, self._session, self._notices.backend)
        refreshed = await connection.fetchval(
            """
            update log.members set seen_at = clock_timestamp(), backend = $4
            where consumer_group = $1 and member = $2 and session = $3 returning true
            """,
            *row,
        )
        if refreshed:
            return False
        entered: bool | None = await connection.fetchval(
            """
            insert into log.members as m (consumer_group, member, session, backend, seen_at)
            values ($1, $2, $3, $4, clock_timestamp())
            on conflict (consumer_group, member)
            do update set session = excluded.session, backend = excluded.backend, seen_at = excluded.seen_at
            where $5 or m.seen_at < clock_timestamp() - make_interval(secs => $6)
            returning true
            """,
            *row,
            replace,
            self._lease_s,
        )
        return entered

    async def _bury(self, connection: Any) -> bool:
        """Remove the members that are gone, and their leases; whether there were any."""
        gone = await connection.fetchval(
            f"""
            with dead as (
                delete from log.members where consumer_group = $1 and member <> $2 and (
                    seen_at < clock_timestamp() - make_interval(secs => $3)
                    or seen_at < clock_timestamp() - make_interval(secs => $4)
                       and backend not in (select {BACKEND} from pg_stat_activity where pid is not null
                                           and backend_start is not null)
                ) returning member
            )
            select count(*) from dead
            """,  # noqa: S608 - our own text
            self._group,
            self._member,
            self._lease_s,
            1.5 * min(HEARTBEAT_S, self._lease_s / 3),
        )
        await connection.execute(
            """
            delete from log.leases where consumer_group = $1
            and member not in (select member from log.members where consumer_group = $1)
            """,
            self._group,
        )
        return bool(gone)

    def _now_own(self, owned: frozenset[int], surplus: frozenset[int]) -> None:
        changed = (owned, surplus) != (self.owned, self.surplus)
        self.owned, self.surplus = owned, surplus
        if changed:
            self.changed()


async def release(conn: asyncpg.Connection, group: str, shards: Iterable[int]) -> None:
    """Take shards from whoever holds them, in the caller's transaction; the members share them anew at once."""
    await conn.execute(
        "delete from log.leases where consumer_group = $1 and shard = any($2::int[])", group, list(shards)
    )
    await conn.execute("select pg_notify($1, '')", _channel(group))


def _channel(group: str) -> str:
    return f"tasuki_group_{group}"


def fair_share(members: list[str], member: str, shards: int) -> int:
    """How many shards a member should hold; the first of the (sorted) members hold one more when it does not divide."""
    each, rest = divmod(shards, len(members))
    return each + (members.index(member) < rest)


@asynccontextmanager
async def log_errors() -> AsyncIterator[None]:
    """What of the database's errors a user of the log may meet with a repetition: LogUnavailable."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise LogUnavailable(str(error)) from error
    except Exception as error:
        if is_retryable(error):
            raise LogUnavailable(str(error)) from error
        raise
