"""Figures worked by hand, at the borders where counting goes wrong."""

from datetime import date

from tests.metrics.desk import Desk, call, jpy, step, utc, void
from tests.metrics.strategies import make


def test_a_day_ends_at_midnight_in_tokyo(desk: Desk) -> None:
    desk.take(call("before", utc(2026, 11, 23, 14, 59, 59)), call("after", utc(2026, 11, 23, 15)))
    assert desk.ask("calls", "day") == {"2026-11-23": 1, "2026-11-24": 1}
    assert desk.ask("calls", "all", "hour") == {("all", "00"): 1, ("all", "23"): 1}
    assert desk.ask("calls", "all", "ampm", "weekday") == {("all", "AM", "2"): 1, ("all", "PM", "1"): 1}


def test_the_first_days_of_january_may_belong_to_week_53(desk: Desk) -> None:
    desk.take(call("a", utc(2027, 1, 3, 14)), call("b", utc(2027, 1, 3, 15)))
    assert desk.ask("calls", "week") == {"2026-W53": 1, "2027-W01": 1}
    assert desk.ask("calls", "quarter") == {"2027-Q1": 2}


def test_a_leap_day_and_the_turn_of_the_fiscal_year(desk: Desk) -> None:
    desk.take(
        call("leap", utc(2028, 2, 29, 1)), call("march", utc(2028, 3, 31, 14)), call("april", utc(2028, 3, 31, 15))
    )
    assert desk.ask("calls", "day") == {"2028-02-29": 1, "2028-03-31": 1, "2028-04-01": 1}
    assert desk.ask("calls", "fiscal_year") == {"FY2027": 2, "FY2028": 1}


def test_a_second_call_may_come_before_the_first(desk: Desk) -> None:
    desk.take(call("second", utc(2026, 11, 20, 5), rep="suzuki"))
    assert desk.ask("second_calls") == {}
    desk.take(call("first", utc(2026, 11, 19, 5)))
    assert desk.ask("second_calls", "day", "rep") == {("2026-11-20", "suzuki"): 1}
    desk.take(call("between", utc(2026, 11, 19, 6), rep="yamada"))
    assert desk.ask("second_calls", "day", "rep") == {("2026-11-19", "yamada"): 1}
    desk.take(void("x", utc(2026, 11, 21, 1), "between"))
    assert desk.ask("second_calls", "day", "rep") == {("2026-11-20", "suzuki"): 1}


def test_ties_in_time_go_by_source_and_id(desk: Desk) -> None:
    at = utc(2026, 11, 20, 5)
    desk.take(call("b", at, rep="suzuki"), call("a", at, rep="tanaka"))
    assert desk.ask("second_calls", "all", "rep") == {("all", "suzuki"): 1}
    desk.take(step("1", at, "won", amount=jpy(10)), step("2", at, "lost"))
    assert desk.ask("deals") == {}
    assert desk.ask("closing_rate") == {"all": 0}


def test_ratios_have_their_parts_and_nothing_to_divide_by_is_null(desk: Desk) -> None:
    desk.take(call("a", utc(2026, 11, 20, 5), outcome="conversation"), call("b", utc(2026, 11, 20, 6)))
    assert desk.row("connect_rate") == {"period": "all", "value": 0.5, "numerator": 1, "denominator": 2}
    desk.take(call("c", utc(2026, 11, 21, 5)))
    assert desk.ask("connect_rate", "day") == {"2026-11-20": 0.5, "2026-11-21": 0}
    assert desk.ask("conversation_rate", "day") == {"2026-11-20": 1}
    assert desk.ask("closing_rate") == {}


def test_a_correction_may_come_before_what_it_corrects_and_be_corrected_itself(desk: Desk) -> None:
    desk.take(void("x", utc(2026, 11, 21, 1), "a"))
    desk.take(call("a", utc(2026, 11, 20, 5)))
    assert desk.ask("calls") == {}
    desk.take(void("y", utc(2026, 11, 22, 1), "x"))
    assert desk.ask("calls", "day") == {"2026-11-20": 1}


def test_corrections_in_a_ring_are_void_together(desk: Desk) -> None:
    desk.take(
        call("a", utc(2026, 11, 20, 5)), void("x", utc(2026, 11, 21, 1), "y"), void("y", utc(2026, 11, 21, 2), "x")
    )
    assert desk.ask("calls") == {"all": 1}


def test_deals_fall_where_they_are_won_with_the_latest_amount(desk: Desk) -> None:
    desk.take(
        step("1", utc(2026, 10, 1), "created", amount=jpy(1_000_000), credited_rep="tanaka"),
        step("2", utc(2026, 11, 10), "won", amount=jpy(1_200_000)),
        step("3", utc(2026, 11, 20), "valid", amount=jpy(1_500_000)),
    )
    assert desk.ask("pipeline_amount", "month", "rep") == {("2026-10", "tanaka"): 1_500_000}
    assert desk.ask("booked_amount", "month", "rep") == {("2026-11", "tanaka"): 1_500_000}
    cycle = desk.row("sales_cycle_days")
    assert cycle == {"period": "all", "value": 40, "median": 40, "p90": 40, "n": 1}
    desk.take(step("4", utc(2026, 12, 1), "lost"))
    assert desk.ask("booked_amount") == {}
    assert desk.ask("closing_rate", "month") == {"2026-12": 0}


def test_money_is_never_added_across_currencies(desk: Desk) -> None:
    usd = {"value": "99.95", "currency": "USD"}
    desk.take(
        step("1", utc(2026, 11, 1), "won", amount=usd),
        step("2", utc(2026, 11, 1), "won", opportunity_id="P", amount=jpy(100)),
        step("3", utc(2026, 11, 1), "won", opportunity_id="Q"),
    )
    assert desk.ask("booked_amount", "all", "currency") == {("all", "JPY"): 100, ("all", "USD"): 99.95}
    assert desk.ask("average_deal_size", "all", "currency") == {("all", "JPY"): 100, ("all", "USD"): 99.95}
    assert desk.ask("deals") == {"all": 3}


def test_a_segment_learnt_later_moves_the_past(desk: Desk) -> None:
    desk.take(call("a", utc(2026, 11, 20, 5)), step("1", utc(2026, 11, 1), "won"))
    assert desk.ask("calls", "all", "segment") == {("all", "unknown"): 1}
    observed = {"observation_id": "o", "field": "employees", "method": "tool", "source": "t", "value": 2500}
    content = {"observations": [observed | {"observed_at": "2026-11-22T00:00:00Z"}]}
    desk.take(make("lead-fields", "f", "lead-a", utc(2026, 11, 22), content))
    assert desk.ask("calls", "all", "segment") == {("all", "enterprise"): 1}
    assert desk.ask("deals", "all", "segment") == {("all", "enterprise"): 1}


def test_a_rep_s_team_is_that_of_the_day(desk: Desk) -> None:
    desk.take(call("a", utc(2026, 3, 31, 14), rep="nakamura"), call("b", utc(2026, 3, 31, 15), rep="nakamura"))
    assert desk.ask("calls", "all", "team") == {("all", ""): 1, ("all", "enterprise"): 1}


def test_to_is_inclusive(desk: Desk) -> None:
    desk.take(*(call(str(day), utc(2026, 11, day, 5)) for day in (19, 20, 21, 22)))
    assert desk.ask("calls", "month", days=(date(2026, 11, 20), date(2026, 11, 21))) == {"2026-11": 2}
