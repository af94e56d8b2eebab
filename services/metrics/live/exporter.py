"""The KPIs and event counters on `/metrics`, read from the database, so that every replica answers alike."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from services.metrics.fold.counters import ACTIVITIES, ACTIVITY_LABELS, CORRECTION_LABELS, CORRECTIONS
from services.metrics.fold.restated import RESTATED, RESTATED_LABELS
from services.metrics.live.board import Board, Now
from services.metrics.live.gauges import Sample
from shared.telemetry import Family, Lines

Labels = tuple[str, ...]

ACTIVITIES_TAKEN = Family(
    "counter", "tasuki_activities_total", "Distinct activities taken into the KPIs.", ACTIVITY_LABELS
)
CORRECTIONS_TAKEN = Family(
    "counter", "tasuki_corrections_total", "Distinct corrections of activities taken in.", CORRECTION_LABELS
)
RESTATED_FACTS = Family(
    "counter", "tasuki_kpi_restated_total", "Facts put into or taken out of days that had ended.", RESTATED_LABELS
)
VALUE = Family("gauge", "tasuki_kpi_value", "Value of a KPI in a current period.", Sample._fields)
TARGET = Family("gauge", "tasuki_kpi_target", "Target of a KPI in a current period.", Sample._fields)
EXPECTED = Family(
    "gauge", "tasuki_kpi_expected", "Part of a target that the business days so far should bring.", Sample._fields
)
INFO = Family("gauge", "tasuki_kpi_info", "What a KPI is called.", ("kpi", "name_ja", "name_en", "unit", "class"))
FAMILIES = (ACTIVITIES_TAKEN, CORRECTIONS_TAKEN, RESTATED_FACTS, VALUE, TARGET, EXPECTED, INFO)


class Exporter:
    """Collects the families of the metrics service; of a board's thousands of lines only what changed is written."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._activities = Lines[Labels](ACTIVITIES_TAKEN.metric(), ACTIVITIES_TAKEN.labels)
        self._corrections = Lines[Labels](CORRECTIONS_TAKEN.metric(), CORRECTIONS_TAKEN.labels)
        self._restated = Lines[Labels](RESTATED_FACTS.metric(), RESTATED_FACTS.labels)
        self._values = Lines[Sample](VALUE.metric(), VALUE.labels)
        self._targets = Lines[Sample](TARGET.metric(), TARGET.labels)
        self._expected = Lines[Sample](EXPECTED.metric(), EXPECTED.labels)
        self._now: Now | None = None
        self._families: list[Metric] = []

    async def collect(self) -> Iterable[Metric]:
        """All families, of one moment."""
        now = await self._board.now()
        if now is not self._now:
            activities = {labels: n for (name, labels), n in now.counts.items() if name == ACTIVITIES}
            corrections = {labels: n for (name, labels), n in now.counts.items() if name == CORRECTIONS}
            restated: dict[Labels, float] = {
                (kpi.id,): now.counts.get((RESTATED, (kpi.id,)), 0) for kpi in self._board.catalogue
            }
            self._families = [
                self._activities.written(activities),
                self._corrections.written(corrections),
                self._restated.written(restated),
                self._values.written(now.values),
                self._targets.written(now.targets),
                self._expected.written(now.expected),
                self._info(),
            ]
            self._now = now
        return self._families

    def _info(self) -> Metric:
        family = INFO.metric()
        for kpi in self._board.catalogue:
            d = kpi.definition
            family.add_metric((d.id, d.name.ja, d.name.en, d.unit, d.class_), 1)
        return family
