"""The SQL of deliveries: one row for each event and endpoint.

Whoever takes a row pushes its `next_at` on in that same statement, so a process that dies is followed by another one
later, and replicas share the work. An event of a lead is not taken while an earlier one of that lead waits or is being
sent to the same endpoint. `attempts` grows with each taking and tells whose turn it is: who comes too late changes
nothing. Whoever locks rows of both tables takes that of the endpoint first.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.eventlog.port import Record
from shared.events import HANDOFFS, Event, from_record, to_structured
from shared.events.envelope import STRUCTURED
from shared.prune import Retention

CHANNEL = "tasuki_webhooks"
LEASE = timedelta(seconds=45)
"""More than an attempt may take; what a killed process was sending is taken up again after it."""

Status = Literal["pending", "delivered", "dead"]
REMOVED = "the endpoint was removed from webhooks.yaml"


class Wanted(NamedTuple):
    """What an endpoint wants to be told. `address`: a digest of where it is."""

    id: str
    events: Sequence[str]
    segments: Sequence[str] | None
    owners: Sequence[str] | None
    address: str


class Due(NamedTuple):
    """A delivery that was taken to be sent. `attempts` counts this one."""

    number: int
    endpoint: str
    attempts: int
    event: Event


class Attempt(NamedTuple):
    """How an attempt ended: with the status of an answer or without one, and why it failed (None: it did not)."""

    at: datetime
    answer: int | None
    reason: str | None


class Row(NamedTuple):
    """A delivery as it is stored, but for the event itself."""

    number: int
    endpoint: str
    event_id: str
    name: str
    lead_id: str
    made_at: datetime
    status: Status
    attempts: int
    next_at: datetime
    last_at: datetime | None
    answer: int | None
    reason: str | None
    finished_at: datetime | None


class State(NamedTuple):
    """How an endpoint stands. `oldest`: when the oldest event was made that it has not got yet."""

    gone_at: datetime | None
    paused_until: datetime | None
    pending: int
    oldest: datetime | None


_COLUMNS = ", ".join(Row._fields)


def kept_for(days: int) -> Retention:
    """How long what is over is kept; what is pending is kept as long as it is."""
    return Retention("handoff.deliveries", "finished_at", timedelta(days=days), where="status <> 'pending'")


async def add(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Have these events told to whoever wants them, if and when the transaction commits; what is personal is sealed.

    Until then nobody can remove those endpoints: what is written here would wait for nobody.
    """
    if not events:
        return
    await (await driver(conn)).execute(
        """
        with added as (
            insert into handoff.deliveries (endpoint, event_id, name, lead_id, event, made_at, next_at)
            select w.id, e.id, e.name, e.lead_id, e.event, e.at, e.at
            from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::json[], $6::timestamptz[])
                 with ordinality as e(id, name, lead_id, handoff_id, event, at, n)
            join handoff.webhooks w on e.name = any(w.events)
            left join handoff.handoffs h on h.handoff_id = e.handoff_id
            where (w.segments is null or h.segment = any(w.segments)) and (w.owners is null or h.owner = any(w.owners))
            order by e.n, w.id
            for key share of w
            on conflict do nothing returning endpoint
        )
        select pg_notify($7, endpoint) from (select distinct endpoint from added) as told
        """,
        [event.id for event in events],
        [event.name for event in events],
        [event.subject for event in events],
        [getattr(event.data, "handoff_id", None) for event in events],
        [to_structured(event).decode() for event in events],
        [event.recorded_at for event in events],
        CHANNEL,
    )


async def configure(conn: AsyncConnection, endpoints: Collection[Wanted], now: datetime) -> None:
    """Set whom to tell from now on. An endpoint at another address begins anew; what one that is no more was to be told
    is dead."""
    connection = await driver(conn)
    for wanted in sorted(endpoints, key=lambda wanted: wanted.id):
        await connection.execute(
            """
            insert into handoff.webhooks as w (id, events, segments, owners, address) values ($1, $2, $3, $4, $5)
            on conflict (id) do update set
                events = excluded.events, segments = excluded.segments, owners = excluded.owners,
                gone_at = case when w.address = excluded.address then w.gone_at end,
                paused_until = case when w.address = excluded.address then w.paused_until end,
                address = excluded.address
            """,
            *wanted,
        )
    ids = [wanted.id for wanted in endpoints]
    await connection.execute("delete from handoff.webhooks where not id = any($1::text[])", ids)
    await connection.execute(
        """
        update handoff.deliveries set status = 'dead', reason = $2, finished_at = $3
        where status = 'pending' and not endpoint = any($1::text[])
        """,
        ids,
        REMOVED,
        now,
    )


_READY = """
    from handoff.deliveries d join handoff.webhooks w on w.id = d.endpoint
    where d.endpoint = $1 and d.status = 'pending' and w.gone_at is null
      and not exists (
          select from handoff.deliveries before
          where before.endpoint = d.endpoint and before.lead_id = d.lead_id and before.status = 'pending'
            and before.number < d.number)
"""
"""SQL: what may be sent to an endpoint when its time has come."""


