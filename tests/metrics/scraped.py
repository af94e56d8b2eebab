"""A board as Prometheus reads it."""

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from services.metrics.live.board import Board
from services.metrics.live.exporter import Exporter
from shared.telemetry import Telemetry


class Scraper:
    """Scrapes a board again and again; `last`: the text of the last time."""

    def __init__(self, board: Board) -> None:
        self._telemetry = Telemetry("metrics", level="error")
        self._telemetry.collectors["kpis"] = Exporter(board).collect
        self.last = ""

    async def families(self) -> dict[str, Metric]:
        """By name."""
        self.last = (await self._telemetry.render()).decode()
        return {family.name: family for family in text_string_to_metric_families(self.last)}
