"""Forms, hearings and tool results in one transaction: identities, leads, observations, and the outbox."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import identities
from services.ingest.identities import Known
from services.ingest.items import Outcome, Status, Submission, accessed, made_id
from services.ingest.leads import Found, add_terms, refuse_erased, resolve, touching
from services.ingest.tables import Connection
from services.ingest.tags.scans import first_scans
from services.ingest.tell import ours, telling
from shared.audit import by_group
from shared.audit_log import noting
from shared.db import driver
from shared.events import Event, LeadCreated, LeadFields
from shared.one_statement import Change, apply

Taken = Sequence[tuple[Submission, str]]
"""Submissions that are stored now, each with its lead."""


async def record_submissions(
    conn: AsyncConnection,
    items: Sequence[Submission],
    recorded_at: datetime,
    personal: frozenset[str],
    *,
    scan_websites: bool = False,
) -> list[Outcome]:
    """Store what is new of these submissions and tell the log; one outcome for each, in order.

    `scan_websites`: whoever's website becomes known here for the first time has it looked at for tags.
    """
    db = await driver(conn)
    known = await identities.look_up(db, {(item.source, item.id) for item in items})
    fresh, outcomes, repeats, awaited = identities.sort_out(items, known)
    found = await resolve(db, [items[at].whom for at in fresh], recorded_at) if fresh else []
    for at, lead in zip(fresh, found, strict=True):
        status: Status = "unknown_lead" if lead.lead_id is None else "erased_lead" if lead.erased else "accepted"
        outcomes[at] = Outcome(status, items[at].event_id, lead.answered, lead.created)
    taken = [
        (items[at], lead.lead_id)
        for at, lead in zip(fresh, found, strict=True)
        if lead.lead_id is not None and not lead.erased
    ]
    told = list[Change]()
    if taken:
        await _store(db, taken, awaited, recorded_at)
        created = [(items[at], lead) for at, lead in zip(fresh, found, strict=True) if lead.created]
        events = [*_created(created, taken, recorded_at), *_fields(taken, recorded_at)]
        touches = [(lead_id, None, item.observed_at, item.rep) for item, lead_id in taken if item.rep]
        told = [*touching(touches), *await telling(conn, events, personal)]
        if scan_websites and (leads := [lead_id for item, lead_id in taken if _names_website(item)]):
            await first_scans(db, leads, recorded_at)
    for at, first in repeats.items():
        outcomes[at] = identities.repeated(items[at], items[first], outcomes[first])
    await apply(db, [*told, *noting(by_group(accessed(items, outcomes)))])
    return [outcomes[at] for at in range(len(items))]


def _names_website(item: Submission) -> bool:
    return any(observation.field == "website" and observation.value for observation in item.observations)


async def _store(db: Connection, taken: Taken, awaited: Collection[identities.Key], recorded_at: datetime) -> None:
    new = {(item.source, item.id): Known(item.digest, "lead-fields", lead_id, lead_id) for item, lead_id in taken}
    changes = [*identities.remembering(new, awaited, recorded_at), _submissions(taken, recorded_at), _said(taken)]
    await apply(db, changes)
    await add_terms(db, [(lead_id, term) for item, lead_id in taken for term in item.whom.terms])
    await refuse_erased(db, [lead_id for _, lead_id in taken])


def _submissions(taken: Taken, recorded_at: datetime) -> Change:
    return Change(
        """
        insert into ingest.submissions (source, id, lead_id, observed_at, campaign, unmapped, recorded_at)
        select *, $7::timestamptz
        from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::jsonb[]) returning 1
        """,
        (
            [item.source for item, _ in taken],
            [item.id for item, _ in taken],
            [lead_id for _, lead_id in taken],
            [item.observed_at for item, _ in taken],
            [item.campaign for item, _ in taken],
            [msgspec.json.encode(item.unmapped).decode() for item, _ in taken],
            recorded_at,
        ),
    )


def _said(taken: Taken) -> Change:
    said = [(observation, lead_id) for item, lead_id in taken for observation in item.observations]
    return Change(
        """
        insert into ingest.observations (observation_id, lead_id, observed_at, observation)
        select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::jsonb[]) returning 1
        """,
        (
            [observation.observation_id for observation, _ in said],
            [lead_id for _, lead_id in said],
            [observation.observed_at for observation, _ in said],
            [msgspec.json.encode(observation).decode() for observation, _ in said],
        ),
    )


def _created(made: Sequence[tuple[Submission, Found]], taken: Taken, recorded_at: datetime) -> list[Event]:
    """A lead that becomes known here was first heard of at the earliest of these submissions."""
    first: dict[str, datetime] = {}
    for item, lead_id in taken:
        first[lead_id] = min(first.get(lead_id, item.observed_at), item.observed_at)
    return [
        ours(
            made_id("lead-created", lead.lead_id),
            "lead-created",
            lead.lead_id,
            LeadCreated(source=item.source, external_ids=item.whom.external_ids, campaign=item.campaign),
            time=first[lead.lead_id],
            recorded_at=recorded_at,
            traceparent=item.traceparent,
        )
        for item, lead in made
        if lead.lead_id is not None
    ]


def _fields(taken: Taken, recorded_at: datetime) -> list[Event]:
    return [
        ours(
            item.event_id,
            "lead-fields",
            lead_id,
            LeadFields(observations=list(item.observations), campaign=item.campaign),
            time=item.observed_at,
            recorded_at=recorded_at,
            traceparent=item.traceparent,
        )
        for item, lead_id in taken
    ]
