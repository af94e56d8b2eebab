"""What the handlers of ingest share."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest import store
from services.ingest.answers import LeadAnswer, lead_answer
from services.ingest.group import GroupCommit, Item, Overloaded, Result
from services.ingest.items import LeadRow
from services.ingest.record import Recorder
from services.ingest.submissions import Arrival
from services.ingest.tables import Connection
from services.ingest.tell import Wish
from shared.audit import By
from shared.clock import Clock
from shared.config import Config
from shared.db import driver, snapshot, transaction
from shared.telemetry import Telemetry, current_traceparent
from shared.web import Call, FieldError, Problem, not_found
from shared.web.problems import unavailable


@dataclass(frozen=True)
class Context:
    """The service's parts, for its handlers."""

    engine: AsyncEngine
    clock: Clock
    config: Config
    zone: ZoneInfo
    recorder: Recorder
    telemetry: Telemetry

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        """A transaction's connection. Raises DatabaseUnavailable."""
        async with transaction(self.engine) as conn:
            yield await driver(conn)

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[Connection]:
        """A connection for reading, to all of whose statements the leads are as at one moment: another request may
        merge or erase them in between. Raises DatabaseUnavailable."""
        async with snapshot(self.engine) as conn:
            yield await driver(conn)

    def arrival(self, call: Call) -> Arrival:
        """How a request came; its Idempotency-Key seeds the ids of what it brings."""
        now = self.clock.now()
        key = call.idempotency_key
        return Arrival(
            at=now,
            day=now.astimezone(self.zone).date().isoformat(),
            by=by_of(call),
            seed=None if key is None else f"{call.caller.name} {key}",
            traceparent=current_traceparent(),
        )

    def wish(self, call: Call) -> Wish:
        """What a request wants done with a lead."""
        key = call.idempotency_key
        request = None if key is None else f"{call.caller.name} {key}"
        return Wish(self.clock.now(), call.caller.name, request, current_traceparent())

    async def submit(self, queue: GroupCommit[Item, Result], items: Sequence[Item]) -> Sequence[Result]:
        """Results once they are durable. Raises Problem 503 when too much waits, DatabaseUnavailable."""
        with self.telemetry.step("commit"):
            try:
                return await queue.submit(items)
            except Overloaded as error:
                raise unavailable("queue of ingest") from error

    async def lead(self, lead_id: str) -> LeadRow:
        """A lead or the survivor of its merge. Raises Problem 404 or 410."""
        async with self.moment() as db:
            found = await store.standing(db, lead_id)
            if found is None:
                raise unknown_lead(lead_id)
            if found.erased:
                raise erased_lead()
            return (await store.read_leads(db, [found.lead_id]))[0]

    def answer(self, row: LeadRow) -> LeadAnswer:
        """The lead's document."""
        return lead_answer(row, self.config.fields)


def address_of(lead_id: str) -> str:
    """Where a lead is found; an id may hold anything printable, and a header takes ASCII alone."""
    return f"/v1/leads/{quote(lead_id, safe='')}"


def by_of(call: Call) -> By:
    """Who sends a request, for the audit log; a webhook has no key, but a source."""
    return By(call.caller.name, call.operation) if call.caller.name else by_webhook(call.path["source"])


def by_webhook(source: str) -> By:
    """Who tells what a webhook's source tells, at once or when it is fetched."""
    return By(f"webhook:{source}", "POST /v1/webhooks/{source}")


def unknown_lead(lead_id: str) -> Problem:
    return not_found(f"There is no lead {lead_id[:200]}.")


def erased_lead() -> Problem:
    return Problem(410, "lead-erased", "The lead was erased", "Its personal data is gone and cannot be given again.")


def identity_conflict(errors: Sequence[FieldError] = ()) -> Problem:
    told = "The same source and id came before with other content; an event never changes. Send a correction instead."
    return Problem(409, "identity-conflict", "The identity belongs to another event", told, errors=errors)
