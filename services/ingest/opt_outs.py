"""Who unsubscribes has opted out: it goes on record with the activity that tells of it, in the same transaction."""

from collections.abc import Sequence
from datetime import datetime

from services.ingest.items import Activity, made_id
from services.ingest.leads import Found, refuse_erased
from services.ingest.tables import Connection
from services.ingest.tell import ours
from shared.consent import opts_out_of
from shared.events import Event, LeadConsent, Touch


async def record(db: Connection, taken: Sequence[tuple[Activity, Found]], recorded_at: datetime) -> list[Event]:
    """Keep the opt-outs among new activities of leads that are not erased, once each. Returns what to tell of them."""
    found = [
        (item, lead.lead_id, channel)
        for item, lead in taken
        if type(item.data) is Touch and lead.lead_id is not None and (channel := opts_out_of(item.data)) is not None
    ]
    if not found:
        return []
    events = [_event(item, lead_id, channel, recorded_at) for item, lead_id, channel in found]
    await db.executemany(
        """
        insert into ingest.consents (lead_id, evidence, opted_out_at, channels, said_by, recorded_at, request)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
        """,
        [
            (lead_id, _evidence(item), item.time, [channel], item.by.who, recorded_at, event.id)
            for (item, lead_id, channel), event in zip(found, events, strict=True)
        ],
    )
    await refuse_erased(db, [lead_id for _, lead_id, _ in found])
    return events


def _event(item: Activity, lead_id: str, channel: str, recorded_at: datetime) -> Event:
    return ours(
        made_id("lead-consent", item.source, item.id),
        "lead-consent",
        lead_id,
        LeadConsent(evidence=_evidence(item), opted_out_at=item.time, channels=[channel]),
        time=item.time,
        recorded_at=recorded_at,
        traceparent=item.traceparent,
    )


def _evidence(item: Activity) -> str:
    return f"unsubscribed: {item.source} {item.id}"
