"""Rates of money are per currency, whichever part the money is: as asked for, on the board, and counted again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.metrics.live.board import Board
from services.metrics.live.sources import GAUGE_DIMENSIONS
from services.metrics.question import ask
from services.metrics.verify.recount import Recount
from shared.clock import FixedClock
from shared.config import load_config
from shared.events import Event
from tests.metrics.compare import GRAINS, LAST_DAY, assert_same, raw
from tests.metrics.desk import Desk, call, jpy, observed, step, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.own import entry
from tests.metrics.scraped import Scraper
from tests.metrics.strategies import make

OWN = "".join(
    [
        entry("deals_per_money", "ratio", "ratio", "numerator: deals\n    denominator: spend"),
        entry(
            "calls_per_money",
            "ratio",
            "ratio",
            "numerator: calls\n    denominator: spend\n    numerator_dimensions: [rep, segment]",
        ),
        entry("money_per_money", "ratio", "ratio", "numerator: booked_amount\n    denominator: spend"),
        entry("money_per_deal", "money", "ratio", "numerator: booked_amount\n    denominator: deals"),
        entry(
            "calls_per_lead",
            "ratio",
            "ratio",
            "numerator: calls\n    denominator: leads\n    numerator_dimensions: [rep, team, channel]",
        ),
        entry("calls_per_pipeline", "ratio", "ratio", "numerator: calls\n    denominator: pipeline_amount"),
    ]
)
IDS = [
    "deals_per_money",
    "calls_per_money",
    "money_per_money",
    "money_per_deal",
    "calls_per_lead",
    "calls_per_pipeline",
]
NOVEMBER = FixedClock(utc(2026, 11, 20))


def usd(value: str) -> dict[str, str]:
    return {"value": value, "currency": "USD"}


def spend(identity: str, day: str, amount: dict[str, str], **content: Any) -> Event:
    given = {"amount": amount, "category": "sales", "spent_on": day} | content
    return make("spend", identity, "", utc(2026, 11, 5), given)


def deal(opportunity: str, day: int, amount: dict[str, str] | None = None) -> list[Event]:
    at = utc(2026, 11, day)
    about: dict[str, Any] = {"opportunity_id": opportunity, "credited_rep": "tanaka", "amount": amount}
    return [step(f"{opportunity}-{status}", at, status, **about) for status in ("created", "won")]


HISTORY = [
    observed("f", "lead-a", employees=5000),
    spend("m1", "2026-11-05", jpy(600), campaign="fair"),
    spend("m2", "2026-11-06", usd("2.50")),
    spend("m3", "2026-12-05", jpy(100)),
    call("c1", utc(2026, 11, 2)),
    call("c2", utc(2026, 11, 2), "lead-b", rep="yamada"),
    *deal("O", 6),
    *deal("P", 7, jpy(300)),
    *deal("Q", 8, usd("99.95")),
    call("c3", utc(2027, 1, 2)),
]


def test_a_count_per_money_is_per_major_unit_of_each_currency(company: Desk) -> None:
    company.take(*HISTORY)
    # Three deals, 600 and 100 yen, 2.50 dollars. A deal's own currency says nothing of what is spent.
    assert company.rows("deals_per_money") == [
        {"period": "all", "currency": "JPY", "value": 3 / 700, "numerator": 3, "denominator": 700},
        {"period": "all", "currency": "USD", "value": 3 / 2.5, "numerator": 3, "denominator": 2.5},
    ]
    assert company.ask("deals_per_money", "month", "currency") == {
        ("2026-11", "JPY"): 3 / 600,
        ("2026-11", "USD"): 3 / 2.5,
        ("2026-12", "JPY"): 0,
    }
    assert company.ask("deals_per_money", "all", "campaign", "currency") == {
        ("all", "", "JPY"): 3 / 100,
        ("all", "", "USD"): 3 / 2.5,
        ("all", "fair", "JPY"): 0,
    }


def test_money_stands_whole_beside_what_it_does_not_know(company: Desk) -> None:
    company.take(*HISTORY)
    rows = company.rows("calls_per_money", "month", "rep", "segment")
    assert [(*list(row.values())[:4], row["numerator"], row["denominator"]) for row in rows] == [
        ("2026-11", "tanaka", "enterprise", "JPY", 1, 600),
        ("2026-11", "tanaka", "enterprise", "USD", 1, 2.5),
        ("2026-11", "yamada", "unknown", "JPY", 1, 600),
        ("2026-11", "yamada", "unknown", "USD", 1, 2.5),
    ]  # none in December, when there was no call, and none in January, when there was no money
    assert company.ask("calls_per_pipeline", "all", "rep", "currency") == {
        ("all", "tanaka", "JPY"): 2 / 300,
        ("all", "tanaka", "USD"): 2 / 99.95,
    }


def test_only_one_currency_may_be_asked_for(company: Desk) -> None:
    company.take(*HISTORY)
    for kpi, values in {
        "deals_per_money": [3 / 2.5],
        "money_per_deal": [99.95 / 3],
        "money_per_money": [39.98],
    }.items():
        found = company.numbers.catalogue.get(kpi)
        assert found is not None
        rows = company.answer(ask(found, "all", None, None, "currency", "currency:USD"))
        assert [row["value"] for row in rows] == pytest.approx(values)
        assert [row["currency"] for row in rows] == ["USD"]


def test_counting_again_finds_the_same(company: Desk, folder: Path) -> None:
    company.take(*HISTORY)
    numbers = company.numbers
    recount = Recount(load_config(folder), numbers.rules.zone, numbers.settings.fiscal_year_start)
    recount.learn([raw(event) for event in HISTORY])
    recount.count()
    for kpi in IDS:
        found = numbers.catalogue.get(kpi)
        assert found is not None
        for by in ([], [d for d in found.dimensions if d != "currency"]):
            for grain in GRAINS:
                assert_same(kpi, company.rows(kpi, grain, *by), recount.answer(kpi, grain, by, LAST_DAY))


def test_the_board_shows_what_is_asked_for(company: Desk, runner: asyncio.Runner) -> None:
    scraper = Scraper(board(company.numbers))
    francs = spend("m4", "2026-11-09", {"value": "5", "currency": "CHF"})
    # News may be of one part of a rate alone: of the money or of the leads that stand whole beside each rep.
    for news in (HISTORY, [francs], [void("x", utc(2026, 11, 9), "m4")], [observed("g", "lead-c", employees=1)]):
        company.take(*news)
        shown = shown_by(scraper, runner)
        for kpi in IDS:
            found = {key[2:]: value for key, value in shown.items() if key[:2] == (kpi, "this_month")}
            assert found == gauges_of(company, kpi), kpi
    assert shown["calls_per_money", "this_month", "rep", "tanaka", "USD"] == 1 / 2.5
    assert shown["calls_per_lead", "this_month", "rep", "tanaka", ""] == 1 / 3
    assert shown["money_per_deal", "this_month", "rep", "tanaka", "JPY"] == 100
    assert ("money_per_deal", "this_month", "rep", "tanaka", "") not in shown


def gauges_of(company: Desk, kpi: str) -> dict[tuple[str, str, str], float]:
    """What November's rows say: dimension, member and currency -> value."""
    found = company.numbers.catalogue.get(kpi)
    assert found is not None
    gauges: dict[tuple[str, str, str], float] = {}
    for cut in ("total", *(d for d in GAUGE_DIMENSIONS if d in found.dimensions)):
        for row in company.rows(kpi, "month", *(() if cut == "total" else (cut,))):
            if row["period"] == "2026-11" and row["value"] is not None:
                gauges[cut, row.get(cut, ""), row.get("currency", "")] = row["value"]
    return gauges


def test_the_board_shows_money_that_did_not_come(company: Desk, runner: asyncio.Runner) -> None:
    company.take(HISTORY[1])
    assert company.ask("money_per_money") == {"all": 0}
    shown = shown_by(Scraper(board(company.numbers)), runner)
    assert shown["money_per_money", "this_month", "total", "", "JPY"] == 0
    assert shown["deals_per_money", "this_month", "total", "", "JPY"] == 0


def board(numbers: Numbers) -> Board:
    return Board(
        numbers.engine, numbers.catalogue, numbers.fold.team, numbers.rules.policy, numbers.settings, NOVEMBER, ()
    )


def shown_by(scraper: Scraper, runner: asyncio.Runner) -> dict[tuple[str, ...], float]:
    """The gauges, by their labels."""
    families = runner.run(scraper.families())
    return {tuple(s.labels.values()): s.value for s in families["tasuki_kpi_value"].samples}
