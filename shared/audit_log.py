"""Who read and changed what of which leads: an append-only table, written before anybody is answered.

What changes leads in groups (forms, activities, imports) is noted in the transaction of the change itself; whatever
else is answered to a caller is noted by the web kit before the answer is sent. No value of a lead is in it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit import AuditEntry, AuditEvent
from shared.db import autocommit, driver
from shared.one_statement import Change, Connection, apply
from shared.text_arrays import columns, text_rows

_NOTE = f"""
    insert into access.audit (who, operation, subject, lead_ids)
    select who, operation, subject, array(select jsonb_array_elements_text(lead_ids::jsonb))
    from {text_rows(4)} with ordinality as e(who, operation, subject, lead_ids, n) order by n returning 1
"""  # noqa: S608 - our own text


async def note(db: Connection, events: Sequence[AuditEvent]) -> None:
    """Write events, all or none, in the transaction of the connection if it has one."""
    await apply(db, noting(events))


def noting(events: Sequence[AuditEvent]) -> list[Change]:
    """What does the same beside other changes."""
    if not events:
        return []
    rows = [(e.by.who, e.by.operation, e.subject, msgspec.json.encode(e.lead_ids).decode()) for e in events]
    return [Change(_NOTE, columns(rows))]


async def entries(
    db: Connection,
    *,
    lead_ids: Sequence[str] = (),
    who: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int,
) -> list[AuditEntry]:
    """Entries, the latest first: about any of the leads, of one caller, from `since` until before `until`; `before`:
    only those with a lower number."""
    rows = await db.fetch(
        """
        select number, at, who, operation, subject, lead_ids from access.audit
        where (cardinality($1::text[]) = 0 or lead_ids && $1) and ($2::text is null or who = $2)
          and ($3::timestamptz is null or at >= $3) and ($4::timestamptz is null or at < $4)
          and ($5::bigint is null or number < $5)
        order by number desc limit $6
        """,
        list(lead_ids),
        who,
        since,
        until,
        before,
        limit,
    )
    return [AuditEntry(**dict(row)) for row in rows]


class Audit:
    """Notes events for requests that wait for it: all that wait at the same moment share one transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: list[tuple[AuditEvent, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def note(self, event: AuditEvent) -> None:
        """Returns when the event is on record. Raises DatabaseUnavailable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._write_group(group)
        finally:
            self._writing = None

    async def _write_group(self, group: Sequence[tuple[AuditEvent, asyncio.Future[None]]]) -> None:
        try:
            async with autocommit(self._engine) as conn:
                await note(await driver(conn), [event for event, _ in group])
        except BaseException as error:  # handed to those who wait
            for _, done in group:
                if not done.done():
                    done.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for _, done in group:
                if not done.done():
                    done.set_result(None)
