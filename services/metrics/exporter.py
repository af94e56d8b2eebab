"""The KPIs and event counters on `/metrics`, read from the database, so that every replica answers alike."""

from collections import Counter
from collections.abc import Iterable

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.board import Board
from services.metrics.counters import ACTIVITIES, ACTIVITY_LABELS, CORRECTION_LABELS, CORRECTIONS
from services.metrics.gauges import OTHER, Sample
from services.metrics.restated import RESTATED, RESTATED_LABELS
from shared.db import driver, snapshot


class Exporter:
    """Collects the families of the metrics service."""

    def __init__(self, engine: AsyncEngine, board: Board) -> None:
        self._engine = engine
        self._board = board

    async def collect(self) -> Iterable[Metric]:
        """All families, of one moment."""
        async with snapshot(self._engine) as conn:
            raw = await driver(conn)
            rows = await store.counters(raw)
            now = await self._board.read(raw)
        return [
            *self._counters(rows),
            _gauge("tasuki_kpi_value", "Value of a KPI in a current period.", now.values),
            _gauge("tasuki_kpi_target", "Target of a KPI in a current period.", now.targets),
            self._info(),
        ]

    def _counters(self, rows: Iterable[tuple[str, str, int]]) -> list[Metric]:
        activities = CounterMetricFamily(
            "tasuki_activities", "Distinct activities taken into the KPIs.", labels=ACTIVITY_LABELS
        )
        corrections = CounterMetricFamily(
            "tasuki_corrections", "Distinct corrections of activities taken in.", labels=CORRECTION_LABELS
        )
        restated = CounterMetricFamily(
            "tasuki_kpi_restated", "Facts put into or taken out of days that had ended.", labels=RESTATED_LABELS
        )
        sums: dict[str, Counter[tuple[str, ...]]] = {ACTIVITIES: Counter(), CORRECTIONS: Counter(), RESTATED: Counter()}
        for name, packed, n in rows:
            sums[name][self._bounded(name, msgspec.json.decode(packed, type=tuple[str, ...]))] += n
        for labels, n in sums[ACTIVITIES].items():
            activities.add_metric(labels, n)
        for labels, n in sums[CORRECTIONS].items():
            corrections.add_metric(labels, n)
        for kpi in self._board.catalogue:
            restated.add_metric((kpi.id,), sums[RESTATED][kpi.id,])
        return [activities, corrections, restated]

    def _bounded(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        if name != ACTIVITIES:
            return labels
        return tuple(
            value if not value or label not in self._board.members or value in self._board.members[label] else OTHER
            for label, value in zip(ACTIVITY_LABELS, labels, strict=True)
        )

    def _info(self) -> Metric:
        family = GaugeMetricFamily(
            "tasuki_kpi_info", "What a KPI is called.", labels=("kpi", "name_ja", "name_en", "unit", "class")
        )
        for kpi in self._board.catalogue:
            d = kpi.definition
            family.add_metric((d.id, d.name.ja, d.name.en, d.unit, d.class_), 1)
        return family


def _gauge(name: str, text: str, samples: dict[Sample, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=Sample._fields)
    for sample, value in samples.items():
        family.add_metric(sample, value)
    return family
