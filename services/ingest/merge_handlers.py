"""Leads that are one: merging, undoing it, and the review of those that might be."""

from services.ingest import merging
from services.ingest.answers import DuplicateAnswer
from services.ingest.context import Context, erased_lead, unknown_lead
from services.ingest.forms import MergeForm
from services.ingest.merging import ErasedLead, NotMerged, Ring, UnknownLead
from shared.db import transaction
from shared.web import Answer, Call, FieldError, Paging, Problem, invalid, page, read_cursor


class MergeHandlers:
    """The handlers of `/v1/leads/{id}/merge`, `/v1/leads/{id}/unmerge` and `/v1/duplicates`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def merge(self, call: Call[MergeForm]) -> Answer:
        """Have a lead count as another one; the answer is the survivor."""
        lead_id, into = call.path["id"], call.body.into
        if lead_id == into:
            raise invalid([FieldError("/into", "is the lead itself; name the one that survives")])
        try:
            async with transaction(self._context.engine) as conn:
                survivor = await merging.merge(conn, lead_id, into, self._context.wish(call))
        except UnknownLead as error:
            unknown = str(error.args[0])
            if unknown == into:
                raise invalid([FieldError("/into", f"there is no lead {into[:200]}")]) from error
            raise unknown_lead(unknown) from error
        except ErasedLead as error:
            raise erased_lead() from error
        except Ring as error:
            detail = (
                f"{into[:200]} counts as {lead_id[:200]} already; unmerge it first, or merge it the other way round."
            )
            raise Problem(409, "merge-ring", "The leads are merged the other way round", detail) from error
        return Answer(self._context.answer(await self._context.lead(survivor)))

    async def unmerge(self, call: Call) -> Answer:
        """Have a merged lead stand by itself again; the answer is that lead."""
        lead_id = call.path["id"]
        try:
            async with transaction(self._context.engine) as conn:
                await merging.unmerge(conn, lead_id, self._context.wish(call))
        except UnknownLead as error:
            raise unknown_lead(lead_id) from error
        except ErasedLead as error:
            raise erased_lead() from error
        except NotMerged as error:
            detail = "It is merged into no other lead. Name the lead that was merged away, not the one that survived."
            raise Problem(409, "not-merged", "There is nothing to undo", detail) from error
        return Answer(self._context.answer(await self._context.lead(lead_id)))

    async def list_duplicates(self, call: "Call[None, Paging]") -> Answer:
        """Leads that share an e-mail address or a phone; whether they are one is for a human to say."""
        after = read_cursor(call.query.cursor, tuple[str, str])
        async with self._context.database() as db:
            found = await merging.duplicates(db, after, call.query.limit + 1)
        paged = page(found, call.query.limit, lambda one: (one.kind, one.value))
        items = [DuplicateAnswer(one.kind, one.value, one.lead_ids) for one in paged["items"]]
        return Answer(paged | {"items": items})
