"""Consent and erasure."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import privacy, quarantine, store
from services.ingest.activities import check_time
from services.ingest.answers import Erased, PersonExport, observation_answers, unmapped_answers
from services.ingest.context import Context, unknown_lead
from services.ingest.forms import ConsentForm, EraseForm
from shared.db import in_transaction, retried, transaction
from shared.web import Answer, Call, invalid


class PrivacyHandlers:
    """The handlers of `/v1/leads/{id}/consent`, `/v1/leads/{id}/export` and `/v1/leads/{id}/erase`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def post_consent(self, call: Call[ConsentForm]) -> Answer:
        """On what basis the lead may be contacted, or that it may not; the answer is what holds now."""
        form, wish = call.body, self._context.wish(call)
        if form.opted_out_at is not None and (errors := check_time(form.opted_out_at, "/opted_out_at", wish.at)):
            raise invalid(errors)

        async def once() -> None:
            await self._context.lead(call.path["id"])
            async with transaction(self._context.engine) as conn:  # with the lead itself, if they part again
                await privacy.add_consent(conn, call.path["id"], form, wish)

        await retried(once)
        return await self._consent(call, 201)

    async def get_consent(self, call: Call) -> Answer:
        """Whether the lead may be contacted, and all that was said about it."""
        return await self._consent(call, 200)

    async def export(self, call: Call) -> Answer:
        """All that is held on the person, to be handed out on request."""
        row = await self._context.lead(call.path["id"])
        ids = [row.lead_id, *row.merged_ids]
        async with self._context.database() as db:
            kept, consent = await store.read_unmapped(db, ids), await privacy.consent_of(db, ids)
            unused = await privacy.unused_of(db, ids)
        registry = self._context.config.fields
        return Answer(
            PersonExport(
                lead=self._context.answer(row),
                merged_ids=row.merged_ids,
                observations=observation_answers(row, registry),
                unmapped=unmapped_answers(kept),
                consent=consent,
                unusable=[quarantine.shown(entry, call.caller) for entry in unused.bodies],
                rejected_rows=unused.rows,
            )
        )

    async def erase(self, call: Call[EraseForm]) -> Answer:
        """Destroy all personal data of a lead; what was counted stays. Erasing again changes nothing."""
        lead_id, wish = call.path["id"], self._context.wish(call)

        async def work(conn: AsyncConnection) -> Erased:
            return Erased(lead_id, await privacy.erase(conn, lead_id, call.body.reason, wish))

        try:
            return Answer(await in_transaction(self._context.engine, work))
        except LookupError as error:
            raise unknown_lead(lead_id) from error

    async def _consent(self, call: Call, status: int) -> Answer:
        row = await self._context.lead(call.path["id"])
        async with self._context.database() as db:
            return Answer(await privacy.consent_of(db, [row.lead_id, *row.merged_ids]), status)
