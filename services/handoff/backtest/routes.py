"""The endpoints of back-tests."""

import asyncio
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.handoff import policies
from services.handoff.backtest.process import Order, elsewhere
from services.handoff.backtest.reading import KnownBy
from services.handoff.backtest.report import Report
from services.handoff.backtest.run import Task
from services.handoff.bounds import begin_of, end_of
from services.handoff.drafts import bound, read_policy
from services.handoff.forms import POLICY
from services.handoff.rules import Rules
from shared.clock import Clock
from shared.db import transaction
from shared.periods import business_date
from shared.settings import Settings
from shared.web import Answer, Call, Endpoint, FieldError, invalid


class BacktestForm(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """`POST /v1/policies/backtest`: a draft as in policies/*.yaml, and the time to try it on: days of the business time
    zone, both included, or moments with an offset. `known`: whether a fact counts from when it was said (`observed`) or
    from when it was recorded here."""

    EXAMPLE: ClassVar = {"policy": POLICY, "from": "2026-07-01", "to": "2026-09-30"}

    policy: dict[str, Any]
    from_: str
    to: str
    known: KnownBy = "observed"


class RunningBacktest(msgspec.Struct):
    """A back-test that runs or waits for its turn, and how many leads it has looked at, of how many."""

    policy: str
    since: datetime
    done: int = 0
    leads: int = 0


class RunningBacktests(msgspec.Struct):
    """The back-tests of this process."""

    items: list[RunningBacktest]


class Backtests:
    """The handlers. Each back-test runs in a process of its own."""

    def __init__(self, engine: AsyncEngine, rules: Rules, settings: Settings, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._settings = settings
        self._clock = clock
        self._running: list[RunningBacktest] = []
        self._core = asyncio.Lock()  # each takes a whole one

    def table(self) -> list[Endpoint]:
        """The endpoints."""
        return [
            Endpoint(
                method="POST",
                path="/v1/policies/backtest",
                handler=self.backtest,
                scope="leads:read",
                summary="What a policy would have done in a time that has passed, beside what was done",
                body=BacktestForm,
                answers={200: Report},
            ),
            Endpoint(
                method="GET",
                path="/v1/policies/backtest",
                handler=self.running,
                scope="leads:read",
                summary="How far the running back-tests are",
                answers={200: RunningBacktests},
            ),
        ]

    async def running(self, _call: Call) -> Answer:
        return Answer(RunningBacktests(list(self._running)))

    async def backtest(self, call: Call[BacktestForm]) -> Answer:
        form, zone = call.body, self._rules.zone
        draft = read_policy({"id": policies.DEFAULT} | form.policy, self._rules.registry, inside=True)
        first, last = bound(begin_of, form.from_, zone, "/from"), bound(end_of, form.to, zone, "/to")
        if last < first:
            raise invalid([FieldError("/to", "It lies before `from`.")])
        async with transaction(self._engine) as conn:
            in_force = await policies.deciding(conn, business_date(self._clock.now(), zone))
        registry, team = self._rules.registry, self._rules.team
        task = Task(draft, in_force.policy, in_force.ref, registry, team, zone, first, last, form.known)
        return Answer(await self._run(task))

    async def _run(self, task: Task) -> Report:
        running = RunningBacktest(task.draft.id, self._clock.now())
        self._running.append(running)
        report: Report | None = None
        try:
            async with self._core:
                async for line in elsewhere(Order.of(task, self._settings)):
                    report = line.report
                    running.done, running.leads = line.done, line.leads
        finally:
            self._running.remove(running)
        if report is None:
            raise RuntimeError("the process of a back-test ended without a report")
        return report
