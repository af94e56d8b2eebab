"""Figures worked by hand at the borders, for the KPIs that the other files of figures do not take there.

Midnight, weeks, leap days and the turn of the fiscal year are those of Tokyo; times are given in UTC, nine hours less.
"""

import ast
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from shared.config.targets import Target
from shared.events import Event
from tests.metrics.desk import Desk, call, jpy, step, term, utc
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import make

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
MIDNIGHT = utc(2026, 11, 30, 15)
"""The first moment of 2026-12-01 in Tokyo."""
ONE_EACH = {"2026-11-30": 1, "2026-12-01": 1}


def touch(identity: str, time: datetime, outcome: str, lead: str = "lead-a", **content: Any) -> Event:
    given = {"rep": "tanaka", "channel": "email", "direction": "outbound", "outcome": outcome}
    return make("touch", identity, lead, time, given | content)


def seen(identity: str, time: datetime, lead: str = "lead-a", employees: int = 10) -> Event:
    """The lead becomes known by a form."""
    observation = {
        "observation_id": identity,
        "field": "employees",
        "method": "form",
        "source": "website",
        "observed_at": time.isoformat(),
        "value": employees,
    }
    return make("lead-fields", identity, lead, time, {"observations": [observation]})


def appointment(identity: str, time: datetime, status: str = "set", lead: str = "lead-a", **content: Any) -> Event:
    given = {"appointment_id": f"A-{lead}", "status": status, "rep": "tanaka"}
    return make("appointment", identity, lead, time, given | content)


def handoff(identity: str, time: datetime, lead: str = "lead-a", rep: str = "tanaka") -> Event:
    policy = {"id": "default", "version": 1}
    given = {"handoff_id": f"H-{lead}", "rep": rep, "owner": "sato", "segment": "smb", "policy": policy}
    return make("handoff-created", identity, lead, time, given)


def spend(identity: str, time: datetime, spent_on: str, value: int) -> Event:
    content = {"amount": jpy(value), "category": "marketing", "spent_on": spent_on}
    return make("spend", identity, "", time, content)


def from_source(source: str, event: Event) -> Event:
    return msgspec.structs.replace(event, source=source)


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
    desk.take(handoff("b", at, rep="suzuki"), handoff("a", at, rep="tanaka"), step("1", at + SECOND, "won"))
    assert desk.ask("deals", "all", "rep") == {("all", "suzuki"): 1}


def test_terms_of_one_day_and_one_time_go_by_id(desk: Desk) -> None:
    day = "2026-11-20"
    desk.take(term("2", day, "changed", 1500), term("1", day, "started", 1200))
    assert desk.ask("arr", days=(None, date(2026, 11, 20))) == {"all": 1500}
    desk.take(term("3", day, "ended"))
    assert desk.ask("arr", days=(None, date(2026, 11, 20))) == {}  # it never ran for a day
    desk.take(term("4", day, "started", 900))
    assert desk.ask("arr", days=(None, date(2026, 11, 20))) == {"all": 900}
    assert desk.ask("active_companies", days=(None, date(2026, 11, 20))) == {"all": 1}


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


CALL_CENTRE = [
    # Rep, time in Tokyo, seconds of talk (0: not answered), topic; two at a time stand at the same second.
    ("diane", (9, 12, 58), 143, "contract"),
    ("becky", (9, 12, 58), 242, "support"),
    ("stewart", (9, 47, 31), 131, "contract"),
    ("greg", (9, 47, 31), 37, "contract"),
    ("becky", (10, 0, 29), 60, "payment"),
    ("stewart", (10, 0, 29), 0, "support"),
    ("diane", (10, 22, 5), 220, "payment"),
    ("diane", (10, 22, 5), 38, "payment"),
    ("greg", (11, 13, 55), 398, "admin"),
    ("jim", (11, 13, 55), 64, "streaming"),
]
"""The first ten of 5,000 calls of a call centre, on New Year's Day 2021, a Friday of 2020's week 53.

They are told here as calls to one lead a topic; ids go up as in the list.
"""


