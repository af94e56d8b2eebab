"""The end of what is known of a person.

What the log, its copies and the deliveries of webhooks hold is sealed, and unreadable without the lead's key; what
people wrote into handoffs is taken out of them here. Decisions, times, owners and outcomes stay. What was said of a
lead stands in handoffs of another one, too, where the two were taken for one for a time.
"""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff import store
from services.handoff.appointment import AppointmentForm
from services.handoff.store import Handoff
from services.handoff.tables import SCHEMA
from shared import dead_letters, lead_keys
from shared.db import driver
from shared.events import Event, LeadErased, Observation
from shared.sealing import ERASED, erased_observation
from shared.web.idempotency import forget_leads


async def take(conn: AsyncConnection, events: Sequence[Event], personal: Collection[str]) -> None:
    """Erase the leads that these events tell of. personal: ids of the fields that hold personal data.

    The keys are destroyed here, too: a database restored from before the erasure has them again, and this event.
    """
    leads = sorted({event.subject for event in events if isinstance(event.data, LeadErased)})
    if not leads:
        return
    await lead_keys.destroy(conn, leads)
    await dead_letters.forget(conn, SCHEMA, leads)
    for handoff in await store.of_leads(conn, leads):
        await store.rewrite(conn, erased(handoff, personal))
    elsewhere = await _erase_elsewhere(conn, leads, personal)
    await forget_leads(conn, [*leads, *elsewhere])
    connection = await driver(conn)
    await connection.execute(
        "update handoff.stage_entries set reason = $2 where lead_id = any($1::text[]) and reason is not null",
        leads,
        ERASED,
    )
    await connection.execute(
        """
        update handoff.leads set erased_at = coalesce(erased_at, now()), external_ids = null
        where lead_id = any($1::text[])
        """,
        leads,
    )
    await connection.execute(
        """
        update handoff.reassignments r set reason = $2 from handoff.handoffs h
        where h.handoff_id = r.handoff_id and h.lead_id = any($1::text[])
        """,
        leads,
        ERASED,
    )


async def _erase_elsewhere(conn: AsyncConnection, leads: Sequence[str], personal: Collection[str]) -> set[str]:
    """Take what was said of these leads out of handoffs of others: a lead that was merged once and is not any more has
    left it there. Returns whose handoffs these are."""
    rows = await (await driver(conn)).fetch(
        """
        select observation_id from handoff.observations join handoff.merges using (lead_id)
        where lead_id = any($1::text[])
        """,
        leads,
    )
    said = [row["observation_id"] for row in rows]
    found = await store.holding(conn, said, leads) if said else []
    for handoff in found:
        await store.rewrite(conn, without_words(handoff, personal, said))
    return {handoff.counts_as for handoff in found}


def erased(handoff: Handoff, personal: Collection[str]) -> Handoff:
    """The handoff without what was said of or by the person."""
    replace = msgspec.structs.replace
    return replace(
        without_words(handoff, personal),
        reason=ERASED,
        comment=ERASED if handoff.comment else handoff.comment,
        override=handoff.override and replace(handoff.override, reason=ERASED),
        appointment=handoff.appointment and _erased_appointment(handoff.appointment),
    )


def without_words(handoff: Handoff, personal: Collection[str], said: Collection[str] | None = None) -> Handoff:
    """The handoff without what observations tell of the person; said: the ids of those, None: all."""
    replace = msgspec.structs.replace

    def without(one: Observation) -> Observation:
        return erased_observation(one, personal) if said is None or one.observation_id in said else one

    criteria = [
        replace(
            one, evidence=[without(it) for it in one.evidence], contradicting=[without(it) for it in one.contradicting]
        )
        for one in handoff.readiness.criteria
    ]
    return replace(
        handoff,
        readiness=replace(handoff.readiness, criteria=criteria),
        inputs={field: without(one) for field, one in handoff.inputs.items()},
    )


def _erased_appointment(appointment: AppointmentForm) -> AppointmentForm:
    changed = {name: ERASED for name in ("contact_state", "note") if getattr(appointment, name) is not None}
    who = appointment.accepted_by
    if who is not None:
        said = {name: ERASED for name in ("name", "title") if getattr(who, name) is not None}
        return msgspec.structs.replace(appointment, accepted_by=msgspec.structs.replace(who, **said), **changed)
    return msgspec.structs.replace(appointment, **changed)
