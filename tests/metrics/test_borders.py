"""Figures worked by hand at the borders, for the KPIs that the other files of figures do not take there.

Midnight, weeks, leap days and the turn of the fiscal year are those of Tokyo; times are given in UTC, nine hours less.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from shared.config.targets import Target
from shared.events import Event
from tests.metrics.desk import Desk, appointment, call, handoff, jpy, seen, spend, step, term, touch, utc
from tests.metrics.strategies import make

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
MIDNIGHT = utc(2026, 11, 30, 15)
"""The first moment of 2026-12-01 in Tokyo."""
ONE_EACH = {"2026-11-30": 1, "2026-12-01": 1}


def everything(lead: str, at: datetime) -> list[Event]:
    """All that can happen to a lead happens to it in one second, in the order of the ids."""
    opportunity = f"O-{lead}"
    used = {"rep": "tanaka", "content": "first-mail", "kind": "template", "language": "ja", "channel": "email"}
    moved = {"from": "MQL", "to": "SQL", "cycle": 1, "rule": "r"}
    accepted = {"handoff_id": f"H-{lead}", "sales_rep": "sato"}
    return [
        call(f"{lead}-1", at, lead, outcome="conversation", duration_s=300),
        touch(f"{lead}-2", at, "sent", lead),
        touch(f"{lead}-3", at, "replied", lead, direction="inbound"),
        make("content-used", f"{lead}-0", lead, at, used),
        appointment(f"{lead}-4", at, lead=lead),
        make("stage-changed", f"{lead}-5", lead, at, moved),
        handoff(f"{lead}-6", at, lead),
        make("handoff-accepted", f"{lead}-7", lead, at, accepted),
        step(f"{lead}-8", at, "created", lead, opportunity_id=opportunity, amount=jpy(100)),
        step(f"{lead}-9", at, "valid", lead, opportunity_id=opportunity),
        step(f"{lead}-X", at, "won", lead, opportunity_id=opportunity),
    ]


def test_what_is_done_falls_on_either_side_of_midnight(desk: Desk) -> None:
    desk.take(*everything("lead-a", MIDNIGHT - SECOND), *everything("lead-b", MIDNIGHT))
    assert desk.ask("connects", "day") == ONE_EACH
    assert desk.ask("conversations", "day") == ONE_EACH
    assert desk.ask("conversation_rate", "day") == ONE_EACH
    assert desk.ask("touches", "day") == {"2026-11-30": 2, "2026-12-01": 2}  # a call and an e-mail each
    assert desk.ask("replies", "day") == ONE_EACH
    assert desk.ask("content_uses", "day") == ONE_EACH
    # Five minutes of a call that began a second before midnight belong to the day on which it began.
    assert desk.ask("time_spent", "day") == {"2026-11-30": 300, "2026-12-01": 300}
    assert desk.ask("speed_to_lead", "day") == {"2026-11-30": 0, "2026-12-01": 0}
    assert desk.ask("days_to_second_action", "day") == {"2026-11-30": 0, "2026-12-01": 0}
    assert desk.ask("appointments", "day", "hour") == {("2026-11-30", "23"): 1, ("2026-12-01", "00"): 1}
    assert desk.ask("appointment_points", "day") == ONE_EACH
    assert desk.ask("appointment_rate", "day") == ONE_EACH
    assert desk.ask("call_to_appointment_rate", "day") == ONE_EACH


def test_what_comes_of_it_falls_on_either_side_of_midnight(desk: Desk) -> None:
    desk.take(*everything("lead-a", MIDNIGHT - SECOND), *everything("lead-b", MIDNIGHT))
    assert desk.ask("leads", "day") == ONE_EACH
    assert desk.ask("stage_entries", "day", "stage") == {("2026-11-30", "SQL"): 1, ("2026-12-01", "SQL"): 1}
    assert desk.ask("handoffs", "day", "ampm") == {("2026-11-30", "PM"): 1, ("2026-12-01", "AM"): 1}
    assert desk.ask("handoffs_accepted", "day") == ONE_EACH
    assert desk.ask("handoffs_decided", "day", "owner") == {("2026-11-30", "sato"): 1, ("2026-12-01", "sato"): 1}
    assert desk.ask("handoff_acceptance_rate", "day") == ONE_EACH
    assert desk.ask("opportunities", "day", "weekday") == {("2026-11-30", "1"): 1, ("2026-12-01", "2"): 1}
    assert desk.ask("valid_opportunities", "day") == ONE_EACH
    assert desk.ask("pipeline_amount", "day") == {"2026-11-30": 100, "2026-12-01": 100}
    assert desk.ask("deals", "day") == ONE_EACH
    assert desk.ask("closed", "day") == ONE_EACH
    assert desk.ask("closing_rate", "day") == ONE_EACH
    assert desk.ask("booked_amount", "day") == {"2026-11-30": 100, "2026-12-01": 100}
    assert desk.ask("average_deal_size", "day") == {"2026-11-30": 100, "2026-12-01": 100}
    assert desk.ask("sales_cycle_days", "day") == {"2026-11-30": 0, "2026-12-01": 0}
    assert desk.ask("leads_with_opportunity", "day") == ONE_EACH
    assert desk.ask("leads_with_deal", "day") == ONE_EACH
    assert desk.ask("lead_to_opportunity_rate", "day") == ONE_EACH
    assert desk.ask("lead_to_deal_rate", "day") == ONE_EACH
    assert desk.ask("appointment_to_opportunity_rate", "day") == ONE_EACH
    assert desk.ask("opportunity_to_deal_rate", "day") == ONE_EACH
    assert desk.ask("segment_share", "day", "segment") == {("2026-11-30", "unknown"): 1, ("2026-12-01", "unknown"): 1}


def test_what_takes_a_second_across_midnight_falls_where_its_kpi_says(desk: Desk) -> None:
    before, one_second = MIDNIGHT - SECOND, 1 / 86_400
    desk.take(
        seen("f", before),
        call("1", MIDNIGHT),
        call("2", MIDNIGHT + SECOND),
        step("3", before, "created", amount=jpy(100)),
        step("4", MIDNIGHT, "won"),
    )
    assert desk.ask("speed_to_lead", "month", "hour") == {("2026-11", "23"): 1}  # where the lead became known
    assert desk.ask("days_to_second_action", "month", "hour") == {("2026-12", "00"): one_second}  # where the second is
    assert desk.ask("sales_cycle_days", "month") == {"2026-12": one_second}  # where it was won
    assert desk.ask("pipeline_amount", "month") == {"2026-11": 100}
    assert desk.ask("booked_amount", "month") == {"2026-12": 100}
    assert desk.ask("opportunity_to_deal_rate", "month") == {"2026-11": 0, "2026-12": None}
    assert desk.ask("leads_with_deal", "month") == {"2026-11": 1}  # where the lead was created, not the deal
    until = (None, date(2026, 12, 31))
    assert desk.ask("open_pipeline_amount", "month", days=until) == {"2026-11": 100, "2026-12": 0}


@pytest.mark.parametrize("seconds", [1, 5 * 3600])
def test_what_opens_and_closes_on_one_day_has_been_there(desk: Desk, seconds: int) -> None:
    opened = utc(2026, 11, 2, 1)
    desk.take(
        step("1", opened, "created", amount=jpy(100)),
        step("2", opened + timedelta(seconds=seconds), "won"),
    )
    until = (None, date(2026, 12, 31))
    assert desk.ask("open_pipeline_amount", "month", days=until) == {"2026-11": 0, "2026-12": 0}


def test_a_day_that_is_given_as_a_day_is_not_moved_by_the_time_zone(desk: Desk) -> None:
    desk.take(spend("m1", MIDNIGHT, "2026-11-30", 500), spend("m2", MIDNIGHT - SECOND, "2026-12-01", 70))
    desk.take(term("k", "2026-12-01", "started", 1200))
    assert desk.ask("spend", "day") == {"2026-11-30": 500, "2026-12-01": 70}
    assert desk.ask("new_customers", "day") == {"2026-12-01": 1}
    assert desk.ask("acquisition_cost", "day") == {"2026-11-30": None, "2026-12-01": 70}
    assert desk.ask("arr", "day", days=(date(2026, 11, 30), date(2026, 12, 1))) == {"2026-12-01": 1200}


def test_week_53_holds_the_new_year(desk: Desk) -> None:
    """Monday 2026-12-28 to Sunday 2027-01-03."""
    monday, new_year, next_monday = utc(2026, 12, 27, 15), utc(2026, 12, 31, 15), utc(2027, 1, 3, 15)
    desk.take(*everything("lead-a", monday - SECOND), *everything("lead-b", monday))
    desk.take(*everything("lead-c", new_year), *everything("lead-d", next_monday - SECOND))
    desk.take(*everything("lead-e", next_monday), term("k", "2027-01-01", "started", 1200))
    weeks = {"2026-W52": 1, "2026-W53": 3, "2027-W01": 1}
    assert desk.ask("leads", "week") == weeks
    assert desk.ask("appointments", "week") == weeks
    assert desk.ask("opportunities", "week") == weeks
    assert desk.ask("handoffs", "week") == weeks
    assert desk.ask("booked_amount", "week") == {"2026-W52": 100, "2026-W53": 300, "2027-W01": 100}
    assert desk.ask("booked_amount", "quarter") == {"2026-Q4": 200, "2027-Q1": 300}
    assert desk.ask("new_customers", "week") == {"2026-W53": 1}
    until = (None, date(2027, 1, 10))
    assert desk.ask("arr", "week", days=until) == {"2026-W53": 1200, "2027-W01": 1200}
    assert desk.ask("active_companies", "week", days=until) == {"2026-W53": 1, "2027-W01": 1}


def test_open_pipeline_is_carried_through_week_53(desk: Desk) -> None:
    desk.take(step("1", utc(2026, 12, 27, 14), "created", amount=jpy(100)), step("2", utc(2027, 1, 3, 15), "lost"))
    assert desk.ask("open_pipeline_amount", "week", days=(None, date(2027, 1, 4))) == {
        "2026-W52": 100,
        "2026-W53": 100,
        "2027-W01": 0,
    }


def test_four_whole_weeks_reach_over_the_new_year(desk: Desk) -> None:
    # 2026-12-07 to 2027-01-03 in Tokyo: the first and the last of these moments lie outside, the others at the edges.
    moments = [utc(2026, 12, 6, 14, 59, 59), utc(2026, 12, 6, 15), utc(2027, 1, 3, 14, 59, 59), utc(2027, 1, 3, 15)]
    desk.take(*(call(str(n), at, outcome="gatekeeper") for n, at in enumerate(moments)))
    assert desk.ask("expected_weekly_connects", "week", days=(date(2026, 12, 28), date(2027, 1, 9))) == {
        "2026-W53": 0.5,
        "2027-W01": 0.5,  # that week is not whole by the 9th, a Saturday
    }


def test_a_leap_day_is_a_day(desk: Desk) -> None:
    leap_day = utc(2028, 2, 28, 15)
    for n, at in enumerate([leap_day - SECOND, leap_day, leap_day + DAY - SECOND, leap_day + DAY]):
        desk.take(*everything(f"lead-{n}", at))
    days = {"2028-02-28": 1, "2028-02-29": 2, "2028-03-01": 1}
    assert desk.ask("leads", "day") == days
    assert desk.ask("appointments", "day") == days
    assert desk.ask("deals", "day") == days
    assert desk.ask("opportunities", "month") == {"2028-02": 3, "2028-03": 1}
    assert desk.ask("booked_amount", "month") == {"2028-02": 300, "2028-03": 100}


def test_times_across_a_leap_day_are_a_day_longer(desk: Desk) -> None:
    for year, lead in ((2027, "lead-a"), (2028, "lead-b")):
        before, after = utc(year, 2, 28), utc(year, 3, 1)
        opportunity = f"O-{year}"
        desk.take(
            seen(f"f{year}", before - DAY, lead),
            call(f"a{year}", before, lead),
            call(f"b{year}", after, lead),
            step(f"c{year}", before, "created", lead, opportunity_id=opportunity),
            step(f"d{year}", after, "won", lead, opportunity_id=opportunity),
        )
    assert desk.ask("sales_cycle_days", "month") == {"2027-03": 1, "2028-03": 2}
    assert desk.row("sales_cycle_days") == {"period": "all", "value": 1.5, "median": 1.5, "p90": 1.9, "n": 2}
    assert desk.ask("days_to_second_action", "month") == {"2027-03": 1, "2028-03": 2}
    desk.take(seen("f", utc(2028, 2, 28), "lead-c"), call("g", utc(2028, 3, 1), "lead-c"))
    assert desk.ask("speed_to_lead", "day")["2028-02-28"] == 2 * 86_400


def test_a_contract_of_one_leap_day(desk: Desk) -> None:
    desk.take(term("1", "2028-02-29", "started", 1200), term("2", "2028-03-01", "ended"))
    leap_week = (date(2028, 2, 28), date(2028, 3, 1))
    assert desk.ask("arr", "day", days=leap_week) == {"2028-02-29": 1200, "2028-03-01": 0}
    assert desk.ask("arr", "month", days=leap_week) == {"2028-02": 1200, "2028-03": 0}
    assert desk.ask("active_companies", "month", days=leap_week) == {"2028-02": 1, "2028-03": 0}
    assert desk.ask("new_customers", "month") == {"2028-02": 1}


def test_the_fiscal_year_begins_in_april(desk: Desk) -> None:
    april = utc(2027, 3, 31, 15)
    desk.take(*everything("lead-a", april - SECOND), *everything("lead-b", april))
    desk.take(spend("m1", april, "2027-03-31", 500), spend("m2", april, "2027-04-01", 70))
    desk.take(term("k1", "2027-03-31", "started", 1200), term("k2", "2027-04-01", "changed", 2000))
    years = {"FY2026": 1, "FY2027": 1}
    assert desk.ask("leads", "fiscal_year") == years
    assert desk.ask("appointments", "fiscal_year") == years
    assert desk.ask("opportunities", "fiscal_year") == years
    assert desk.ask("handoffs_accepted", "fiscal_year") == years
    assert desk.ask("booked_amount", "fiscal_year") == {"FY2026": 100, "FY2027": 100}
    assert desk.ask("closing_rate", "fiscal_year") == years
    assert desk.ask("spend", "fiscal_year") == {"FY2026": 500, "FY2027": 70}
    assert desk.ask("new_customers", "fiscal_year") == {"FY2026": 1}
    assert desk.ask("acquisition_cost", "fiscal_year") == {"FY2026": 500, "FY2027": None}
    assert desk.ask("arr", "fiscal_year", days=(None, date(2028, 3, 31))) == {"FY2026": 1200, "FY2027": 2000}


def test_where_nothing_is_divided_by_the_rate_is_null_and_keeps_its_numerator(desk: Desk) -> None:
    nothing = {"period": "all", "value": None, "numerator": 1, "denominator": 0}
    desk.take(appointment("a", utc(2026, 11, 20)))
    assert desk.row("appointment_rate") == nothing
    assert desk.row("call_to_appointment_rate") == nothing
    desk.take(step("1", utc(2026, 12, 20), "created"))
    assert desk.ask("appointment_to_opportunity_rate", "month") == {"2026-11": 0, "2026-12": None}
    desk.take(step("2", utc(2026, 11, 20), "won", opportunity_id="P"))
    assert desk.ask("opportunity_to_deal_rate", "month") == {"2026-11": None, "2026-12": 0}
    desk.take(call("c", utc(2026, 11, 20), rep="yamada", outcome="conversation"))
    assert desk.ask("appointment_rate", "all", "rep") == {("all", "tanaka"): None, ("all", "yamada"): 0}
    assert desk.ask("appointment_rate") == {"all": 1}


def test_money_is_per_customer_who_came_and_per_deal_that_has_an_amount(desk: Desk) -> None:
    desk.take(spend("m", utc(2026, 11, 1), "2026-11-05", 700))
    assert desk.row("acquisition_cost") == {
        "period": "all",
        "currency": "JPY",
        "value": None,
        "numerator": 700,
        "denominator": 0,
    }
    desk.take(step("1", utc(2026, 11, 1), "won"))
    assert desk.ask("average_deal_size") == {}
    desk.take(step("2", utc(2026, 11, 1), "won", opportunity_id="P", amount=jpy(0)))
    assert desk.row("average_deal_size") == {
        "period": "all",
        "currency": "JPY",
        "value": 0,
        "numerator": 0,
        "denominator": 1,
    }


def test_a_target_that_is_met_to_the_yen_leaves_nothing_to_cover(desk: Desk) -> None:
    desk.numbers.targets = (Target(kpi="booked_amount", period="2026-11", value=Decimal(100), currency="JPY"),)
    desk.take(
        step("1", utc(2026, 11, 1), "created", amount=jpy(50)),
        step("2", utc(2026, 11, 2), "won", opportunity_id="P", amount=jpy(99)),
    )
    november = (None, date(2026, 11, 30))
    assert desk.ask("pipeline_coverage", "month", days=november) == {"2026-11": 50}  # one yen is missing
    desk.take(step("3", utc(2026, 11, 3), "valid", opportunity_id="P", amount=jpy(100)))
    assert desk.ask("pipeline_coverage", "month", days=november) == {"2026-11": None}
