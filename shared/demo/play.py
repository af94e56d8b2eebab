"""Tells a week to a running system through its public API, with the typed client and a bounded number of requests.

Everything carries an id or an Idempotency-Key of the week, so telling it again has no second effect.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from shared.client import AsyncClient, Conflict, NotFound, TasukiError, handoff, ingest, metrics
from shared.client.types import ActivityResult, Readiness, Status
from shared.demo.stories import Activity, Hearing, Pass, Submission, ToolResult
from shared.demo.week import Week

T = TypeVar("T")

_AT_ONCE: Final = 16
"""Requests in flight: enough for the services to share transactions, few enough to stay polite."""
_CHUNK: Final = 250
_CATCH_UP_S: Final = 180.0
_LOOK_AGAIN_S: Final = 0.2


class Refused(Exception):
    """The system did not take or digest what was told; the message says what."""


class Show(Protocol):
    """Somebody who watches."""

    def begin(self, what: str, steps: int) -> Callable[[int], None]:
        """A stretch of work begins; the answer is to be called with each number of steps that is done."""


@dataclass
class Tally:
    """What became of it. `added`: events that the numbers gained meanwhile."""

    accepted: int = 0
    duplicates: int = 0
    added: int = 0
    handoffs: Counter[str] = field(default_factory=Counter)


async def play(client: AsyncClient, week: Week, show: Show, waiting: Callable[[], Awaitable[int]]) -> Tally:
    """Tells the week in the order of life: leads, what was done and heard, handoffs, what came of them.

    `waiting`: how many events the services have taken but not yet published, see `system.waiting`.
    Returns when all of it is in the numbers. Raises Refused, TasukiError.
    """
    return await _Player(client, week, show, waiting).play()


class _Player:
    def __init__(self, client: AsyncClient, week: Week, show: Show, waiting: Callable[[], Awaitable[int]]) -> None:
        self._client = client
        self._week = week
        self._show = show
        self._waiting = waiting
        self._ids: dict[str, str] = {}  # external id -> lead id
        self._told = _told_of(week)
        self._tally = Tally()

    async def play(self) -> Tally:
        week = self._week
        before = await self._caught_up()
        await self._each("leads", week.leads, self._lead)
        await self._activities("calls, touches, appointments", week.activities)
        await self._each("results of tools", week.tool_results, self._tool_result)
        await self._each("hearings", week.hearings, self._hearing)
        await self._each("handoffs", week.passes, self._pass)
        await self._activities("opportunities, contracts, corrections", week.outcomes)
        self._tally.added = (await self._caught_up()).processed - before.processed
        return self._tally

    async def _lead(self, said: Submission) -> None:
        lead = ingest.submit_lead(
            said.fields, external_id=said.external_id, observed_at=said.observed_at, campaign=said.campaign
        )
        self._ids[said.external_id] = (await self._client.send(lead.keyed(said.external_id))).lead_id

    async def _tool_result(self, found: ToolResult) -> None:
        lead_id = self._ids[found.external_id]
        result = ingest.tool_result(lead_id, tool=found.tool, observed_at=found.observed_at, fields=found.fields)
        await self._client.send(result.keyed(f"{found.external_id}-{found.tool}"))

    async def _hearing(self, heard: Hearing) -> None:
        hearing = ingest.hearing(
            self._ids[heard.external_id], rep=heard.rep, heard_at=heard.heard_at, channel="call", answers=heard.answers
        )
        await self._client.send(hearing.keyed(f"{heard.external_id}-{heard.heard_at.isoformat()}"))

    async def _activities(self, what: str, activities: Sequence[Activity]) -> None:
        chunks = [activities[start : start + _CHUNK] for start in range(0, len(activities), _CHUNK)]
        await self._each(what, chunks, self._chunk, steps=len)

    async def _chunk(self, chunk: Sequence[Activity]) -> None:
        receipt = await self._client.send(ingest.activities(chunk))
        if rejected := [result for result in receipt.results if result.status == "rejected"]:
            raise Refused(f"{len(rejected)} activities were rejected: {_why(chunk, rejected[0])}")
        self._tally.accepted += receipt.accepted
        self._tally.duplicates += receipt.duplicates

    async def _pass(self, wish: Pass) -> None:
        """Hands over what is ready, and tries with what lacks an answer, which is refused; then sales decides."""
        lead_id = self._ids[wish.external_id]
        readiness = await self._readiness(lead_id, self._told[wish.external_id])
        if readiness.decision == "not_ready":  # the answer was a no: nobody tries
            self._tally.handoffs["not ready"] += 1
            return
        asked = handoff.hand_over(lead_id, rep=wish.rep, reason=wish.reason, appointment=wish.appointment)
        try:
            package = await self._client.send(asked.keyed(f"{wish.external_id}-handoff"))
        except Conflict as refusal:
            if refusal.slug != "handoff-not-ready":
                raise
            self._tally.handoffs["refused with 409"] += 1
            return
        if wish.decision == "accept":
            answer = handoff.accept(package.handoff_id, sales_rep=package.owner)
        elif wish.decision == "return":
            answer = handoff.give_back(
                package.handoff_id, sales_rep=package.owner, reason=wish.return_reason, comment=wish.comment
            )
        else:
            self._tally.handoffs["pending"] += 1
            return
        decided = await self._client.send(answer.keyed(f"{wish.external_id}-{wish.decision}"))
        self._tally.handoffs[decided.status] += 1

    async def _readiness(self, lead_id: str, events: int) -> Readiness:
        deadline = time.monotonic() + _CATCH_UP_S
        while time.monotonic() < deadline:
            try:
                found = await self._client.send(handoff.readiness(lead_id))
            except NotFound:  # it has not heard of the lead yet
                found = None
            if found is not None and found.as_of["events"] >= events:
                return found
            await asyncio.sleep(_LOOK_AGAIN_S)
        raise Refused(f"after {_CATCH_UP_S:.0f} s handoff does not know all of lead {lead_id}; its log says why")

    async def _caught_up(self) -> Status:
        """Waits until all that was told is in the numbers: nothing waits to be published, nothing to be read."""
        deadline = time.monotonic() + _CATCH_UP_S
        advance = self._show.begin("counting", 1)
        waiting, status = await self._waiting(), await self._client.send(metrics.status())
        while waiting or status.lag:
            if time.monotonic() > deadline:
                raise Refused(
                    f"after {_CATCH_UP_S:.0f} s {waiting} events wait to be published and {status.lag} to be counted; "
                    "the logs of the services say why"
                )
            await asyncio.sleep(_LOOK_AGAIN_S)
            # In this order: what is published between the two looks is in the lag.
            waiting, status = await self._waiting(), await self._client.send(metrics.status())
        advance(1)
        return status

    async def _each(
        self,
        what: str,
        items: Sequence[T],
        work: Callable[[T], Awaitable[None]],
        steps: Callable[[T], int] = lambda _item: 1,
    ) -> None:
        """Does the work for each item, so many at once; the first error ends all of it."""
        advance = self._show.begin(what, sum(steps(item) for item in items))
        waiting = iter(items)

        async def worker() -> None:
            for item in waiting:  # all workers draw from the one iterator
                await work(item)
                advance(steps(item))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(worker())
        except* (Refused, TasukiError) as errors:
            raise _first(errors) from errors


def _told_of(week: Week) -> Counter[str]:
    """External id -> events that handoff must have heard of before it is asked about the lead; one is its creation."""
    told = Counter(one.external_id for facts in (week.leads, week.tool_results, week.hearings) for one in facts)
    told.update(activity["lead"]["external_id"] for activity in week.activities)
    told.update(submission.external_id for submission in week.leads)
    return told


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    inner: BaseException = errors
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner


def _why(chunk: Sequence[Activity], result: ActivityResult) -> str:
    reasons: Iterable[str] = (f"{error.pointer} {error.detail}" for error in result.errors)
    return f"{chunk[result.index]['id']}: {'; '.join(reasons)}"
