"""The background task that fetches the submissions behind thin notices."""

import asyncio
import os
from collections.abc import Mapping, Sequence

import httpx
import msgspec

from services.ingest import fetches, quarantine
from services.ingest.activities import Refused
from services.ingest.context import Context, by_webhook
from services.ingest.fetches import Due
from services.ingest.group import Overloaded
from services.ingest.intake import Intake
from services.ingest.items import Outcome
from services.ingest.providers import Access, Form, Nothing, Unusable, with_provider
from services.ingest.providers.encodings import JSON
from services.ingest.submissions import Arrival
from shared.backoff import Backoff
from shared.config.sources import Source
from shared.db import DatabaseUnavailable
from shared.mistakes import FieldError
from shared.notify import Notices

TIMEOUT_S = 20.0
LOOK_S = 60.0
"""How often somebody looks for notices that another replica took and did not finish."""


class Fetcher:
    """Takes one notice after the other, the longest due first."""

    def __init__(self, context: Context, intake: Intake) -> None:
        self._context = context
        self._intake = intake
        self._sources = {
            source.id: known
            for source in context.config.sources.values()
            if source.token_env is not None and (known := with_provider(source)) is not None
        }
        self._notices = Notices(context.engine)
        self._waker = self._notices.waker(fetches.CHANNEL)

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch until `stop`. What is in work then is fetched again later."""
        if not self._sources:
            await stop.wait()
            return
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.wait({working, stopping})
            await self._notices.close()

    async def _work(self) -> None:
        backoff, never = Backoff(), asyncio.Event()
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            while True:
                try:
                    while await self.fetch_one(client):
                        backoff.reset()
                    await self._waker.wait(await self._until_due())
                except (DatabaseUnavailable, Overloaded) as error:
                    self._context.telemetry.log.warning("fetcher_waits", reason=type(error).__name__)
                    await backoff.wait(never)

    async def fetch_one(self, client: httpx.AsyncClient) -> bool:
        """Fetch the submission that is due; False: there is none. Raises DatabaseUnavailable, Overloaded."""
        async with self._context.database() as db:
            due = await fetches.take(db, list(self._sources), self._context.clock.now())
        if due is None:
            return False
        source, provider = self._sources[due.source]
        try:
            entry = await provider.fetch(client, due.reference, _access(source, os.environ))
            if isinstance(entry, Nothing):
                await self._end(due, "done", "ignored", entry.reason)
            else:
                await self._store(due, source, entry)
        except Unusable as error:
            await self._give_up(due, [FieldError("", str(error))])
        except Refused as error:
            await self._give_up(due, error.errors)
        except (httpx.HTTPError, httpx.InvalidURL, LookupError) as error:
            await self._failed(due, _reason(error))
        except (DatabaseUnavailable, Overloaded):
            raise  # it is taken up again after its pause
        except Exception as error:  # of this notice: it must not end the fetching of the others
            self._context.telemetry.log.exception("fetch_broke_off", source=due.source, id=due.id)
            await self._failed(due, type(error).__name__)
        return True

    async def _store(self, due: Due, source: Source, form: Form) -> None:
        named = msgspec.structs.replace(form, id=due.id)
        arrival = Arrival(
            at=due.received_at,
            day=due.received_at.astimezone(self._context.zone).date().isoformat(),
            by=by_webhook(source.id),
            traceparent=due.traceparent,
        )
        submission = self._intake.read(named, source, arrival)
        outcomes: list[Outcome] = list(await self._context.recorder.submissions.submit([submission]))
        await self._end(due, "done", outcomes[0].status)

    async def _failed(self, due: Due, reason: str) -> None:
        self._context.telemetry.log.warning(
            "fetch_failed", source=due.source, id=due.id, attempt=due.attempts, reason=reason
        )
        if due.attempts >= fetches.TRIES:
            told = f"it could not be fetched in {due.attempts} tries: {reason}"
            await self._give_up(due, [FieldError("", told)])

    async def _give_up(self, due: Due, errors: Sequence[FieldError]) -> None:
        """What is wrong may repeat what the lead said, so only the quarantine tells it."""
        unused = quarantine.Unused(due.source, None, JSON, msgspec.json.encode(due.raw), list(errors), {})
        async with self._context.database() as db:
            await fetches.finish(db, due, "failed", "see the quarantine")
            await quarantine.keep(db, [unused], due.received_at)
        self._count(due, "fetch_failed")

    async def _end(self, due: Due, state: str, result: str, reason: str | None = None) -> None:
        async with self._context.database() as db:
            await fetches.finish(db, due, state, reason)
        self._count(due, f"fetched_{result}")

    def _count(self, due: Due, result: str) -> None:
        self._context.telemetry.metrics.webhooks.labels(due.source, result).inc()

    async def _until_due(self) -> float:
        async with self._context.database() as db:
            due = await fetches.next_due(db, list(self._sources), self._context.clock.now())
        return LOOK_S if due is None else min(LOOK_S, max(0.1, due.total_seconds()))


def _access(source: Source, environment: Mapping[str, str]) -> Access:
    """Raises LookupError."""
    return Access(source.token(environment), source.api_url, source.fields)


def _reason(error: Exception) -> str:
    """Without the address: it may hold a token."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"the answer was {error.response.status_code}"
    return str(error.args[0]) if isinstance(error, LookupError) else type(error).__name__
