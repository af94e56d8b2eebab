"""Activities in one transaction: identities, leads, what the leads' rows keep of them, and the outbox."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import corrections, identities, leads, opt_outs
from services.ingest.identities import Known
from services.ingest.items import Activity, Outcome, accessed, made_id
from services.ingest.leads import Found, Touch, add_terms, refuse_erased, resolve, touching
from services.ingest.tables import Connection
from services.ingest.tell import ours, telling
from shared.audit import by_group
from shared.audit_log import noting
from shared.db import driver
from shared.events import Event, LeadCreated
from shared.one_statement import Change, apply, ask


async def record_activities(
    conn: AsyncConnection, items: Sequence[Activity], recorded_at: datetime, personal: frozenset[str]
) -> list[Outcome]:
    """Store what is new of these activities and tell the log; one outcome for each, in order."""
    db = await driver(conn)
    known, named = await _look_up(db, items)
    fresh, outcomes, repeats, awaited = identities.sort_out(items, known)
    plain = [at for at in fresh if items[at].name != "correction"]
    corrective = [at for at in fresh if items[at].name == "correction"]

    events, corrected, changes = list[Event](), list[Event](), list[Change]()
    placed: dict[identities.Key, Known] = {}
    if plain:
        found = await leads_of([items[at] for at in plain], db, recorded_at, named)
        taken: list[tuple[Activity, Found]] = []
        for at, lead in zip(plain, found, strict=True):
            if lead.erased:
                outcomes[at] = Outcome("erased_lead", items[at].id, lead.answered)
                continue
            taken.append((items[at], lead))
            outcomes[at] = Outcome("accepted", items[at].id, lead.answered, lead.created)
        events += created_by(taken, recorded_at)
        events += [
            corrections.event_of(item, lead.lead_id, item.key or lead.lead_id or "", recorded_at)
            for item, lead in taken
        ]
        placed = {
            (item.source, item.id): Known(item.digest, item.name, lead.lead_id, item.key or lead.lead_id)
            for item, lead in taken
        }
        if placed:
            changes += identities.remembering(placed, awaited, recorded_at)
            changes += touching([touch_of(item, lead) for item, lead in taken if lead.lead_id])
            events += await opt_outs.record(db, taken, recorded_at)
    if corrective or awaited:  # these look at what is stored
        await apply(db, changes)
        changes.clear()
    if corrective:
        done = await corrections.record(db, [items[at] for at in corrective], awaited, recorded_at)
        outcomes |= dict(zip(corrective, done.outcomes, strict=True))
        corrected += done.events
        placed |= done.placed
    if awaited:
        arrived = {identity: known for identity, known in placed.items() if identity in awaited}
        corrected += await corrections.release(db, arrived, recorded_at)
    events += [*corrected, *await opt_outs.record_corrected(db, corrected, recorded_at)]
    for at, first in repeats.items():
        outcomes[at] = identities.repeated(items[at], items[first], outcomes[first])
    audited = noting(by_group(accessed(items, outcomes)))
    await apply(db, [*changes, *await telling(conn, events, personal), *audited])
    return [outcomes[at] for at in range(len(items))]


async def _look_up(db: Connection, items: Sequence[Activity]) -> tuple[dict[identities.Key, Known], dict[str, Found]]:
    """What is known of the identities, and of the leads that are named by their ids."""
    named = {item.whom.lead_id for item in items if item.whom is not None and item.whom.lead_id is not None}
    questions = identities.question({(item.source, item.id) for item in items}), leads.question(named)
    known, found = await ask(db, questions)
    return identities.known_of(known), leads.known_of(found)


async def leads_of(
    items: Sequence[Activity], db: Connection, recorded_at: datetime, known: dict[str, Found] | None = None
) -> list[Found]:
    """The lead of each activity, in order; those that are not known yet are made. `known`: see `resolve`."""
    asked = [item.whom for item in items if item.whom is not None]
    answers = iter(await resolve(db, asked, recorded_at, known) if asked else [])
    found = [Found(None) if item.whom is None else next(answers) for item in items]
    terms = [
        (lead.lead_id, term)
        for item, lead in zip(items, found, strict=True)
        if item.whom is not None and lead.lead_id is not None and not lead.erased
        for term in item.whom.terms
    ]
    if terms:
        await add_terms(db, terms)
        await refuse_erased(db, [lead_id for lead_id, _ in terms])
    return found


def created_by(taken: Sequence[tuple[Activity, Found]], recorded_at: datetime) -> list[Event]:
    """A lead that becomes known here was first heard of at the earliest of these activities."""
    made = {lead.lead_id: item for item, lead in taken if lead.created and lead.lead_id is not None}
    first = {lead_id: item.time for lead_id, item in made.items()}
    for item, lead in taken if made else ():
        if lead.lead_id in first:
            first[lead.lead_id] = min(first[lead.lead_id], item.time)
    return [
        ours(
            made_id("lead-created", lead_id),
            "lead-created",
            lead_id,
            LeadCreated(source=item.source, external_ids=item.whom.external_ids if item.whom else [], via="activity"),
            time=first[lead_id],
            recorded_at=recorded_at,
            traceparent=item.traceparent,
        )
        for lead_id, item in made.items()
    ]


def touch_of(item: Activity, lead: Found) -> Touch:
    """What the row of its lead keeps of an activity."""
    rep = getattr(item.data, "rep", None) or None
    return (lead.lead_id or "", item.time, item.time if rep else None, rep)
