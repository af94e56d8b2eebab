"""The background task that sends what endpoints are told.

Each process sends to each endpoint at most AT_ONCE deliveries at a time, those of one lead one after the other. What is
in flight when the process is killed is sent again by whoever takes it up: under the same `webhook-id`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.handoff.webhooks import deliveries
from services.handoff.webhooks.content import Content
from services.handoff.webhooks.deliveries import Attempt, Due
from services.handoff.webhooks.endpoints import WebhookEndpoint
from services.handoff.webhooks.schedule import TRIES, pause_s
from services.handoff.webhooks.send import GONE, Sender, Sent
from shared.backoff import Backoff
from shared.clock import Clock
from shared.db import DatabaseUnavailable, is_retryable, transaction
from shared.notify import Notices, Waker
from shared.telemetry import Telemetry

AT_ONCE = 4
LOOK_S = 60.0
"""How often somebody looks for deliveries that another replica took and did not finish."""
FINISH_S = 2.0
"""How long a process that stops waits for what is in flight; what is cut then is sent again."""
BROKEN_OFF = "each attempt was broken off by handoff itself; its log says why"


class WebhookWorker:
    """Sends deliveries to the endpoints. chance: evenly from 0 to 1, for jitter."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        endpoints: Mapping[str, WebhookEndpoint],
        content: Content,
        sender: Sender,
        telemetry: Telemetry,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._endpoints = endpoints
        self._content = content
        self._sender = sender
        self._log = telemetry.log
        self._count = telemetry.metrics.webhook_deliveries
        self._chance = chance
        self._notices = Notices(engine)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`."""
        wakers = [
            (endpoint, self._notices.waker(deliveries.CHANNEL, {endpoint.id}))
            for endpoint in self._endpoints.values()
            for _ in range(AT_ONCE)
        ]
        workers = {asyncio.create_task(self._work(endpoint, waker, stop)) for endpoint, waker in wakers}
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({stopping, *workers}, return_when=asyncio.FIRST_COMPLETED)
            for _, waker in wakers:
                waker.wake()
            if workers and stop.is_set():
                await asyncio.wait(workers, timeout=FINISH_S)
            for worker in workers:
                if worker.done():
                    worker.result()
        finally:
            for task in (stopping, *workers):
                task.cancel()
            await asyncio.wait({stopping, *workers})
            await self._notices.close()

    async def _work(self, endpoint: WebhookEndpoint, waker: Waker, stop: asyncio.Event) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.send_one(endpoint):
                    pass
                await waker.wait(await self._until_due(endpoint))
                backoff.reset()
            except DatabaseUnavailable as error:
                self._log.warning("webhooks_wait", endpoint=endpoint.id, reason=type(error).__name__)
                await backoff.wait(stop)
            except Exception as error:  # the delivery is taken up again when its lease is over
                level = self._log.info if is_retryable(error) else self._log.error
                level("webhook_broke_off", endpoint=endpoint.id, exc_info=error)
                await backoff.wait(stop)

    async def send_one(self, endpoint: WebhookEndpoint) -> bool:
        """Send the delivery of an endpoint that is due; False: there is none. Raises DatabaseUnavailable."""
        async with self._database() as conn:
            due = await deliveries.take(conn, endpoint.id, self._clock.now())
        if due is None:
            return False
        if due.attempts > TRIES:
            await self._give_up(due, Attempt(self._clock.now(), None, BROKEN_OFF))
            return True
        async with self._database() as conn:
            post = await self._content.post(conn, endpoint, due.event)
        sent = await self._sender.send(endpoint, due.event.id, post)
        attempt = Attempt(self._clock.now(), sent.answer, sent.reason)
        if sent.reason is None:
            async with self._database() as conn:
                await deliveries.finish(conn, due, "delivered", attempt)
            self._count.labels(endpoint.id, "delivered").inc()
        elif sent.answer == GONE:
            await self._disable(endpoint, due, attempt)
        else:
            await self._failed(due, attempt, sent)
        return True

    async def _disable(self, endpoint: WebhookEndpoint, due: Due, attempt: Attempt) -> None:
        """What waits for an endpoint that is gone goes on waiting, this delivery too."""
        async with self._database() as conn:
            await deliveries.disable(conn, endpoint.id, endpoint.digest, attempt.at)
            await deliveries.keep(conn, due, attempt)
        self._log.error("webhook_endpoint_gone", endpoint=endpoint.id)
        self._count.labels(endpoint.id, "gone").inc()

    async def _failed(self, due: Due, attempt: Attempt, sent: Sent) -> None:
        self._log.warning(
            "webhook_failed", endpoint=due.endpoint, number=due.number, attempt=due.attempts, reason=attempt.reason
        )
        if due.attempts >= TRIES:
            await self._give_up(due, attempt)
            return
        wait_s = max(pause_s(due.attempts, self._chance()), sent.asked_pause_s or 0.0)
        async with self._database() as conn:
            if sent.asked_pause_s is not None:
                await deliveries.pause(conn, due.endpoint, attempt.at + timedelta(seconds=sent.asked_pause_s))
            await deliveries.postpone(conn, due, attempt, attempt.at + timedelta(seconds=wait_s))
        self._count.labels(due.endpoint, "failed").inc()

    async def _give_up(self, due: Due, attempt: Attempt) -> None:
        async with self._database() as conn:
            await deliveries.finish(conn, due, "dead", attempt)
        self._log.error("webhook_given_up", endpoint=due.endpoint, number=due.number, attempts=due.attempts)
        self._count.labels(due.endpoint, "dead").inc()

    async def _until_due(self, endpoint: WebhookEndpoint) -> float:
        async with self._database() as conn:
            due = await deliveries.next_due(conn, endpoint.id, self._clock.now())
        return LOOK_S if due is None else min(LOOK_S, max(0.1, due.total_seconds()))

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[AsyncConnection]:
        async with transaction(self._engine) as conn:
            yield conn