async def take(conn: AsyncConnection, endpoint: str, now: datetime) -> Due | None:
    """The next delivery of an endpoint that is due; nobody else gets it before its lease is over."""
    row = await (await driver(conn)).fetchrow(
        f"""
        update handoff.deliveries set attempts = attempts + 1, next_at = $3
        where number = (
            select d.number {_READY} and d.next_at <= $2 and (w.paused_until is null or w.paused_until <= $2)
            order by d.next_at, d.number limit 1 for update of d skip locked
        )
        returning number, endpoint, attempts, event::text
        """,  # noqa: S608 - our own text
        endpoint,
        now,
        now + LEASE,
    )
    if row is None:
        return None
    return Due(row["number"], row["endpoint"], row["attempts"], _event(row["event"], now))


async def next_due(conn: AsyncConnection, endpoint: str, now: datetime) -> timedelta | None:
    """How long until something may be sent to the endpoint."""
    at: datetime | None = await (await driver(conn)).fetchval(
        f"select greatest(min(d.next_at), max(w.paused_until)) {_READY}",
        endpoint,
    )
    return None if at is None else at - now


async def finish(conn: AsyncConnection, due: Due, status: Status, attempt: Attempt) -> None:
    """The delivery has been made, or was given up."""
    await _ended(conn, due, attempt, "status = $6, finished_at = $3", status)


async def postpone(conn: AsyncConnection, due: Due, attempt: Attempt, next_at: datetime) -> None:
    """The attempt has failed, and there will be another one."""
    await _ended(conn, due, attempt, "next_at = $6", next_at)


async def keep(conn: AsyncConnection, due: Due, attempt: Attempt) -> None:
    """The delivery waits until its endpoint gets something again, and has all its tries before it then."""
    await _ended(conn, due, attempt, "attempts = 0, next_at = $6", attempt.at)


async def _ended(conn: AsyncConnection, due: Due, attempt: Attempt, change: str, value: object) -> None:
    await (await driver(conn)).execute(
        f"""
        update handoff.deliveries set last_at = $3, answer = $4, reason = $5, {change}
        where number = $1 and attempts = $2 and status = 'pending'
        """,  # noqa: S608 - our own text
        due.number,
        due.attempts,
        *attempt,
        value,
    )


async def pause(conn: AsyncConnection, endpoint: str, until: datetime) -> None:
    """The endpoint has asked to be left alone until then."""
    await (await driver(conn)).execute(
        "update handoff.webhooks set paused_until = greatest(paused_until, $2) where id = $1", endpoint, until
    )


async def disable(conn: AsyncConnection, endpoint: str, address: str, now: datetime) -> None:
    """The endpoint has said that it is gone for good; unless it has another address by now."""
    await (await driver(conn)).execute(
        "update handoff.webhooks set gone_at = coalesce(gone_at, $3) where id = $1 and address = $2",
        endpoint,
        address,
        now,
    )


async def enable(conn: AsyncConnection, endpoint: str) -> None:
    """Send to the endpoint (again), whatever it said."""
    await (await driver(conn)).execute(
        """
        with enabled as (
            update handoff.webhooks set gone_at = null, paused_until = null where id = $1 returning id
        )
        select pg_notify($2, id) from enabled
        """,
        endpoint,
        CHANNEL,
    )


async def page_of(
    conn: AsyncConnection, endpoint: str | None, status: Status | None, before: int | None, limit: int
) -> list[Row]:
    """Deliveries, the latest first, before a number."""
    rows = await (await driver(conn)).fetch(
        f"""
        select {_COLUMNS} from handoff.deliveries
        where ($1::text is null or endpoint = $1) and ($2::text is null or status = $2)
          and ($3::bigint is null or number < $3)
        order by number desc limit $4
        """,  # noqa: S608 - our own columns
        endpoint,
        status,
        before,
        limit,
    )
    return [Row(*row) for row in rows]


async def get(conn: AsyncConnection, number: int) -> Row | None:
    row = await (await driver(conn)).fetchrow(
        f"select {_COLUMNS} from handoff.deliveries where number = $1",  # noqa: S608 - our own columns
        number,
    )
    return None if row is None else Row(*row)


async def replay(conn: AsyncConnection, number: int, now: datetime) -> None:
    """Send a delivery that is over once more, with all its tries before it."""
    await (await driver(conn)).execute(
        """
        with again as (
            update handoff.deliveries set status = 'pending', attempts = 0, next_at = $2, finished_at = null
            where number = $1 and status <> 'pending' returning endpoint
        )
        select pg_notify($3, endpoint) from again
        """,
        number,
        now,
        CHANNEL,
    )


async def states(conn: AsyncConnection) -> dict[str, State]:
    """Of each endpoint, how it stands."""
    rows = await (await driver(conn)).fetch(
        """
        select w.id, w.gone_at, w.paused_until, count(d.number), min(d.made_at)
        from handoff.webhooks w left join handoff.deliveries d on d.endpoint = w.id and d.status = 'pending'
        group by w.id order by w.id
        """
    )
    return {id_: State(*state) for id_, *state in rows}


def _event(structured: str, now: datetime) -> Event:
    headers = (("content-type", STRUCTURED),)
    return from_record(Record(HANDOFFS, 0, 0, None, headers, structured.encode(), now), webhook=True)
