"""The endpoints of leads and their handoffs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.handoff import forms, gate, handover, owners, store
from services.handoff.bounds import begin_of, end_of
from services.handoff.content_results import ContentResults, content_results
from services.handoff.decide import Readiness, known_lead
from services.handoff.drafts import bound
from services.handoff.emit import identity_of
from services.handoff.facts import history_of, told_of
from services.handoff.flow import Flow, flow
from services.handoff.handover import By
from services.handoff.kinds import APPOINTMENTS, CONTENT, OPPORTUNITIES
from services.handoff.package import HISTORY_MAX, Activity, Around, Package, Summary, activity_of, package, summary
from services.handoff.page import HEADERS as PAGE_HEADERS
from services.handoff.page import MEDIA_TYPE as PAGE_MEDIA_TYPE
from services.handoff.page import page as page_of
from services.handoff.problems import unknown_handoff
from services.handoff.questions import Questions
from services.handoff.results import Results, results
from services.handoff.results_reading import ended
from services.handoff.rules import Rules
from services.handoff.store import Decided
from services.handoff.words import Definitions
from shared.clock import Clock
from shared.db import autocommit, in_transaction
from shared.languages import wanted
from shared.web import Answer, Call, Endpoint, Number, Paging, page, read_cursor
from shared.web.problems import missing_scope

T = TypeVar("T")


class Inbox(msgspec.Struct):
    """A page of handoffs, oldest due first."""

    items: list[Summary]
    next_cursor: str | None


class Stages(msgspec.Struct):
    """Where a lead stands and a page of how it came there; of a merged one, all of it is its survivor's."""

    lead_id: str
    stage: str
    cycle: int
    items: list[gate.StageEntry]
    next_cursor: str | None


class History(msgspec.Struct):
    """The activities of a lead and of those merged into it, as they count now, the newest first."""

    lead_id: str
    items: list[Activity]


