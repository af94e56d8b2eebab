"""The current value of every KPI, for Prometheus and for whoever follows the stream; made once for all who look."""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from typing import NamedTuple, get_args

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue.kpis import Catalogue
from services.metrics.live.counts import Counts, with_more
from services.metrics.live.gauges import Gauges, Members, Sample
from services.metrics.targets import current_aims
from shared.backoff import pause
from shared.clock import Clock
from shared.config.targets import Target
from shared.config.team import Team
from shared.db import DatabaseUnavailable, driver, snapshot
from shared.events import Channel
from shared.periods import current_periods
from shared.policy import UNKNOWN, Policy
from shared.settings import Settings

KEEP_UP_EVERY_S = 0.5
LOOKED_WITHIN_S = 300.0


class Moment(NamedTuple):
    """What the values depend on: the business day, and a number that changes with whatever is taken in."""

    day: date
    number: int


class Now(NamedTuple):
    """The board at a moment. `expected`: how much of each target by now."""

    moment: Moment
    values: Mapping[Sample, float]
    targets: Mapping[Sample, float]
    expected: Mapping[Sample, float]
    counts: Counts


class Board:
    """Reads the board, remembers it, and brings it up to date by what has changed since."""

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
        self._team = team
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
        self._held: _Held | None = None
        self._asked_at = -math.inf
        self._readings: set[asyncio.Future[Now]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, keep up with what happens while somebody looks, so that little is left to do for who does."""
        while not stop.is_set():
            if time.monotonic() - self._asked_at < LOOKED_WITHIN_S:
                with suppress(DatabaseUnavailable):  # whoever looks next is told so
                    await self.keep_up()
            await pause(stop, KEEP_UP_EVERY_S)

    async def keep_up(self) -> Now | None:
        """The board now, or None when it has to be made anew, which is done when somebody asks.

        Raises DatabaseUnavailable.
        """
        async with self._lock, snapshot(self._engine) as conn:
            _, held = await self._catch_up(await driver(conn))
            return held and held.now

    async def now(self) -> Now:
        """The board now. Raises DatabaseUnavailable."""
        self._asked_at = time.monotonic()
        reading = asyncio.ensure_future(self._locked())
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)
        # whoever gives up waiting for the first board, which takes long, finds it made the next time
        return await asyncio.shield(reading)

    async def _locked(self) -> Now:
        async with self._lock, snapshot(self._engine) as conn:
            return await self._read(await driver(conn))

    async def _read(self, conn: asyncpg.Connection) -> Now:
        seen, held = await self._catch_up(conn)
        self._held = held or await self._made(conn, seen)
        return self._held.now

    async def _catch_up(self, conn: asyncpg.Connection) -> "tuple[store.Seen, _Held | None]":
        """What the connection sees, and what is held of that moment; None when it cannot be told."""
        held, day = self._held, self._day()
        seen, told = await store.changes_since(conn, held and held.seen)
        if held is None or told is None or held.now.moment.day != day:
            return seen, None
        now = held.now
        if told.facts or told.counts:
            moment = Moment(day, await store.state_number(conn))
            self._held = None  # should this fail, what is half brought up to date is never seen
            now = await self._later(held, moment, told)
        self._held = _Held(seen, held.gauges, now)
        return seen, self._held

    def _day(self) -> date:
        return self._clock.now().astimezone(self._settings.zone).date()

    async def _made(self, conn: asyncpg.Connection, seen: store.Seen) -> "_Held":
        day, start = self._day(), self._settings.fiscal_year_start
        aims = list(current_aims(self._targets, self.catalogue, self._team, day, start))
        targets = {aim.sample: aim.target for aim in aims}
        expected = {aim.sample: aim.expected for aim in aims if aim.expected is not None}
        gauges = Gauges(self.catalogue, current_periods(day, start), self.members, targets, start)
        await gauges.load(conn, await store.shown_cells(conn))
        moment = Moment(day, await store.state_number(conn))
        values = await _changed({}, gauges)
        counts = await with_more({}, (await store.counters(conn)).items(), self.members)
        return _Held(seen, gauges, Now(moment, values, targets, expected, counts))

    async def _later(self, held: "_Held", moment: Moment, told: store.Told) -> Now:
        """The board once all that was told is in it."""
        await held.gauges.add(told.facts)
        added = (((name, labels), n) for name, labels, n in told.counts)
        counts = await with_more(held.now.counts, added, self.members)
        return held.now._replace(moment=moment, values=await _changed(held.now.values, held.gauges), counts=counts)


class _Held(NamedTuple):
    seen: store.Seen
    gauges: Gauges
    now: Now


async def _changed(values: Mapping[Sample, float], gauges: Gauges) -> Mapping[Sample, float]:
    """New values: the old ones may still be told to whoever follows."""
    changes = await gauges.changes()
    gone = [sample for sample, value in changes.items() if value is None]
    changed = {**values, **{sample: value for sample, value in changes.items() if value is not None}}
    for sample in gone:
        changed.pop(sample, None)
    return changed
