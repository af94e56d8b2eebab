"""Scans of a lead's website for tags: asking for one, and what became of the last."""

from services.ingest.answers import TagScanAnswer
from services.ingest.context import Context, address_of
from services.ingest.submissions import takes_tags
from services.ingest.tags import scans
from services.ingest.tags.scans import Scan
from shared.web import Answer, Call, Problem, not_found


class TagHandlers:
    """The handlers of `/v1/leads/{id}/tag-scan`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def post(self, call: Call) -> Answer:
        """Have the lead's website looked at; the scan itself is done in the background."""
        registry = self._context.config.fields
        if not takes_tags(registry):
            detail = "fields.yaml has no field `website_tags` of type list that a tool may supply; add it as shipped."
            raise Problem(409, "no-website-tags", "There is no field for the tags", detail)
        lead = await self._context.lead(call.path["id"])
        if "website" not in self._context.answer(lead).fields:
            detail = "The lead has no website; give one in the field `website` first."
            raise Problem(409, "no-website", "There is nothing to fetch", detail)
        async with self._context.database() as db:
            scan = await scans.ask_for(db, lead.lead_id, self._context.clock.now())
        return Answer(_answer(scan), 202, {"Location": f"{address_of(lead.lead_id)}/tag-scan"})

    async def get(self, call: Call) -> Answer:
        """The last scan."""
        lead = await self._context.lead(call.path["id"])
        async with self._context.database() as db:
            scan = await scans.read(db, lead.lead_id)
        if scan is None:
            raise not_found("The lead's website was never looked at for tags; POST here to have it done.")
        return Answer(_answer(scan))


def _answer(scan: Scan) -> TagScanAnswer:
    return TagScanAnswer(
        lead_id=scan.lead_id,
        scan_id=scan.scan_id,
        state=scan.state,
        requested_at=scan.requested_at,
        attempts=scan.attempts,
        next_attempt_at=scan.next_at if scan.state == "queued" else None,
        website=scan.website,
        observed_at=scan.observed_at,
        tags=scan.tags,
        finished_at=scan.finished_at,
        reason=scan.reason,
    )
