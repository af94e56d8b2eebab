"""The keys by which personal values of leads are sealed. Destroying a lead's key erases them wherever they are."""

from collections.abc import Collection, Iterable, Sequence
from os import urandom

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.eventlog.port import Record
from shared.events import Data, Event, to_message
from shared.inbox import Received
from shared.sealing import KEY_BYTES, PERSONAL, has_personal, sealed_data, sealed_rest, unsealed_data


async def read(conn: AsyncConnection, lead_ids: Iterable[str]) -> dict[str, bytes | None]:
    """The keys of these leads; None for one that was destroyed. Leads that never had one are left out."""
    wanted = sorted(set(lead_ids))
    if not wanted:
        return {}
    rows = await (await driver(conn)).fetch(
        "select lead_id, key from access.lead_keys where lead_id = any($1::text[])", wanted
    )
    return {row["lead_id"]: row["key"] for row in rows}


async def seal_events(conn: AsyncConnection, events: Sequence[Event], personal: Collection[str]) -> list[Event]:
    """The events with their personal values sealed, by keys that are made where there are none.

    personal: ids of the fields that hold personal data. What is told of a lead whose key was destroyed meanwhile is
    sealed by a key that nobody keeps.
    """
    leads = sorted({event.subject for event in events if event.subject and has_personal(event.data, personal)})
    if not leads:
        return list(events)
    keys = await _made(conn, leads)
    return [
        msgspec.structs.replace(event, data=sealed_data(event.data, keys[event.subject], event.subject, personal))
        if event.subject in keys
        else event
        for event in events
    ]


async def seal_foreign(
    conn: AsyncConnection, received: Sequence[Received], personal: Collection[str]
) -> Sequence[Received]:
    """The same with the personal values sealed that other programs have written to the log themselves, record and
    event, so that what a service stores of them is readable as long as the lead's key is there."""
    plain = [
        one.event
        for one in received
        if type(one.event.data) in PERSONAL
        and not one.told_by_us
        and one.event.subject
        and has_personal(one.event.data, personal)
    ]
    if not plain:
        return received
    keys = await _made(conn, sorted({event.subject for event in plain}))
    sealed = {
        event.identity: msgspec.structs.replace(
            event, data=sealed_rest(event.data, keys[event.subject], event.subject, personal)
        )
        for event in plain
    }
    return [_told(one.record, sealed[one.event.identity]) if one.event.identity in sealed else one for one in received]


async def resealed(conn: AsyncConnection, data: Data, of: str, by: str) -> Data:
    """An event's data, sealed by the key of one lead, sealed by the key of another one instead."""
    opened = unsealed_data(data, (await read(conn, [of])).get(of), of)
    return sealed_data(opened, (await _made(conn, [by]))[by], by, ())


def _told(record: Record, event: Event) -> Received:
    """As if we had written the event into the record's place."""
    message = to_message(event)
    return Received(msgspec.structs.replace(record, headers=message.headers, value=message.value), event)


async def destroy(conn: AsyncConnection, lead_ids: Iterable[str]) -> None:
    """Nobody can read what was sealed for these leads any more, now or later."""
    await (await driver(conn)).execute(
        """
        insert into access.lead_keys (lead_id, key, destroyed_at) select *, null, now() from unnest($1::text[])
        on conflict (lead_id) do update
        set key = null, destroyed_at = coalesce(access.lead_keys.destroyed_at, excluded.destroyed_at)
        """,
        sorted(set(lead_ids)),
    )


async def _made(conn: AsyncConnection, leads: Sequence[str]) -> dict[str, bytes]:
    connection = await driver(conn)
    await connection.execute(
        """
        insert into access.lead_keys (lead_id, key) select * from unnest($1::text[], $2::bytea[]) order by 1
        on conflict do nothing
        """,
        leads,
        [urandom(KEY_BYTES) for _ in leads],
    )
    rows = await connection.fetch("select lead_id, key from access.lead_keys where lead_id = any($1::text[])", leads)
    return {row["lead_id"]: row["key"] or urandom(KEY_BYTES) for row in rows}
