"""Who read and changed what."""

from datetime import datetime

import msgspec

from services.ingest import store
from services.ingest.context import Context
from shared.audit import AuditEntry
from shared.audit_log import entries
from shared.web import Answer, Call, Number, Paging, page, read_cursor


class AuditSearch(Paging, kw_only=True):
    """The query of the audit log; what is given must all hold. `lead_id`: also what is on record of those merged into
    it. `since` is part of the time asked for, `until` is not."""

    lead_id: str | None = None
    who: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditPage(msgspec.Struct, frozen=True):
    """Entries of the audit log, the latest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class AuditHandlers:
    """The handler of `/v1/audit`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def search(self, call: Call[None, AuditSearch]) -> Answer:
        """The entries that were asked for; also of a lead that was erased, whose id is all that is left of it."""
        query = call.query
        before = read_cursor(query.cursor, Number)
        async with self._context.database() as db:
            leads = [] if query.lead_id is None else await store.family(db, query.lead_id)
            found = await entries(
                db,
                lead_ids=leads,
                who=query.who,
                since=query.since,
                until=query.until,
                before=before,
                limit=query.limit + 1,
            )
        return Answer(page(found, query.limit, lambda entry: entry.number))
