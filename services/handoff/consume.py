"""What handoff does with the events of leads and activities, all in the transaction that moves the positions."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff import erasure, gate, policies
from services.handoff.facts import known, take
from services.handoff.handover import hand_over_if_ready
from services.handoff.rules import Rules
from services.handoff.tables import SCHEMA
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
        touched = await take(conn, received)
        if not touched:
            return
        now = self._clock.now()
        await erasure.take(conn, [r.event for r in received], self._rules.registry.personal)
        await gate.through_gate(conn, self._rules.ladder, self._rules.registry, touched, now)
        if (await policies.deciding(conn, business_date(now, self._rules.zone))).policy.automatic:
            for lead_id in await known(conn, touched):
                await hand_over_if_ready(conn, self._rules, lead_id, now)
