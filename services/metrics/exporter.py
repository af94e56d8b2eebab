"""The KPIs and event counters on `/metrics`, read from the database, so that every replica answers alike."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import get_args

import asyncpg
import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue import Catalogue
from services.metrics.counters import ACTIVITIES, ACTIVITY_LABELS, CORRECTION_LABELS, CORRECTIONS
from services.metrics.gauges import OTHER, Members, Sample, kpi_samples
from services.metrics.targets import target_samples
from shared.clock import Clock
from shared.config.targets import Target
from shared.config.team import Team
from shared.db import driver, snapshot
from shared.events import Channel
from shared.periods import current_periods
from shared.policy import UNKNOWN, Policy
from shared.settings import Settings


class Exporter:
    """Collects the families of the metrics service."""

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
        self._catalogue = catalogue
        self._settings = settings
        self._clock = clock
        self._targets = tuple(targets)
        self._members: Members = {
            "rep": frozenset(team.member_ids),
            "team": frozenset(team.teams),
            "segment": frozenset({UNKNOWN, *(segment.id for segment in policy.segments)}),
            "channel": frozenset({"call", *get_args(Channel)}),
        }
        self._lock = asyncio.Lock()
        self._held: tuple[tuple[date, int], dict[Sample, float]] | None = None

    async def collect(self) -> Iterable[Metric]:
        """All families, of one moment."""
        async with self._lock, snapshot(self._engine) as conn:
            raw = await driver(conn)
            rows = await store.counters(raw)
            today = self._clock.now().astimezone(self._settings.zone).date()
            targets = dict(target_samples(self._targets, today, self._settings.fiscal_year_start))
            samples = await self._samples(raw, today, targets)
        return [
            *self._counters(rows),
            _gauge("tasuki_kpi_value", "Value of a KPI in a current period.", samples),
            _gauge("tasuki_kpi_target", "Target of a KPI in a current period.", targets),
            self._info(),
        ]

    async def _samples(
        self, conn: asyncpg.Connection, today: date, targets: dict[Sample, float]
    ) -> dict[Sample, float]:
        """The KPI values; made anew only when something was taken in, or a new day has begun."""
        moment = (today, await store.state_number(conn))
        if self._held is None or self._held[0] != moment:
            periods = current_periods(today, self._settings.fiscal_year_start)
            self._held = (moment, await kpi_samples(conn, self._catalogue, periods, self._members, targets))
        return self._held[1]

    def _counters(self, rows: Iterable[tuple[str, str, int]]) -> list[Metric]:
        activities = CounterMetricFamily(
            "tasuki_activities", "Distinct activities taken into the KPIs.", labels=ACTIVITY_LABELS
        )
        corrections = CounterMetricFamily(
            "tasuki_corrections", "Distinct corrections of activities taken in.", labels=CORRECTION_LABELS
        )
        sums: dict[str, Counter[tuple[str, ...]]] = {ACTIVITIES: Counter(), CORRECTIONS: Counter()}
        for name, packed, n in rows:
            sums[name][self._bounded(name, msgspec.json.decode(packed, type=tuple[str, ...]))] += n
        for labels, n in sums[ACTIVITIES].items():
            activities.add_metric(labels, n)
        for labels, n in sums[CORRECTIONS].items():
            corrections.add_metric(labels, n)
        return [activities, corrections]

    def _bounded(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        if name != ACTIVITIES:
            return labels
        return tuple(
            value if not value or label not in self._members or value in self._members[label] else OTHER
            for label, value in zip(ACTIVITY_LABELS, labels, strict=True)
        )

    def _info(self) -> Metric:
        family = GaugeMetricFamily(
            "tasuki_kpi_info", "What a KPI is called.", labels=("kpi", "name_ja", "name_en", "unit", "class")
        )
        for kpi in self._catalogue:
            d = kpi.definition
            family.add_metric((d.id, d.name.ja, d.name.en, d.unit, d.class_), 1)
        return family


def _gauge(name: str, text: str, samples: dict[Sample, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=Sample._fields)
    for sample, value in samples.items():
        family.add_metric(sample, value)
    return family
