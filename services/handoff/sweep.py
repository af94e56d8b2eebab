"""When an automatic policy comes into force, hands over who was ready before: their own next event may be far away.

All leads are looked at once for each version that comes into force, in the order of their ids and some at a time. How
far that has come is one row in the database, which whoever looks holds: replicas take turns, and a killed one loses
no more than what its transaction had done.
"""

import asyncio
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.handoff import policies
from services.handoff.handover import hand_over_ready
from services.handoff.rules import Rules
from shared.backoff import Backoff, pause
from shared.clock import Clock
from shared.db import DatabaseUnavailable, autocommit, driver, in_transaction
from shared.events import PolicyVersion
from shared.periods import business_date

LOOK_S = 2.0
AT_ONCE = 50
"""Requests that hand over wait for the turns of a segment as long as a transaction lasts."""


class Sweep:
    """Looks for versions of a policy that are new in force. Replicas share the work."""

    def __init__(self, engine: AsyncEngine, rules: Rules, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._clock = clock
        self._log = rules.telemetry.log

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                while not stop.is_set() and await self._is_due() and (seen := await self.sweep_some()):
                    self._log.info("leads_swept", leads=seen)
                await pause(stop, LOOK_S)
                backoff.reset()
            except DatabaseUnavailable as error:
                self._log.warning("sweep_waits", reason=type(error).__name__)
                await backoff.wait(stop)

    async def sweep_some(self) -> int:
        """Look at some leads; how many, 0 when all have been seen or another replica is at it. Raises
        DatabaseUnavailable."""
        return await in_transaction(self._engine, lambda conn: sweep(conn, self._rules, self._clock.now()))

    async def _is_due(self) -> bool:
        """Without a lock: nearly always there is nothing to do."""
        async with autocommit(self._engine) as conn:
            wanted = await _wanted(conn, self._rules, self._clock.now())
            return wanted is not None and _go_on(await _stored(conn), wanted) is not None


async def sweep(conn: AsyncConnection, rules: Rules, now: datetime) -> int:
    """Look at up to AT_ONCE leads, and hand over who is ready; their number."""
    wanted = await _wanted(conn, rules, now)
    if wanted is None:
        return 0
    connection = await driver(conn)
    await connection.execute("insert into handoff.sweep values ('', 0, '', true) on conflict do nothing")
    if (stored := await _stored(conn, "for update skip locked")) is None:
        return 0  # a replica is at it
    if (after := _go_on(stored, wanted)) is None:
        return 0
    rows = await connection.fetch(
        """
        select lead_id from handoff.leads
        where lead_id > $1 and stage is not null and merged_into is null and erased_at is null
        order by lead_id limit $2 for update
        """,
        after,
        AT_ONCE,
    )
    lead_ids = [row["lead_id"] for row in rows]
    await hand_over_ready(conn, rules, lead_ids, now)
    await connection.execute(
        "update handoff.sweep set policy_id = $1, version = $2, after_lead = $3, done = $4",
        wanted.id,
        wanted.version,
        lead_ids[-1] if lead_ids else after,
        len(lead_ids) < AT_ONCE,
    )
    return len(lead_ids)


async def _wanted(conn: AsyncConnection, rules: Rules, now: datetime) -> PolicyVersion | None:
    """The version in force, where it is automatic."""
    found = await policies.deciding_if_any(conn, business_date(now, rules.zone))
    return found.ref if found is not None and found.policy.automatic else None


class _Stored(NamedTuple):
    """How far it has come. `done`: all leads have been seen."""

    version: PolicyVersion
    after_lead: str
    done: bool


async def _stored(conn: AsyncConnection, lock: str = "") -> _Stored | None:
    row = await (await driver(conn)).fetchrow(
        f"select policy_id, version, after_lead, done from handoff.sweep {lock}"  # noqa: S608 - our own text
    )
    return row and _Stored(PolicyVersion(row["policy_id"], row["version"]), row["after_lead"], row["done"])


def _go_on(stored: _Stored | None, wanted: PolicyVersion) -> str | None:
    """The lead after which this version's leads have not been seen; None: all have."""
    if stored is None or stored.version != wanted:
        return ""
    return None if stored.done else stored.after_lead
