"""The endpoint of scorecards: reads what each member of a role reached in a period, and has it scored."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue.kpis import Catalogue, Kpi
from services.metrics.forms import AsOf
from services.metrics.pace import Calendar
from services.metrics.query import Asker, Memory
from services.metrics.question import Question
from services.metrics.scorecards import Cut, MemberScore, Reading, Score, cut_of, scored
from shared.clock import Clock
from shared.config.targets import Target
from shared.config.team import Team
from shared.db import driver, snapshot
from shared.mistakes import FieldError
from shared.periods import Grain, Period, business_date, parse_period, period_of
from shared.settings import Settings
from shared.web import Answer, Call, Endpoint, not_found
from shared.web.problems import invalid


class ScorecardQuery(msgspec.Struct):
    """Which period: `period` as `2026-11`, else the current one of the grain; without either, this month."""

    grain: Grain | None = None
    period: str | None = None


class Scorecard(msgspec.Struct, rename={"from_": "from"}):
    """What the members of a role reached in a period. `total`: all of them together; `from` and `to` are inclusive.

    `cap`: how much of a target counts into the score at most.
    """

    role: str
    grain: str
    period: str
    from_: date
    to: date
    cap: float
    members: list[MemberScore]
    total: Score
    as_of: AsOf


class Scorecards:
    """Handler over the cells."""

    def __init__(
        self,
        engine: AsyncEngine,
        catalogue: Catalogue,
        team: Team,
        targets: Sequence[Target],
        settings: Settings,
        clock: Clock,
        memory: Memory,
    ) -> None:
        self._memory = memory
        self._engine = engine
        self._catalogue = catalogue
        self._team = team
        self._targets = targets
        self._settings = settings
        self._clock = clock

    def table(self) -> list[Endpoint]:
        """The endpoint."""
        return [
            Endpoint(
                method="GET",
                path="/v1/scorecards/{role}",
                handler=self.scorecard,
                scope="kpis:read",
                summary="What each member of a role reached of the targets of a period, and the score of it",
                query=ScorecardQuery,
                answers={200: Scorecard},
            )
        ]

    async def scorecard(self, call: Call[None, ScorecardQuery]) -> Answer:
        name = call.path["role"]
        role = self._team.roles.get(name)
        if role is None:
            raise not_found(f"There is no role {name[:100]!r}; team.yaml has {', '.join(self._team.roles)}.")
        today = business_date(self._clock.now(), self._settings.zone)
        grain, period = self._period(call.query, today)
        members = self._team.members_in(name, period.first, period.last)
        targets = [target for target in self._targets if target.period == period.label]
        async with snapshot(self._engine) as conn:
            raw = await driver(conn)
            cells, start = await store.shown_cells(raw), self._settings.fiscal_year_start
            asker = Asker(raw, today, start, self._targets, cells=cells, memory=self._memory)
            readings = [
                await _read(asker, kpi, weight, cut_of(kpi, self._team.cut_of(name)), grain, period, members)
                for kpi, weight in self._weighed(role.weights.items())
            ]
            as_of = AsOf(*await store.as_of(raw))
        calendar = Calendar(period, today, self._team.sales.opening)
        scores, total = scored(readings, members, self._team, targets, calendar, role.cap)
        return Answer(Scorecard(name, grain, period.label, period.first, period.last, role.cap, scores, total, as_of))

    def _period(self, query: ScorecardQuery, today: date) -> tuple[Grain, Period]:
        start = self._settings.fiscal_year_start
        if query.period is None:
            grain = query.grain or "month"
            return grain, period_of(today, grain, start)
        try:
            grain, period = parse_period(query.period, start)
        except ValueError as error:
            raise invalid([FieldError("/period", str(error))]) from error
        if query.grain not in (None, grain):
            detail = f"{period.label} is of the grain {grain}, not {query.grain}; leave one of the two out."
            raise invalid([FieldError("/grain", detail)])
        return grain, period

    def _weighed(self, weights: Iterable[tuple[str, float]]) -> list[tuple[Kpi, float]]:
        """The KPIs of the weights; those that kpis.yaml lacks were refused when the configuration was read."""
        found = ((self._catalogue.get(kpi_id), weight) for kpi_id, weight in weights)
        return [(kpi, weight) for kpi, weight in found if kpi is not None]


async def _read(
    asker: Asker, kpi: Kpi, weight: float, cut: Cut, grain: Grain, period: Period, members: tuple[str, ...]
) -> Reading:
    """The KPI of each member, and of all together: a rate of all is not the sum of their rates."""
    by, where = ((), ()) if cut == "all" else ((cut,), ((cut, members),))
    whole = Question(kpi, grain, period.first, period.last, (), where)
    together = {row.get("currency", ""): row["value"] for row in await asker.answer(whole)}
    if cut == "all":
        return Reading(kpi, weight, cut, dict.fromkeys(members, together), together)
    of: dict[str, dict[str, Any]] = {}
    for row in await asker.answer(msgspec.structs.replace(whole, by=by)):
        of.setdefault(row[cut], {})[row.get("currency", "")] = row["value"]
    return Reading(kpi, weight, cut, of, together)