def test_real_calls_of_a_call_centre(desk: Desk) -> None:
    for n, (rep, at, talk, topic) in enumerate(CALL_CENTRE, 1):
        outcome = "conversation" if talk else "no_answer"
        time = datetime(2021, 1, 1, *at, tzinfo=ZoneInfo("Asia/Tokyo"))
        desk.take(call(f"ID{n:04}", time, f"lead-{topic}", rep=rep, outcome=outcome, duration_s=talk or None))
    assert desk.ask("calls", "week") == {"2020-W53": 10}
    assert desk.ask("connects", "fiscal_year") == {"FY2020": 9}
    assert desk.ask("conversations", "all", "rep") == {
        ("all", "becky"): 2,
        ("all", "diane"): 3,
        ("all", "greg"): 2,
        ("all", "jim"): 1,
        ("all", "stewart"): 1,
    }
    assert desk.ask("connect_rate", "all", "hour") == {("all", "09"): 1, ("all", "10"): 0.75, ("all", "11"): 1}
    assert desk.ask("time_spent") == {"all": 143 + 242 + 131 + 37 + 60 + 220 + 38 + 398 + 64}
    assert desk.ask("leads", "all", "hour") == {("all", "09"): 2, ("all", "10"): 1, ("all", "11"): 2}
    # Second calls: contract after 34:33, support after 47:31, payment after 21:36 and before one of the same second.
    assert desk.ask("second_calls", "all", "rep") == {("all", "stewart"): 2, ("all", "diane"): 1}
    after = desk.row("days_to_second_action")
    assert {name: round(after[name] * 86_400, 3) for name in ("value", "median", "p90")} == {
        "value": 2073.333,  # (2073 + 2851 + 1296) / 3
        "median": 2073,
        "p90": 2695.4,  # 2073 + 0.8 * (2851 - 2073)
    }


def test_real_companies_by_their_employees(desk: Desk) -> None:
    """Employees of eight listed companies of Japan; up to 2,000 are smb."""
    for n, employees in enumerate([5428, 25, 56, 511, 1920, 4117, 7, 3865]):
        desk.take(seen(f"f{n}", utc(2026, 11, 1), f"lead-{n}", employees))
        desk.take(step(f"o{n}", utc(2026, 11, 2), "created", f"lead-{n}", opportunity_id=f"O-{n}"))
    assert desk.ask("leads", "all", "segment") == {("all", "enterprise"): 3, ("all", "smb"): 5}
    assert desk.ask("segment_share", "all", "segment") == {("all", "enterprise"): 3 / 8, ("all", "smb"): 5 / 8}


FIGURES = ("test_borders.py", "test_by_hand.py", "test_catalogue_by_hand.py", "test_groups.py")


def kpis_compared(node: ast.AST) -> Iterator[str]:
    """The KPIs whose answer an assertion compares with a figure; that there is none is no figure."""
    for comparison in (n for n in ast.walk(node) if isinstance(n, ast.Compare)):
        right = comparison.comparators[0]
        if isinstance(right, ast.Dict) and not right.keys:
            continue
        for asked in (n for n in ast.walk(comparison.left) if isinstance(n, ast.Call)):
            if isinstance(asked.func, ast.Attribute) and asked.func.attr in ("ask", "row", "rows"):
                yield from (a.value for a in asked.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def with_figures(text: str) -> set[str]:
    assertions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert))
    return {kpi for assertion in assertions for kpi in kpis_compared(assertion)}


def test_only_a_comparison_with_a_figure_is_one() -> None:
    assert with_figures('assert desk.ask("calls") == {"all": 1}') == {"calls"}
    assert with_figures('assert desk.row("calls")["value"] == 1') == {"calls"}
    assert with_figures('desk.ask("calls")\nassert desk.ask("calls") == {}\nassert desk.ask("calls")') == set()


def test_every_kpi_of_the_catalogue_has_a_figure_worked_by_hand(numbers: Numbers) -> None:
    texts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in FIGURES]
    assert {kpi.id for kpi in numbers.catalogue} - set().union(*map(with_figures, texts)) == set()