class Routes:
    """The handlers. What changes something is committed, in one transaction, before the answer."""

    def __init__(self, engine: AsyncEngine, rules: Rules, definitions: Definitions, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._definitions = definitions
        self._clock = clock

    def table(self) -> list[Endpoint]:
        decided = {200: Package, 409: Any, 410: None}
        read, write, decide = "leads:read", "handoffs:write", "handoffs:decide"
        lead, handoff = "/v1/leads/{id}", "/v1/handoffs/{id}"

        def get(path: str, handler: Any, scope: str, summary: str, answer: Any, query: Any = None) -> Endpoint:
            answers = {200: answer} | ({410: None} if path.startswith(lead) else {})
            return Endpoint(
                method="GET", path=path, handler=handler, scope=scope, summary=summary, query=query, answers=answers
            )

        def post(path: str, handler: Any, scope: str, summary: str, body: Any, answers: dict[int, Any]) -> Endpoint:
            return Endpoint(
                method="POST", path=path, handler=handler, scope=scope, summary=summary, body=body, answers=answers
            )

        return [
            get(f"{lead}/readiness", self.readiness, read, "Whether a lead is ready for sales, and why", Readiness),
            get(f"{lead}/questions", self.questions, read, "What to ask a lead next, and why", Questions),
            get(f"{lead}/stages", self.stages, read, "The stages that a lead went through", Stages, Paging),
            get(
                f"{lead}/history",
                self.history,
                read,
                "The contacts and deals of a lead, the newest first",
                History,
                forms.HistoryQuery,
            ),
            post(
                f"{lead}/recycle",
                self.recycle,
                write,
                "Begin a lead's next cycle",
                forms.RecycleForm,
                {200: Stages, 410: None},
            ),
            post(
                "/v1/handoffs",
                self.hand_over,
                write,
                "Hand a lead to sales",
                forms.HandoffForm,
                {201: Package, 404: None, 409: Any, 410: None},
            ),
            get("/v1/handoffs", self.inbox, read, "The inbox, oldest due first", Inbox, forms.InboxQuery),
            get(
                "/v1/handoffs/results",
                self.results,
                read,
                "What became of handoffs, by policy version, segment, rep, source and criterion",
                Results,
                forms.PeriodQuery,
            ),
            get(
                "/v1/content/results",
                self.content_results,
                read,
                "Which content precedes replies and appointments",
                ContentResults,
                forms.ContentQuery,
            ),
            get(handoff, self.handoff, read, "The package of a handoff", Package),
            Endpoint(
                method="GET",
                path=f"{handoff}/page",
                handler=self.page,
                scope=read,
                summary="The package on one page, to read or print",
                query=forms.PageQuery,
                answers={200: str},
                answer_media_type=PAGE_MEDIA_TYPE,
            ),
            post(
                f"{handoff}/accept",
                self.accept,
                decide,
                "Take the lead",
                forms.AcceptForm,
                {200: Package, 409: Any, 410: None},
            ),
            post(
                f"{handoff}/return",
                self.give_back,
                decide,
                "Return the lead",
                forms.ReturnForm,
                decided,
            ),
            post(
                f"{handoff}/reassign",
                self.reassign,
                decide,
                "Give a handoff that nobody has answered to another member of field sales",
                forms.ReassignForm,
                decided,
            ),
            get(
                "/v1/stages",
                self.flow,
                read,
                "How leads flow through the stages: how many go on, how long it takes, where they drop off",
                Flow,
                forms.PeriodQuery,
            ),
            get("/v1/definitions", self.definitions, read, "Customer, appointment and stages in words", Definitions),
        ]

    async def readiness(self, call: Call) -> Answer:
        now = self._clock.now()
        return Answer(await self._read(lambda conn: handover.readiness(conn, self._rules, call.path["id"], now)))

    async def questions(self, call: Call) -> Answer:
        now = self._clock.now()
        return Answer(await self._read(lambda conn: handover.to_ask(conn, self._rules, call.path["id"], now)))

    async def hand_over(self, call: Call[forms.HandoffForm]) -> Answer:
        form = call.body
        if form.override is not None and not call.caller.may("handoffs:override"):
            raise missing_scope("handoffs:override")
        request = _request(call, "handoff", form.lead_id)
        by, now = By(call.caller.name, request), self._clock.now()

        async def work(conn: AsyncConnection) -> Package:
            made = await handover.hand_over(conn, self._rules, form, by, now)
            return await self._package(conn, made.handoff_id, now)

        made = await self._do(work)
        return Answer(made, 201, {"Location": f"/v1/handoffs/{made.handoff_id}"})

    async def inbox(self, call: Call[None, forms.InboxQuery]) -> Answer:
        query = call.query
        after, now = read_cursor(query.cursor, forms.InboxPosition), self._clock.now()
        found = await self._read(lambda conn: store.inbox(conn, query, after, now))
        return Answer(
            page(
                [summary(h, now) for h in found],
                query.limit,
                lambda line: forms.InboxPosition(line.due_at, line.handoff_id),
            )
        )

    async def results(self, call: Call[None, forms.PeriodQuery]) -> Answer:
        first, last = self._period(call.query)
        found = await self._read(lambda conn: ended(conn, first, last))
        return Answer(results(found, first, last))

    async def content_results(self, call: Call[None, forms.ContentQuery]) -> Answer:
        first, last = self._period(call.query)
        return Answer(await self._read(lambda conn: content_results(conn, first, last, call.query.within_days)))

    async def flow(self, call: Call[None, forms.PeriodQuery]) -> Answer:
        first, last = self._period(call.query)
        return Answer(await self._read(lambda conn: flow(conn, self._definitions.stages, first, last)))

    def _period(self, query: forms.PeriodQuery) -> tuple[datetime | None, datetime | None]:
        zone = self._rules.zone
        first = None if query.from_ is None else bound(begin_of, query.from_, zone, "/from")
        return first, None if query.to is None else bound(end_of, query.to, zone, "/to")

    async def handoff(self, call: Call) -> Answer:
        now = self._clock.now()
        return Answer(await self._read(lambda conn: self._package(conn, call.path["id"], now)))

    async def page(self, call: Call[None, forms.PageQuery]) -> Answer:
        now, language = self._clock.now(), wanted(call.query.language, call.request.headers.get("accept-language"))
        found = await self._read(lambda conn: self._package(conn, call.path["id"], now))
        shown = page_of(found, self._definitions.glossary(), self._rules.registry, self._rules.zone, language)
        return Answer(shown, headers=PAGE_HEADERS, media_type=PAGE_MEDIA_TYPE)

    async def accept(self, call: Call[forms.AcceptForm]) -> Answer:
        return await self._decide(call, Decided(status="accepted", sales_rep=call.body.sales_rep, at=self._clock.now()))

    async def give_back(self, call: Call[forms.ReturnForm]) -> Answer:
        form = call.body
        return await self._decide(
            call,
            Decided(
                status="returned",
                sales_rep=form.sales_rep,
                at=self._clock.now(),
                reason=form.reason,
                comment=form.comment,
            ),
        )

    async def _decide(self, call: Call, decided: Decided) -> Answer:
        handoff_id = call.path["id"]
        decided = msgspec.structs.replace(decided, request=_request(call, decided.status, handoff_id))

        async def work(conn: AsyncConnection) -> Package:
            await handover.decide(conn, self._rules, handoff_id, decided)
            return await self._package(conn, handoff_id, decided.at)

        return Answer(await self._do(work))

    async def reassign(self, call: Call[forms.ReassignForm]) -> Answer:
        handoff_id, now = call.path["id"], self._clock.now()
        by = By(call.caller.name, _request(call, "reassign", handoff_id))

        async def work(conn: AsyncConnection) -> Package:
            await handover.reassign(conn, self._rules, handoff_id, call.body, by, now)
            return await self._package(conn, handoff_id, now)

        return Answer(await self._do(work))

    async def recycle(self, call: Call[forms.RecycleForm]) -> Answer:
        lead_id, now = call.path["id"], self._clock.now()
        wish = gate.Recycling(call.body.reason, call.caller.name, _request(call, "recycle", lead_id))

        async def work(conn: AsyncConnection) -> dict[str, Any]:
            await handover.recycle(conn, self._rules, lead_id, wish, now)
            return await _stages(conn, lead_id, Paging(limit=200))

        return Answer(await self._do(work))

    async def stages(self, call: Call[None, Paging]) -> Answer:
        return Answer(await self._read(lambda conn: _stages(conn, call.path["id"], call.query)))

    async def history(self, call: Call[None, forms.HistoryQuery]) -> Answer:
        async def work(conn: AsyncConnection) -> History:
            lead = await known_lead(conn, call.path["id"])
            facts = await history_of(conn, lead.lead_id, call.query.limit)
            return History(lead.lead_id, [activity_of(fact) for fact in facts])

        return Answer(await self._read(work))

    async def definitions(self, _call: Call) -> Answer:
        return Answer(self._definitions)

    async def _package(self, conn: AsyncConnection, handoff_id: str, now: datetime) -> Package:
        found = await store.get(conn, handoff_id)
        if found is None:
            raise unknown_handoff(handoff_id)
        around = Around(
            await history_of(conn, found.counts_as, HISTORY_MAX),
            await history_of(conn, found.counts_as, HISTORY_MAX, CONTENT),
            await told_of(conn, found.counts_as, (*APPOINTMENTS, *OPPORTUNITIES)),
            await store.before(conn, found),
            await owners.reassignments_of(conn, handoff_id),
        )
        return package(found, around, self._definitions, now)

    async def _do(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        return await in_transaction(self._engine, work)

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with autocommit(self._engine) as conn:
            return await work(conn)


async def _stages(conn: AsyncConnection, lead_id: str, paging: Paging) -> dict[str, Any]:
    after = read_cursor(paging.cursor, Number) or 0
    lead = await known_lead(conn, lead_id)
    entries = await gate.history(conn, lead.lead_id, after, paging.limit + 1)
    found = page(entries, paging.limit, lambda entry: entry.number)
    return {"lead_id": lead.lead_id, "stage": lead.stage, "cycle": lead.cycle} | found


def _request(call: Call, what: str, about: str) -> str | None:
    """The identity of a request with an Idempotency-Key: what it makes carries it, so a second run finds it."""
    key = call.idempotency_key
    return None if key is None else identity_of(f"{what}:{call.caller.name}:{key}:{about}")
