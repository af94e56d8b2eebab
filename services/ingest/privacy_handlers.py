"""Consent and erasure."""

from services.ingest import privacy
from services.ingest.activities import check_time
from services.ingest.answers import Erased
from services.ingest.context import Context, unknown_lead
from services.ingest.forms import ConsentForm, EraseForm
from services.ingest.privacy import Wish
from shared.db import retried, transaction
from shared.telemetry import current_traceparent
from shared.web import Answer, Call, invalid


class PrivacyHandlers:
    """The handlers of `/v1/leads/{id}/consent` and `/v1/leads/{id}/erase`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def post_consent(self, call: Call[ConsentForm]) -> Answer:
        """On what basis the lead may be contacted, or that it may not; the answer is what holds now."""
        form, wish = call.body, self._wish(call)
        if form.opted_out_at is not None and (errors := check_time(form.opted_out_at, "/opted_out_at", wish.at)):
            raise invalid(errors)
        lead_id = (await self._context.lead(call.path["id"])).lead_id
        async with transaction(self._context.engine) as conn:
            await privacy.add_consent(conn, lead_id, form, wish)
        return await self._consent(call, 201)

    async def get_consent(self, call: Call) -> Answer:
        """Whether the lead may be contacted, and all that was said about it."""
        return await self._consent(call, 200)

    async def erase(self, call: Call[EraseForm]) -> Answer:
        """Destroy all personal data of a lead; what was counted stays. Erasing again changes nothing."""
        lead_id, wish = call.path["id"], self._wish(call)

        async def once() -> Erased:
            async with transaction(self._context.engine) as conn:
                return Erased(lead_id, await privacy.erase(conn, lead_id, call.body.reason, wish))

        try:
            return Answer(await retried(once))
        except LookupError as error:
            raise unknown_lead(lead_id) from error

    async def _consent(self, call: Call, status: int) -> Answer:
        row = await self._context.lead(call.path["id"])
        async with self._context.database() as db:
            return Answer(await privacy.consent_of(db, [row.lead_id, *row.merged_ids]), status)

    def _wish(self, call: Call) -> Wish:
        key = call.idempotency_key
        request = None if key is None else f"{call.caller.name} {key}"
        return Wish(self._context.clock.now(), call.caller.name, request, current_traceparent())
