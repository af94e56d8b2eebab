"""The current value of every KPI, for Prometheus and for whoever follows the stream; made once for all who look."""

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, get_args

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue import Catalogue
from services.metrics.gauges import Members, Sample, kpi_samples
from services.metrics.targets import target_samples
from shared.clock import Clock
from shared.config.targets import Target
from shared.config.team import Team
from shared.db import driver, snapshot
from shared.events import Channel
from shared.periods import current_periods
from shared.policy import UNKNOWN, Policy
from shared.settings import Settings


class Moment(NamedTuple):
    """What the values depend on: the business day, and a number that changes with whatever is taken in."""

    day: date
    number: int


class Now(NamedTuple):
    """The board at a moment."""

    moment: Moment
    values: dict[Sample, float]
    targets: dict[Sample, float]


class Board:
    """Reads the board, and remembers it until something changes."""

    def __init__(
        self,
        engine: AsyncEngine,
        catalogue: Catalogue,
        team: Team,
        policy: Policy,
        settings: Settings,
        clock: Clock,
        targets: Iterable[Target] = (),
    ) -> None:
        self._engine = engine
        self.catalogue = catalogue
        self._settings = settings
        self._clock = clock
        self._targets = tuple(targets)
        self.members: Members = {
            "rep": frozenset(team.member_ids),
            "team": frozenset(team.teams),
            "segment": frozenset({UNKNOWN, *(segment.id for segment in policy.segments)}),
            "channel": frozenset({"call", *get_args(Channel)}),
        }
        self._lock = asyncio.Lock()
        self._now: Now | None = None

    async def now(self) -> Now:
        """The board now. Raises DatabaseUnavailable."""
        async with snapshot(self._engine) as conn:
            return await self.read(await driver(conn))

    async def read(self, conn: asyncpg.Connection) -> Now:
        """The board as a connection's snapshot shows it."""
        async with self._lock:
            day = self._clock.now().astimezone(self._settings.zone).date()
            moment = Moment(day, await store.state_number(conn))
            if self._now is None or self._now.moment != moment:
                start = self._settings.fiscal_year_start
                targets = dict(target_samples(self._targets, day, start))
                periods = current_periods(day, start)
                values = await kpi_samples(conn, self.catalogue, periods, self.members, targets)
                self._now = Now(moment, values, targets)
            return self._now
