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
from services.handoff.rounds import in_rounds
from services.handoff.rules import Rules
from shared.clock import Clock
from shared.db import driver, in_transaction
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

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        await in_rounds(self.sweep_some, self._idle_s, stop, self._rules.telemetry.log, "sweep")

    async def sweep_some(self) -> int:
        """Look at some leads; how many, 0 when all have been seen or another replica is at it. Raises
        DatabaseUnavailable."""
        return await in_transaction(self._engine, lambda conn: sweep(conn, self._rules, self._clock.now()))

    async def _idle_s(self) -> float:
        return LOOK_S


async def sweep(conn: AsyncConnection, rules: Rules, now: datetime) -> int:
    """Look at up to AT_ONCE leads, and hand over who is ready; their number."""
    connection, wanted, stored = await driver(conn), await _wanted(conn, rules, now), await _stored(conn)
    if wanted is None:
        if stored is not None:  # an automatic version that is in force again, after this one's days, begins anew
            await connection.execute("delete from handoff.sweep")
        return 0
    if stored is None:
        await connection.execute("insert into handoff.sweep values ('', 0, '', true) on conflict do nothing")
    if _go_on(stored, wanted) is None:
        return 0  # nearly always, and nobody had to wait for a lock
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
