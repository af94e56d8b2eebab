"""Who unsubscribes has opted out: it goes on record with the activity that tells of it, in the same transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from services.ingest.items import Activity, made_id
from services.ingest.leads import Found, by_id, refuse_erased
from services.ingest.tables import Connection
from services.ingest.tell import ours
from shared.consent import opts_out_of
from shared.events import Correction, Event, LeadConsent, Timestamp, Touch


class _OptOut(NamedTuple):
    """`source` and `id`: of the event that tells of it."""

    lead_id: str
    channel: str
    time: datetime
    source: str
    id: str
    said_by: str
    traceparent: str | None

    @property
    def evidence(self) -> str:
        return f"unsubscribed: {self.source} {self.id}"


async def record(db: Connection, taken: Sequence[tuple[Activity, Found]], recorded_at: datetime) -> list[Event]:
    """Keep the opt-outs among new activities of leads that are not erased, once each. Returns what to tell of them."""
    return await _keep(
        db,
        [
            _OptOut(lead.lead_id, channel, item.time, item.source, item.id, item.by.who, item.traceparent)
            for item, lead in taken
            if type(item.data) is Touch and lead.lead_id is not None and (channel := opts_out_of(item.data)) is not None
        ],
        recorded_at,
    )


async def record_corrected(db: Connection, corrections: Sequence[Event], recorded_at: datetime) -> list[Event]:
    """The same of touches that a correction makes those of somebody who unsubscribes. The opt-out holds since the time
    that the correction gives the touch, or where it gives none since its own: that of the touch is not kept here."""
    found = []
    for event in corrections:
        if (now := _replacement(event)) is not None and (channel := opts_out_of(now.touch)) is not None:
            time, source = now.occurred_at or event.time, event.source
            found.append(_OptOut(event.subject, channel, time, source, event.id, source, event.traceparent))
    leads = await by_id(db, {one.lead_id for one in found})
    alive = {lead_id for lead_id, lead in leads.items() if not lead.erased}  # what is about no lead is in neither
    return await _keep(db, [one for one in found if one.lead_id in alive], recorded_at)


class _Replacement(NamedTuple):
    touch: Touch
    occurred_at: datetime | None


def _replacement(event: Event) -> _Replacement | None:
    """The touch that a correction puts in the place of what it corrects; None where that is something else."""
    if not isinstance(event.data, Correction) or event.data.data is None:
        return None
    said = {name: msgspec.json.decode(raw) for name, raw in event.data.data.items()}
    try:
        touch, occurred_at = msgspec.convert(said, Touch), msgspec.convert(said.get("occurred_at"), Timestamp | None)
    except msgspec.ValidationError:
        return None
    return _Replacement(touch, occurred_at and occurred_at.astimezone(UTC))


async def _keep(db: Connection, found: Sequence[_OptOut], recorded_at: datetime) -> list[Event]:
    if not found:
        return []
    events = [_event(one, recorded_at) for one in found]
    await db.executemany(
        """
        insert into ingest.consents (lead_id, evidence, opted_out_at, channels, said_by, recorded_at, request)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
        """,
        [
            (one.lead_id, one.evidence, one.time, [one.channel], one.said_by, recorded_at, event.id)
            for one, event in zip(found, events, strict=True)
        ],
    )
    await refuse_erased(db, [one.lead_id for one in found])
    return events


def _event(one: _OptOut, recorded_at: datetime) -> Event:
    return ours(
        made_id("lead-consent", one.source, one.id),
        "lead-consent",
        one.lead_id,
        LeadConsent(evidence=one.evidence, opted_out_at=one.time, channels=[one.channel]),
        time=one.time,
        recorded_at=recorded_at,
        traceparent=one.traceparent,
    )
