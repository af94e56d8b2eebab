"""Figures worked by hand for what happens at one time, or is told in another order than it happened."""

from datetime import date, timedelta
from itertools import permutations

import pytest

from tests.metrics.desk import Desk, appointment, call, from_source, handoff, jpy, seen, step, term, utc


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_of_two_calls_at_one_time_the_later_source_s_is_the_second(desk: Desk, order: tuple[int, ...]) -> None:
    """By id alone the other one would be: `source` comes first."""
    at = utc(2026, 11, 20, 5)
    calls = [
        from_source("dialer", call("z", at, rep="tanaka")),
        from_source("pbx", call("a", at, rep="suzuki")),
    ]
    for n in order:
        desk.take(calls[n])
    assert desk.ask("second_calls", "all", "rep", "source") == {("all", "suzuki", "pbx"): 1}
    assert desk.ask("days_to_second_action", "all", "rep") == {("all", "suzuki"): 0}
    assert desk.ask("speed_to_lead", "all", "rep") == {("all", "tanaka"): 0}


def test_what_is_said_of_an_opportunity_at_one_time_goes_by_id(desk: Desk) -> None:
    at = utc(2026, 11, 20, 5)
    desk.take(step("4", at, "valid", credited_rep="suzuki"), step("3", at, "invalid", amount=jpy(30)))
    assert desk.ask("valid_opportunities", "all", "rep") == {("all", "suzuki"): 1}
    desk.take(step("5", at, "won", owner="sato"), step("2", at, "created", amount=jpy(20), credited_rep="tanaka"))
    assert desk.ask("booked_amount", "all", "rep", "owner") == {("all", "suzuki", "sato"): 30}
    assert desk.ask("pipeline_amount") == {"all": 30}
    assert desk.row("sales_cycle_days") == {"period": "all", "value": 0, "median": 0, "p90": 0, "n": 1}
    desk.take(step("6", at, "invalid"))
    assert desk.ask("valid_opportunities") == {}
    assert desk.ask("deals") == {"all": 1}


def test_an_appointment_set_twice_at_one_time_is_one_of_the_later_rep(desk: Desk) -> None:
    at = utc(2026, 11, 20, 5)
    desk.take(
        from_source("tool", appointment("a", at, rep="suzuki", how_set="email")),
        from_source("pbx", appointment("b", at, how_set="call")),
    )
    # Where the first was told of, by the rep that is the latest known.
    assert desk.ask("appointments", "all", "source", "rep", "channel") == {("all", "pbx", "suzuki", "email"): 1}


def test_of_two_handoffs_at_one_time_the_later_one_s_rep_has_the_deal(desk: Desk) -> None:
    at = utc(2026, 11, 20, 5)
    desk.take(
        handoff("b", at, rep="suzuki"), handoff("a", at, rep="tanaka"), step("1", at + timedelta(seconds=1), "won")
    )
    assert desk.ask("deals", "all", "rep") == {("all", "suzuki"): 1}


def test_a_handoff_at_the_time_of_the_deal_but_after_it_has_no_part_in_it(desk: Desk) -> None:
    moment = utc(2026, 11, 5)
    desk.take(
        handoff("h1", utc(2026, 11, 4), rep="yamada"),
        from_source("a", step("o", moment, "created")),
        from_source("b", handoff("h2", moment, rep="tanaka")),
    )
    assert desk.ask("opportunities", "all", "rep") == {("all", "yamada"): 1}


def test_terms_of_one_day_and_one_time_go_by_id(desk: Desk) -> None:
    day = "2026-11-20"
    desk.take(term("2", day, "changed", 1500), term("1", day, "started", 1200))
    assert desk.ask("arr", days=(None, date(2026, 11, 20))) == {"all": 1500}
    desk.take(term("3", day, "ended"))
    assert desk.ask("arr", days=(None, date(2026, 11, 20))) == {}  # it never ran for a day
    desk.take(term("4", day, "started", 900))
    assert desk.ask("arr", days=(None, date(2026, 11, 20))) == {"all": 900}
    assert desk.ask("active_companies", days=(None, date(2026, 11, 20))) == {"all": 1}


SECONDS = [
    seen("known", utc(2026, 11, 1)),
    call("first", utc(2026, 11, 2), rep="tanaka"),
    call("second", utc(2026, 11, 4), rep="suzuki"),
    call("third", utc(2026, 11, 9), rep="yamada"),
]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_second_may_come_before_the_first(desk: Desk, order: tuple[int, ...]) -> None:
    for n in order:
        desk.take(SECONDS[n])
    assert desk.ask("second_calls", "day", "rep") == {("2026-11-04", "suzuki"): 1}
    assert desk.ask("days_to_second_action", "day", "rep") == {("2026-11-04", "suzuki"): 2}
    assert desk.ask("speed_to_lead", "day", "rep") == {("2026-11-01", "tanaka"): 86_400}


def test_an_end_may_come_before_its_beginning(desk: Desk) -> None:
    desk.take(step("3", utc(2026, 11, 11), "won", amount=jpy(10)), appointment("b", utc(2026, 11, 3), "cancelled"))
    assert desk.ask("deals", "day") == {"2026-11-11": 1}
    assert desk.ask("sales_cycle_days") == {}
    assert desk.ask("opportunity_to_deal_rate") == {"all": None}
    assert desk.ask("appointments") == {}
    desk.take(step("2", utc(2026, 11, 5), "valid"), step("1", utc(2026, 11, 1), "created"))
    assert desk.ask("sales_cycle_days", "day") == {"2026-11-11": 10}
    assert desk.ask("opportunity_to_deal_rate") == {"all": 1}
    assert desk.ask("open_pipeline_amount", "day", days=(date(2026, 11, 10), date(2026, 11, 11))) == {
        "2026-11-10": 10,
        "2026-11-11": 0,
    }
    desk.take(appointment("a", utc(2026, 11, 2)))
    assert desk.ask("appointments", "day") == {"2026-11-02": 1}


def test_a_deal_that_was_lost_and_won_again_is_closed_once(desk: Desk) -> None:
    desk.take(step("1", utc(2026, 11, 1), "lost"), step("2", utc(2026, 12, 1), "won"))
    desk.take(step("3", utc(2026, 12, 2), "lost", opportunity_id="P"))
    assert desk.ask("closed", "month") == {"2026-12": 2}
    assert desk.ask("closing_rate", "month") == {"2026-12": 0.5}
    assert desk.ask("leads_with_deal", "month") == {"2026-11": 1}
    assert desk.ask("leads_with_opportunity") == {}  # nobody told of its creation
