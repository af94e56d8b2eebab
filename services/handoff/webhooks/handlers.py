"""What operators ask of webhooks: how endpoints stand, what became of deliveries, once more, and a test."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.handoff.emit import SOURCE
from services.handoff.webhooks import deliveries
from services.handoff.webhooks.content import Content
from services.handoff.webhooks.deliveries import Row, State, Status
from services.handoff.webhooks.endpoints import WebhookEndpoint
from services.handoff.webhooks.send import Sender
from shared.clock import Clock
from shared.db import transaction
from shared.events import Data, Event
from shared.web import Answer, Call, Endpoint, Number, Paging, Problem, not_found, page, read_cursor

NOTHING = State(None, None, 0, None)


class Shown(msgspec.Struct, kw_only=True):
    """An endpoint. `origin` is what of its address is no secret; `state` says whether it gets anything now."""

    id: str
    format: str
    origin: str
    events: tuple[str, ...]
    segments: list[str] | None
    owners: list[str] | None
    state: Literal["active", "paused", "disabled"]
    disabled_at: datetime | None
    paused_until: datetime | None
    pending: int
    oldest_pending_at: datetime | None


class Endpoints(msgspec.Struct):
    """A page of endpoints, by id."""

    items: list[Shown]
    next_cursor: str | None


class Delivery(msgspec.Struct, kw_only=True):
    """One event for one endpoint, and what became of it. `answer`: the HTTP status of the last attempt."""

    id: str
    endpoint: str
    event_id: str
    event: str
    lead_id: str
    status: Status
    attempts: int
    made_at: datetime
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    answer: int | None
    reason: str | None
    finished_at: datetime | None


class Deliveries(msgspec.Struct):
    """A page of deliveries, the latest first."""

    items: list[Delivery]
    next_cursor: str | None


class DeliveryQuery(Paging, kw_only=True):
    """`GET /v1/webhooks/deliveries`"""

    endpoint: str | None = None
    status: Status | None = None


class Tested(msgspec.Struct):
    """How a test went. `answer`: the HTTP status, null where none came; `reason`: why it was not taken."""

    endpoint: str
    delivered: bool
    answer: int | None
    reason: str | None


class WebhookTest(Data, frozen=True, kw_only=True):
    """The data of what a test tells: it is no event, and stands in no log."""

    endpoint: str


class WebhookHandlers:
    """The handlers of /v1/webhooks."""

    def __init__(
        self,
        engine: AsyncEngine,
        endpoints: Mapping[str, WebhookEndpoint],
        content: Content,
        sender: Sender,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._endpoints = endpoints
        self._content = content
        self._sender = sender
        self._clock = clock

    def table(self) -> list[Endpoint]:
        one = "/v1/webhooks/{endpoint}"
        return [
            Endpoint(
                method="GET",
                path="/v1/webhooks",
                handler=self.list_endpoints,
                scope="admin",
                summary="The endpoints that are told what happens, and how each stands",
                query=Paging,
                answers={200: Endpoints},
            ),
            Endpoint(
                method="GET",
                path="/v1/webhooks/deliveries",
                handler=self.list_deliveries,
                scope="admin",
                summary="What endpoints were told, the latest first",
                query=DeliveryQuery,
                answers={200: Deliveries},
            ),
            Endpoint(
                method="POST",
                path="/v1/webhooks/deliveries/{id}/replay",
                handler=self.replay,
                scope="admin",
                summary="Send a delivery that is over once more",
                answers={200: Delivery, 404: None, 409: None},
            ),
            Endpoint(
                method="POST",
                path=f"{one}/test",
                handler=self.test,
                scope="admin",
                summary="Post a test to an endpoint now; the answer says how that went",
                answers={200: Tested, 404: None},
            ),
            Endpoint(
                method="POST",
                path=f"{one}/enable",
                handler=self.enable,
                scope="admin",
                summary="Send to an endpoint again that had answered 410, or had asked for a pause",
                answers={200: Shown, 404: None},
            ),
        ]

    async def list_endpoints(self, call: Call[None, Paging]) -> Answer:
        after = read_cursor(call.query.cursor, str) or ""
        ids = [id_ for id_ in sorted(self._endpoints) if id_ > after][: call.query.limit + 1]
        states = await self._states()
        shown = [self._shown(self._endpoints[id_], states) for id_ in ids]
        return Answer(page(shown, call.query.limit, lambda endpoint: endpoint.id))

    async def list_deliveries(self, call: Call[None, DeliveryQuery]) -> Answer:
        query = call.query
        before = read_cursor(query.cursor, Number)
        async with transaction(self._engine) as conn:
            rows = await deliveries.page_of(conn, query.endpoint, query.status, before, query.limit + 1)
        paged = page(rows, query.limit, lambda row: row.number)
        return Answer(paged | {"items": [_delivery(row) for row in paged["items"]]})

    async def replay(self, call: Call) -> Answer:
        """One that is pending is sent anyway, so that a repetition of the request changes nothing."""
        id_ = call.path["id"]
        number = int(id_) if id_.isascii() and id_.isdecimal() and len(id_) < 19 else 0
        async with transaction(self._engine) as conn:
            row = await deliveries.get(conn, number)
            if row is None:
                raise not_found(f"There is no delivery {id_[:20]}; what was done is kept for a time only.")
            if row.endpoint not in self._endpoints:
                raise _removed(row.endpoint)
            await deliveries.replay(conn, number, self._clock.now())
            again = await deliveries.get(conn, number) or row
        return Answer(_delivery(again))

    async def test(self, call: Call) -> Answer:
        endpoint = self._endpoint(call)
        event = _test_event(endpoint.id, self._clock.now())
        async with transaction(self._engine) as conn:
            post = await self._content.post(conn, endpoint, event)
        sent = await self._sender.send(endpoint, event.id, post)
        return Answer(Tested(endpoint.id, sent.reason is None, sent.answer, sent.reason))

    async def enable(self, call: Call) -> Answer:
        endpoint = self._endpoint(call)
        async with transaction(self._engine) as conn:
            await deliveries.enable(conn, endpoint.id)
        return Answer(self._shown(endpoint, await self._states()))

    def _endpoint(self, call: Call) -> WebhookEndpoint:
        found = self._endpoints.get(call.path["endpoint"])
        if found is None:
            raise not_found(f"webhooks.yaml names no endpoint {call.path['endpoint'][:100]}.")
        return found

    async def _states(self) -> dict[str, State]:
        async with transaction(self._engine) as conn:
            return await deliveries.states(conn)

    def _shown(self, endpoint: WebhookEndpoint, states: Mapping[str, State]) -> Shown:
        state, webhook = states.get(endpoint.id, NOTHING), endpoint.webhook
        paused = state.paused_until is not None and state.paused_until > self._clock.now()
        return Shown(
            id=endpoint.id,
            format=webhook.format,
            origin=endpoint.origin,
            events=webhook.events,
            segments=webhook.segments,
            owners=webhook.owners,
            state="disabled" if state.gone_at else "paused" if paused else "active",
            disabled_at=state.gone_at,
            paused_until=state.paused_until if paused else None,
            pending=state.pending,
            oldest_pending_at=state.oldest,
        )


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=str(row.number),
        endpoint=row.endpoint,
        event_id=row.event_id,
        event=row.name,
        lead_id=row.lead_id,
        status=row.status,
        attempts=row.attempts,
        made_at=row.made_at,
        next_attempt_at=row.next_at if row.status == "pending" else None,
        last_attempt_at=row.last_at,
        answer=row.answer,
        reason=row.reason,
        finished_at=row.finished_at,
    )


def _test_event(endpoint: str, now: datetime) -> Event:
    return Event(
        id=str(uuid4()),
        source=SOURCE,
        name="webhook-test",
        time=now,
        subject="",
        key=endpoint,
        recorded_at=now,
        data=WebhookTest(endpoint=endpoint),
    )


def _removed(endpoint: str) -> Problem:
    detail = f"webhooks.yaml names no endpoint {endpoint} any more; add it again, restart, and replay."
    return Problem(409, "endpoint-removed", "The endpoint was removed", detail)
