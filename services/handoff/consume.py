"""What handoff does with the events of leads and activities, all in the transaction that moves the positions."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff import erasure, gate, policies
from services.handoff.emit import caused_by
from services.handoff.facts import known, take
from services.handoff.handover import hand_over_ready
from services.handoff.merges import members
from services.handoff.rules import Rules
from services.handoff.tables import SCHEMA
from shared import lead_keys
from shared.clock import Clock
from shared.consume import Received, SeenTable
from shared.events import ACTIVITIES, LEADS
from shared.periods import business_date

TOPICS = (LEADS, ACTIVITIES)


class Takes(SeenTable):
    """Stores facts, enters stages, and hands over by itself where the policy says so."""

    def __init__(self, rules: Rules, clock: Clock) -> None:
        super().__init__(SCHEMA)
        self._rules = rules
        self._clock = clock

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        received = await lead_keys.seal_foreign(conn, received, self._rules.registry.personal)
        touched = await take(conn, received)
        if not touched:
            return
        now = self._clock.now()
        await erasure.take(conn, [r.event for r in received], self._rules.registry.personal)
        with caused_by(await _causes(conn, received, touched)):
            await gate.through_gate(conn, self._rules.ladder, self._rules.registry, touched, now)
            policy = await policies.deciding_if_any(conn, business_date(now, self._rules.zone))
            if policy is not None and policy.policy.automatic:  # facts are taken also while none is valid
                await hand_over_ready(conn, self._rules, await known(conn, touched), now)


async def _causes(conn: AsyncConnection, received: Sequence[Received], touched: Sequence[str]) -> dict[str, str]:
    """The traceparent of the last event about each lead; for a survivor also about those that were merged into it."""
    causes = {event.subject: event.traceparent for _, event in received if event.traceparent}
    survivors = [lead_id for lead_id in touched if lead_id not in causes]
    if causes and survivors:
        for member, survivor in (await members(conn, survivors)).items():
            if member in causes:
                causes[survivor] = causes[member]
    return causes
