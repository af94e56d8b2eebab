"""Whether a lead may be contacted, and the end of all that is known of the person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import mentions, merging, quarantine
from services.ingest.answers import BasisOf, ConsentAnswer, ConsentEntry, OptOut, RejectedOfImport
from services.ingest.forms import ConsentForm
from services.ingest.items import made_id
from services.ingest.leads import refuse_erased
from services.ingest.quarantine import Kept
from services.ingest.tables import SCHEMA, Connection
from services.ingest.tell import Wish, tell
from shared import dead_letters, lead_keys
from shared.consent import Told, bases_of
from shared.db import driver
from shared.events import LeadConsent, LeadErased
from shared.mistakes import FieldError
from shared.web.idempotency import forget_leads


async def add_consent(conn: AsyncConnection, lead_id: str, form: ConsentForm, wish: Wish) -> None:
    """Keep what was said about contacting the lead, once per request, and tell the log."""
    db = await driver(conn)
    added = await db.fetchval(
        """
        insert into ingest.consents
            (lead_id, basis, evidence, opted_out_at, channels, said_by, recorded_at, request)
        values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing returning number
        """,
        lead_id,
        form.basis,
        form.evidence,
        form.opted_out_at,
        list(form.channels),
        wish.by,
        wish.at,
        wish.request,
    )
    if added is None:
        return
    said = LeadConsent(
        basis=form.basis, evidence=form.evidence, opted_out_at=form.opted_out_at, channels=list(form.channels)
    )
    await refuse_erased(db, [lead_id])
    await tell(conn, [wish.event("lead-consent", lead_id, said)], frozenset())


async def consent_of(db: Connection, lead_ids: Sequence[str]) -> ConsentAnswer:
    """What holds for a lead (the first of the ids) and those merged into it.

    Of each channel the basis told last holds; an opt-out binds from then on, whatever basis is told later.
    """
    rows = await db.fetch(
        """
        select basis, evidence, opted_out_at, channels, said_by, recorded_at from ingest.consents
        where lead_id = any($1::text[]) order by recorded_at desc, number desc
        """,
        list(lead_ids),
    )
    history = [ConsentEntry(**row) for row in rows]
    bases = bases_of(Told(entry.basis, entry.channels, entry.opted_out_at is not None) for entry in reversed(history))
    since: dict[str | None, datetime] = {}
    for entry in history:
        if entry.opted_out_at is not None:
            for channel in (*entry.channels,) or (None,):
                since[channel] = min(since.get(channel, entry.opted_out_at), entry.opted_out_at)
    return ConsentAnswer(
        lead_id=lead_ids[0],
        basis=next((entry.basis for entry in history if entry.basis is not None), None),
        bases=[BasisOf(channel, basis) for channel, basis in sorted(bases.items(), key=lambda item: item[0] or "")],
        opted_out=[OptOut(channel, at) for channel, at in sorted(since.items(), key=lambda item: item[0] or "")],
        history=history,
    )


class Unused(NamedTuple):
    """What came about a person and could not be used."""

    bodies: list[Kept]
    rows: list[RejectedOfImport]


async def unused_of(db: Connection, lead_ids: Sequence[str]) -> Unused:
    """What erasing would find of the person in the quarantine and in reports of imports."""
    emails = await _emails(db, lead_ids)
    found = [await quarantine.read(db, id_) for id_ in await _bodies_with(db, emails)]
    rows = await _rows_with(db, emails)
    return Unused([kept for kept in found if kept is not None], [_rejected(row) for row in rows])


async def _emails(db: Connection, lead_ids: Sequence[str]) -> list[str]:
    """All addresses that the leads ever had."""
    of_these = "lead_id = any($1::text[]) and kind = 'email'"
    rows = await db.fetch(f"select distinct value from ingest.lead_terms where {of_these}", list(lead_ids))  # noqa: S608 - our own text
    return [row["value"] for row in rows]


async def _bodies_with(db: Connection, emails: Sequence[str]) -> list[int]:
    rows = await db.fetch(
        """
        select id, body from ingest.quarantine
        where lower(encode(body, 'escape')) like any($1::text[]) order by id
        """,
        mentions.patterns(emails),
    )
    return [row["id"] for row in rows if mentions.names(row["body"].decode(errors="replace"), emails)]


async def _rows_with(db: Connection, emails: Sequence[str]) -> list[Any]:
    rows = await db.fetch(
        """
        select import_id, row_number, errors::text, cells::text from ingest.import_rejects
        where lower(cells::text) like any($1::text[]) order by import_id, row_number
        """,
        mentions.patterns(emails),
    )
    return [row for row in rows if mentions.names(row["cells"], emails)]


def _rejected(row: Any) -> RejectedOfImport:
    errors = msgspec.json.decode(row["errors"], type=list[FieldError])
    return RejectedOfImport(
        import_id=row["import_id"], row=row["row_number"], errors=errors, cells=msgspec.json.decode(row["cells"])
    )


async def erase(conn: AsyncConnection, lead_id: str, reason: str, wish: Wish) -> datetime:
    """Erase a lead with all that count as it, or that it counts as: they are one person. When it was erased.

    The key is destroyed by which the log, its archives and the other services hold personal values; what ingest holds
    itself is deleted; what was counted stays. Raises LookupError for an unknown lead.
    """
    db = await driver(conn)
    await merging.hold(db)
    rows = await db.fetch(
        """
        with one as (select coalesce(merged_into, lead_id) as survivor from ingest.leads where lead_id = $1)
        select l.lead_id, l.erased_at from ingest.leads l, one
        where l.lead_id = one.survivor or l.merged_into = one.survivor order by l.lead_id for update of l
        """,
        lead_id,
    )
    if not rows:
        raise LookupError(lead_id)
    if all(row["erased_at"] is not None for row in rows):
        erased_at: datetime = min(row["erased_at"] for row in rows)
        return erased_at
    leads = [row["lead_id"] for row in rows]
    await _delete(db, leads, wish.at)
    await forget_leads(conn, leads)
    await lead_keys.destroy(conn, leads)
    await dead_letters.forget(conn, SCHEMA, leads)
    said = LeadErased(reason=reason)
    events = [wish.event("lead-erased", lead, said, id_=made_id("lead-erased", lead)) for lead in leads]
    await tell(conn, events, frozenset())
    return wish.at


_ERASE = (
    "delete from ingest.observations where lead_id = any($1)",
    "delete from ingest.lead_terms where lead_id = any($1)",
    "delete from ingest.lead_keys where lead_id = any($1)",
    "delete from ingest.consents where lead_id = any($1)",
    "delete from ingest.tag_scans where lead_id = any($1)",
    "update ingest.submissions set unmapped = '[]' where lead_id = any($1) and unmapped <> '[]'",
)


async def _delete(db: Connection, leads: Sequence[str], at: datetime) -> None:
    emails = await _emails(db, leads)
    rows = await _rows_with(db, emails)
    await db.execute("delete from ingest.quarantine where id = any($1::bigint[])", await _bodies_with(db, emails))
    await db.execute(
        """
        delete from ingest.import_rejects r using unnest($1::text[], $2::bigint[]) as about(import_id, row_number)
        where (r.import_id, r.row_number) = (about.import_id, about.row_number)
        """,
        [row["import_id"] for row in rows],
        [row["row_number"] for row in rows],
    )
    for statement in _ERASE:
        await db.execute(statement, leads)
    await db.execute("update ingest.leads set erased_at = $2 where lead_id = any($1)", leads, at)
