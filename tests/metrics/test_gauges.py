"""The figures for Prometheus: equal to what the query answers, for every KPI, period and dimension; labels bounded."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from prometheus_client.metrics_core import Metric

from services.metrics.catalogue.kpis import Kpi, Share
from services.metrics.live.board import Board
from services.metrics.live.sources import GAUGE_DIMENSIONS
from shared.clock import FixedClock
from shared.config.targets import Target
from shared.events import Event
from shared.periods import current_periods
from tests.metrics.numbers import Numbers
from tests.metrics.scraped import Scraper
from tests.metrics.strategies import make

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
JPY, USD = {"value": "1200000", "currency": "JPY"}, {"value": "99.95", "currency": "USD"}


def at(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def call(identity: str, time: datetime, rep: str, outcome: str) -> Event:
    content = {"rep": rep, "direction": "outbound", "outcome": outcome, "duration_s": 30}
    return make("call", identity, "lead-a", time, content)


EVENTS = [
    call("c1", at(20, 1), "tanaka", "conversation"),
    call("c2", at(20, 2), "suzuki", "no_answer"),
    call("c3", at(2, 2), "stranger", "gatekeeper"),
    call("c4", at(3, 2), "another-stranger", "conversation"),
    make("opportunity", "o1", "lead-a", at(5, 1), {"opportunity_id": "A", "status": "created", "amount": JPY}),
    make("opportunity", "o2", "lead-a", at(20, 1), {"opportunity_id": "A", "status": "won"}),
    make("opportunity", "o3", "lead-b", at(6, 1), {"opportunity_id": "B", "status": "won", "amount": USD}),
    make("opportunity", "o4", "lead-b", at(6, 2), {"opportunity_id": "C", "status": "lost", "amount": USD}),
]


@pytest.fixture(scope="module")
def families(numbers: Numbers, runner: asyncio.Runner) -> dict[str, Metric]:
    async def scrape() -> dict[str, Metric]:
        await numbers.reset()
        await numbers.take(EVENTS)
        settings, clock = numbers.settings, FixedClock(NOW)
        targets = [Target(kpi="calls", period="2026-11", value=Decimal(400), member="tanaka")]
        board = Board(
            numbers.engine, numbers.catalogue, numbers.fold.team, numbers.rules.policy, settings, clock, targets
        )
        return await Scraper(board).families()

    return runner.run(scrape())


def cuts_of(kpi: Kpi) -> list[str]:
    """What the query cuts alike: reps and teams that nobody knows are one `other` here; a share has members."""
    if isinstance(kpi, Share):
        return [kpi.across]
    return ["total", *(d for d in GAUGE_DIMENSIONS if d in kpi.dimensions and d not in ("rep", "team"))]


def test_every_gauge_is_what_the_query_answers(
    numbers: Numbers, runner: asyncio.Runner, families: dict[str, Metric], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {tuple(s.labels.values()): s.value for s in families["tasuki_kpi_value"].samples}
    expected: dict[tuple[str, ...], float] = {}
    monkeypatch.setattr(numbers, "today", date(2026, 11, 20))
    for kpi in numbers.catalogue:
        for label, period in current_periods(date(2026, 11, 20)).items():
            for cut in cuts_of(kpi):
                by = () if cut == "total" else (cut,)
                for row in runner.run(numbers.ask(kpi.id, "all", by, (period.first, period.last))):
                    if row["value"] is not None:
                        expected[(kpi.id, label, cut, row.get(cut, ""), row.get("currency", ""))] = row["value"]
    assert expected
    found = {key: value for key, value in values.items() if key[2] not in ("rep", "team")}
    assert found == pytest.approx(expected)


def test_reps_that_nobody_knows_are_one_other(families: dict[str, Metric]) -> None:
    values = {tuple(s.labels.values()): s.value for s in families["tasuki_kpi_value"].samples}
    assert values["calls", "this_month", "rep", "other", ""] == 2
    assert values["connect_rate", "this_month", "rep", "other", ""] == 1
    assert values["calls", "this_month", "rep", "tanaka", ""] == 1
    assert values["calls", "today", "rep", "suzuki", ""] == 1


def test_the_counter_counts_each_activity_once(families: dict[str, Metric]) -> None:
    samples = families["tasuki_activities"].samples
    assert sum(s.value for s in samples if s.labels["type"] == "call") == 4
    assert {s.labels["rep"] for s in samples if s.labels["type"] == "call"} == {"tanaka", "suzuki", "other"}
    assert {s.labels["team"] for s in samples if s.labels["rep"] == "tanaka"} == {"smb"}
    assert {s.labels["segment"] for s in samples} == {"unknown"}


def test_targets_of_the_current_periods_are_told(families: dict[str, Metric]) -> None:
    (sample,) = families["tasuki_kpi_target"].samples
    assert sample.labels == {
        "kpi": "calls",
        "period": "this_month",
        "dimension": "rep",
        "member": "tanaka",
        "currency": "",
    }
    assert sample.value == 400
    (expected,) = families["tasuki_kpi_expected"].samples
    assert expected.labels == sample.labels
    assert expected.value == pytest.approx(400 * 14 / 19)  # November has 19 business days: the 3rd and 23rd are none
