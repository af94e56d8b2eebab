"""A company's own KPIs are YAML alone: right for all the past."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.metrics.live.board import Board
from services.metrics.rebuild.steps import rebuild
from services.metrics.verify.recount import RawEvent, Recount
from shared.clock import FixedClock
from shared.config import load_config
from shared.config.targets import Target
from shared.events import Event, encode_data
from tests.metrics import company_kpis
from tests.metrics.company_kpis import IDS
from tests.metrics.desk import Desk, call, jpy, observed, step, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.own import with_config
from tests.metrics.scraped import Scraper
from tests.metrics.strategies import make

OWN = company_kpis.OWN
"""What the fixture `folder` adds."""


def touch(identity: str, lead: str, day: int, channel: str, outcome: str, **content: Any) -> Event:
    direction = "inbound" if outcome == "replied" else "outbound"
    given = {"rep": "tanaka", "channel": channel, "direction": direction, "outcome": outcome}
    return make("touch", identity, lead, utc(2026, 11, day, 3), given | content)


def appointment(identity: str, lead: str, day: int, how_set: str) -> Event:
    content = {"appointment_id": identity, "status": "set", "rep": "tanaka", "how_set": how_set}
    return make("appointment", identity, lead, utc(2026, 11, day, 3), content)


def won(opportunity: str, lead: str, created: int, took: int, product: str, yen: int) -> list[Event]:
    """An opportunity of November that is won after so many days."""
    at = utc(2026, 11, created, 3)
    about: dict[str, Any] = {"opportunity_id": opportunity, "product": product, "amount": jpy(yen)}
    return [
        step(f"{opportunity}-created", at, "created", lead, **about),
        step(f"{opportunity}-won", at + timedelta(days=took), "won", lead, opportunity_id=opportunity),
    ]


KNOWN = {"email": "a@b.jp", "phone": "+81312345678", "title": "部長", "industry": "IT", "needs": "confirmed"}
HISTORY = [
    # lead-a is a large company, wanted most, 6 of 9 rank fields known (rank B); lead-b small; lead-c nobody knows.
    observed("f-a", "lead-a", employees=5000, target_tier="A", **KNOWN),
    observed("f-b", "lead-b", employees=30),
    # Seminars: three came, one declined, one was told of as attending by telephone and does not count.
    touch("s1", "lead-a", 2, "seminar", "attended"),
    touch("s2", "lead-b", 2, "seminar", "attended", rep="yamada"),
    touch("s3", "lead-c", 16, "seminar", "attended"),
    touch("s4", "lead-c", 2, "seminar", "declined"),
    touch("s5", "lead-c", 2, "community", "attended"),
    # Letters: four sent and one answered, one e-mail answered.
    *(touch(f"l{n}", f"lead-{lead}", 4, "cxo_letter", "sent") for n, lead in enumerate("aabc")),
    touch("l5", "lead-a", 9, "cxo_letter", "replied"),
    touch("l6", "lead-b", 9, "email", "replied"),
    # Talk: 125 s and 300 s with the large company; what the small one and the gatekeeper said does not count.
    call("c1", utc(2026, 11, 5, 3), "lead-a", outcome="conversation", duration_s=125),
    call("c2", utc(2026, 11, 6, 3), "lead-a", outcome="conversation", duration_s=300),
    call("c3", utc(2026, 11, 6, 4), "lead-a", outcome="gatekeeper", duration_s=20),
    call("c4", utc(2026, 11, 6, 5), "lead-b", outcome="conversation", duration_s=600),
    appointment("a1", "lead-a", 10, "cxo_letter"),
    appointment("a2", "lead-c", 10, "cxo_letter"),
    appointment("a3", "lead-b", 10, "call"),
    *won("O", "lead-a", 10, 10, "platform", 900),
    *won("P", "lead-a", 10, 30, "platform", 600),
    *won("Q", "lead-b", 10, 2, "platform", 300),
    *won("R", "lead-a", 10, 50, "add-on", 70),
    step("S", utc(2026, 11, 12), "created", "lead-c", opportunity_id="S", product="platform", amount=jpy(400)),
    make("spend", "m", "", utc(2026, 11, 5), {"amount": jpy(600), "category": "marketing", "spent_on": "2026-11-05"}),
]
YEAR_END = (None, date(2026, 12, 31))


def assert_five(desk: Desk) -> None:
    assert desk.ask("seminar_attendances", "day", "rep") == {
        ("2026-11-02", "tanaka"): 1,
        ("2026-11-02", "yamada"): 1,
        ("2026-11-16", "tanaka"): 1,
    }
    assert desk.row("letter_reply_rate") == {"period": "all", "value": 0.25, "numerator": 1, "denominator": 4}
    assert desk.ask("letter_reply_rate", "day") == {"2026-11-04": 0, "2026-11-09": None}
    assert desk.ask("letter_reply_rate", "all", "segment") == {
        ("all", "enterprise"): 0.5,
        ("all", "smb"): 0,
        ("all", "unknown"): 0,
    }
    assert desk.row("platform_deal_size") == {
        "period": "all",
        "currency": "JPY",
        "value": 600,  # 900, 600 and 300
        "numerator": 1800,
        "denominator": 3,
    }
    assert desk.ask("platform_deal_size", "month", "segment") == {
        ("2026-11", "enterprise"): 900,
        ("2026-11", "smb"): 300,
        ("2026-12", "enterprise"): 600,
    }
    # After 10, 30 and 50 days; the two days of the small company are left out.
    assert desk.row("enterprise_cycle_days") == {"period": "all", "value": 30, "median": 30, "p90": 46, "n": 3}
    assert desk.ask("enterprise_cycle_days", "month", "product") == {
        ("2026-11", "platform"): 10,
        ("2026-12", "platform"): 30,
        ("2026-12", "add-on"): 50,
    }
    assert desk.ask("product_mix", "month", "product") == {("2026-11", "platform"): 0.8, ("2026-11", "add-on"): 0.2}


def test_five_companies_count_what_they_asked_for(company: Desk) -> None:
    company.take(*HISTORY)
    assert_five(company)


def test_one_more_of_each_other_kind(company: Desk) -> None:
    company.numbers.targets = (
        Target(kpi="platform_amount", period="2026-11", value=Decimal(1400), currency="JPY"),
        Target(kpi="platform_amount", period="2026-12", value=Decimal(600), currency="JPY"),
    )
    company.take(*HISTORY)
    assert company.ask("enterprise_talk_time", "day") == {"2026-11-05": 125, "2026-11-06": 300}
    assert company.ask("letter_points") == {"all": 20}  # 15 of tier A, rank B; 5 of nobody knows, rank C
    assert company.ask("prepared_share") == {"all": 1 / 3}
    # Open at the end of November: P (600, won in December) and S (400); O and Q are won by then.
    assert company.ask("open_platform_amount", "month", days=YEAR_END) == {"2026-11": 1000, "2026-12": 400}
    # November: 1,400 less the 1,200 of O and Q leaves 200 to win; December's 600 is met by P.
    assert company.ask("platform_coverage", "month", days=YEAR_END) == {"2026-11": 5, "2026-12": None}
    # Two weeks up to Sunday 2026-11-15 hold two guests, those up to 2026-11-22 the third alone.
    assert company.ask("weekly_seminar_guests", "day", days=(date(2026, 11, 21), date(2026, 11, 22))) == {
        "2026-11-21": 1,
        "2026-11-22": 0.5,
    }
    assert company.ask("return_on_spend", "month", "currency") == {("2026-11", "JPY"): 2, ("2026-12", "JPY"): None}


def test_late_events_and_corrections_reach_them_too(company: Desk) -> None:
    company.take(void("x", utc(2026, 12, 1), "s3"), *reversed(HISTORY))
    company.take(void("y", utc(2026, 12, 1), "l5"), observed("f-c", "lead-c", employees=9000))
    assert company.ask("seminar_attendances", "day") == {"2026-11-02": 2}
    assert company.ask("letter_reply_rate") == {"all": 0}
    assert company.ask("letters", "all", "segment") == {("all", "enterprise"): 3, ("all", "smb"): 1}


def test_added_late_they_know_all_the_past(desk: Desk, numbers: Numbers, runner: asyncio.Runner, folder: Path) -> None:
    """Cells hold facts, so nothing is counted anew for them."""
    desk.take(*HISTORY)
    assert all(numbers.catalogue.get(kpi) is None for kpi in IDS)
    cells = runner.run(numbers.cells())
    desk.numbers = with_config(numbers, load_config(folder))
    assert start(runner, desk.numbers) is None
    assert_five(desk)
    assert runner.run(numbers.cells()) == cells
    # And from there on they go on counting.
    desk.take(touch("s6", "lead-a", 17, "seminar", "attended"))
    assert desk.ask("seminar_attendances") == {"all": 4}


def start(runner: asyncio.Runner, numbers: Numbers) -> int | None:
    """The start of the service: the events it counted anew, None when it did not have to."""
    return runner.run(rebuild(numbers.engine, numbers.rules, only_if_stale=True))


def test_the_shipped_kpis_stay_as_they_are(desk: Desk, numbers: Numbers, folder: Path) -> None:
    desk.take(*HISTORY)
    shipped = {kpi.id: desk.rows(kpi.id, "month", days=YEAR_END) for kpi in numbers.catalogue}
    desk.numbers = with_config(numbers, load_config(folder))
    assert {kpi: desk.rows(kpi, "month", days=YEAR_END) for kpi in shipped} == shipped
    assert [kpi.id for kpi in desk.numbers.catalogue] == [*shipped, *IDS]


def test_counting_again_from_the_events_finds_the_same(company: Desk, folder: Path) -> None:
    """The other way of counting, that `tasuki kpi verify` takes, knows them from their entries too."""
    company.take(*HISTORY)
    numbers = company.numbers
    recount = Recount(load_config(folder), numbers.rules.zone, numbers.settings.fiscal_year_start)
    recount.learn([raw(event) for event in HISTORY])
    recount.count()
    for kpi in IDS:
        live = {(row["period"],): row["value"] for row in company.rows(kpi, "month", days=YEAR_END)}
        again = recount.answer(kpi, "month", [], date(2026, 12, 31))
        assert {key[:1]: row["value"] for key, row in again.items()} == live, kpi


def raw(event: Event) -> RawEvent:
    return RawEvent(
        event.source, event.id, event.name, event.time.isoformat(), event.subject, encode_data(event.data).decode()
    )


def test_prometheus_shows_them(company: Desk, runner: asyncio.Runner) -> None:
    company.take(*HISTORY)
    numbers, clock = company.numbers, FixedClock(utc(2026, 12, 31, 3))
    board = Board(
        numbers.engine, numbers.catalogue, numbers.fold.team, numbers.rules.policy, numbers.settings, clock, ()
    )
    families = runner.run(Scraper(board).families())
    shown = {tuple(s.labels.values()): s.value for s in families["tasuki_kpi_value"].samples}
    assert shown["seminar_attendances", "this_fiscal_year", "rep", "yamada", ""] == 1
    assert shown["letter_reply_rate", "this_quarter", "segment", "enterprise", ""] == 0.5
    assert shown["platform_deal_size", "this_month", "total", "", "JPY"] == 600
    assert shown["enterprise_cycle_days", "this_month", "total", "", ""] == 40
    assert {s.labels["kpi"] for s in families["tasuki_kpi_info"].samples} >= set(IDS)
