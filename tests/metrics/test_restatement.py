"""How much closed periods moved and why: worked by hand, over HTTP."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.metrics.restatement.closed import closed_period
from shared.events import Event
from shared.web import Problem
from tests.metrics.desk import Desk, call, jpy, observed, step, term, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.office import AFTER, IN_TIME, LATER, Office, recorded
from tests.metrics.strategies import make
from tests.metrics.test_groups import replace


@pytest.fixture
def office(desk: Desk, runner: asyncio.Runner) -> Office:
    return Office(desk, runner)


def change(before: float | None, now: float | None, difference: float | None, **others: Any) -> dict[str, Any]:
    return others | {"before": before, "now": now, "difference": difference}


def test_a_late_call_moves_its_month_and_a_later_month_s_call_does_not(desk: Desk, office: Office) -> None:
    desk.take(*recorded(utc(2026, 10, 5, 1), call("a", utc(2026, 10, 5))))
    desk.take(*recorded(AFTER, call("late", utc(2026, 10, 6)), call("harmless", utc(2026, 11, 1))))
    assert office.rows("calls") == [change(1, 2, 1)]
    assert office.causes("calls") == [("late", "late")]
    assert office.rows("calls", by="rep") == [change(1, 2, 1, rep="tanaka")]
    assert office.rows("calls", period="2026-10-06") == [change(0, 1, 1)]
    assert office.rows("calls", period="2026-10-05") == [change(1, 1, 0)]
    assert office.causes("calls", period="2026-10-05") == []
    assert office.rows("second_calls") == [change(0, 1, 1)]
    (cause,) = office.get("calls").json()["items"]
    assert cause == {
        "source": "test",
        "id": "late",
        "type": "tasuki.call.v1",
        "time": "2026-10-06T00:00:00Z",
        "recorded_at": "2026-11-02T00:00:00Z",
        "lead_id": "lead-a",
        "reason": "late",
    }


def test_what_was_recorded_at_the_very_close_was_known(desk: Desk, office: Office) -> None:
    close = utc(2026, 10, 31, 15)
    just_after = close + timedelta(microseconds=1)
    desk.take(*recorded(close, call("a", utc(2026, 10, 5))), *recorded(just_after, call("b", utc(2026, 10, 6))))
    assert office.rows("calls") == [change(1, 2, 1)]
    assert office.causes("calls") == [("b", "late")]
    assert office.get("calls").json()["closed_at"] == "2026-10-31T15:00:00Z"


def test_a_voided_call_and_a_correction_that_is_voided(desk: Desk, office: Office) -> None:
    calls = [call(name, utc(2026, 10, day), outcome="conversation") for day, name in enumerate("abc", 5)]
    desk.take(*recorded(IN_TIME, *calls, void("u", utc(2026, 10, 9), "c")))
    desk.take(*recorded(AFTER, void("v", utc(2026, 11, 1), "a"), void("x", utc(2026, 11, 1), "b")))
    desk.take(*recorded(LATER, void("y", utc(2026, 11, 2), "x"), void("z", utc(2026, 11, 2), "u")))
    assert office.rows("conversations") == [change(2, 2, 0)]
    # x was taken back by y, so it moved nothing; a went, and c is back
    assert office.causes("conversations") == [("v", "correction"), ("z", "correction")]
    assert office.rows("conversation_rate") == [
        change(1, 1, 0, numerator_before=2, numerator_now=2, denominator_before=2, denominator_now=2)
    ]


def test_a_correction_of_a_correction_finds_its_way_to_the_event(desk: Desk, office: Office) -> None:
    desk.take(*recorded(IN_TIME, call("a", utc(2026, 10, 5)), void("x", utc(2026, 10, 6), "a")))
    desk.take(*recorded(AFTER, void("y", utc(2026, 11, 1), "x")))
    assert office.rows("calls") == [change(0, 1, 1)]
    assert office.causes("calls") == [("y", "correction")]


def test_a_call_that_comes_and_is_voided_after_the_close_moves_nothing(desk: Desk, office: Office) -> None:
    desk.take(*recorded(IN_TIME, call("a", utc(2026, 10, 5))))
    desk.take(*recorded(AFTER, call("b", utc(2026, 10, 6)), *recorded(LATER, void("x", utc(2026, 11, 1), "b"))))
    assert office.rows("calls") == [change(1, 1, 0)]
    assert office.causes("calls") == []


def test_a_replaced_amount_and_one_agreed_later(desk: Desk, office: Office) -> None:
    desk.take(*recorded(IN_TIME, step("1", utc(2026, 10, 5), "created", amount=jpy(100))))
    desk.take(*recorded(AFTER, replace("x", 1, "1", opportunity_id="O", status="created", amount=jpy(130))))
    assert office.rows("pipeline_amount") == [change(100, 130, 30, currency="JPY")]
    assert office.causes("pipeline_amount") == [("x", "correction")]
    assert office.causes("opportunities") == []
    later = [step("2", utc(2026, 11, 3), "valid"), step("3", utc(2026, 11, 4), "won", amount=jpy(150))]
    desk.take(*recorded(LATER, *later))
    assert office.rows("pipeline_amount") == [change(100, 150, 50, currency="JPY")]
    assert office.causes("pipeline_amount") == [("x", "correction"), ("3", "other")]
    # what stands at the end of October: still open then, at the amount that is known now
    assert office.rows("open_pipeline_amount") == [change(100, 150, 50, currency="JPY")]
    assert office.causes("booked_amount") == []


def test_a_segment_learnt_later_moves_leads_between_members_and_not_in_all(desk: Desk, office: Office) -> None:
    desk.take(*recorded(IN_TIME, call("a", utc(2026, 10, 5)), call("b", utc(2026, 10, 6))))
    desk.take(*recorded(AFTER, observed("f", "lead-a", employees=10)))
    assert office.rows("calls", by="segment") == [
        change(0, 2, 2, segment="smb"),
        change(2, 0, -2, segment="unknown"),
    ]
    assert office.causes("calls", by="segment") == [("f", "learnt")]
    assert office.rows("calls") == [change(2, 2, 0)]
    assert office.causes("calls") == []


def test_a_creation_learnt_later_moves_the_lead_and_its_response_time(desk: Desk, office: Office) -> None:
    """Known from its call at first: created then, and answered at once."""
    desk.take(*recorded(IN_TIME, call("a", utc(2026, 10, 5))))
    told = {
        "observation_id": "o",
        "field": "employees",
        "method": "form",
        "source": "website",
        "observed_at": "2026-10-04T00:00:00Z",
        "value": 10,
    }
    desk.take(*recorded(AFTER, make("lead-fields", "f", "lead-a", utc(2026, 11, 1), {"observations": [told]})))
    assert office.rows("leads") == [change(1, 1, 0)]
    assert office.causes("leads") == []
    assert office.causes("leads", period="2026-10-04") == [("f", "learnt")]
    (row,) = office.rows("speed_to_lead")
    assert (row["before"], row["now"], row["difference"]) == (0, 86400, 86400)
    assert (row["n_before"], row["n_now"], row["median_now"]) == (1, 1, 86400)
    assert office.causes("speed_to_lead") == [("f", "learnt")]


def test_a_late_first_call_changes_how_long_the_second_action_took(desk: Desk, office: Office) -> None:
    desk.take(*recorded(IN_TIME, call("b", utc(2026, 10, 5)), call("c", utc(2026, 10, 8))))
    desk.take(*recorded(AFTER, call("a", utc(2026, 10, 4)), call("d", utc(2026, 10, 9))))
    (row,) = office.rows("days_to_second_action")
    assert (row["before"], row["now"], row["difference"]) == (3, 1, -2)
    assert office.causes("days_to_second_action") == [("a", "late")]
    assert office.causes("calls") == [("a", "late"), ("d", "late")]


def test_leads_that_are_merged_later_are_one(desk: Desk, office: Office) -> None:
    leads = [observed("f", "lead-a", employees=10), observed("g", "lead-b", employees=5000)]
    calls = [call("a", utc(2026, 11, 5), "lead-a"), call("b", utc(2026, 11, 6), "lead-b")]
    desk.take(*recorded(utc(2026, 11, 20), *leads, *calls))
    merged = make("lead-merged", "m", "lead-a", utc(2026, 12, 7), {"into": "lead-b"})
    parted = make("lead-unmerged", "u", "lead-a", utc(2026, 12, 8), {"from": "lead-b"})
    desk.take(*recorded(utc(2026, 12, 7), merged))
    assert office.rows("leads", period="2026-11") == [change(2, 1, -1)]
    assert office.causes("leads", period="2026-11") == [("m", "merge")]
    assert office.causes("second_calls", period="2026-11") == [("m", "merge")]
    assert office.causes("calls", period="2026-11") == []
    assert office.causes("calls", period="2026-11", by="segment") == [("m", "merge")]
    desk.take(*recorded(utc(2026, 12, 8), parted))
    assert office.rows("leads", period="2026-11") == [change(2, 2, 0)]
    assert office.causes("leads", period="2026-11") == []


def test_what_was_known_needs_dimensions_that_no_number_ever_had(desk: Desk, office: Office) -> None:
    """Both come in one batch, so the live numbers never hold a call of this rep in an unknown segment."""
    seen_first = recorded(IN_TIME, call("a", utc(2026, 10, 5), rep="rep-of-one-test"))
    desk.take(*seen_first, *recorded(AFTER, observed("f", "lead-a", employees=10)))
    assert office.rows("calls", by="rep,segment") == [
        change(0, 1, 1, rep="rep-of-one-test", segment="smb"),
        change(1, 0, -1, rep="rep-of-one-test", segment="unknown"),
    ]


def test_one_event_for_another_is_no_standstill(desk: Desk, office: Office) -> None:
    """One call goes and another comes, of one lead: the sum stands still, and both are told."""
    desk.take(*recorded(IN_TIME, call("a", utc(2026, 10, 5))))
    desk.take(*recorded(AFTER, call("b", utc(2026, 10, 6)), void("x", utc(2026, 11, 1), "a")))
    assert office.rows("calls") == [change(1, 1, 0)]
    assert sorted(office.causes("calls")) == [("b", "late"), ("x", "correction")]


def test_a_harmless_step_after_a_late_one_hides_it_not(desk: Desk, office: Office) -> None:
    told_late = [step("1", utc(2026, 10, 5), "created"), step("2", utc(2026, 11, 2), "valid")]
    desk.take(*recorded(AFTER, told_late[0]), *recorded(LATER, told_late[1]))
    assert office.causes("opportunities") == [("1", "late")]


def test_what_became_of_a_lead_later_moves_its_cohort(desk: Desk, office: Office) -> None:
    lead = make("lead-created", "l", "lead-a", utc(2026, 10, 5), {"source": "website", "via": "fields"})
    desk.take(*recorded(IN_TIME, lead))
    desk.take(*recorded(AFTER, step("1", utc(2026, 11, 1), "created"), call("c", utc(2026, 11, 1))))
    assert office.rows("lead_to_opportunity_rate") == [
        change(0, 1, 1, numerator_before=0, numerator_now=1, denominator_before=1, denominator_now=1)
    ]
    assert office.causes("lead_to_opportunity_rate") == [("1", "other")]


def test_stocks_go_by_the_day_on_which_a_contract_takes_effect(desk: Desk, office: Office) -> None:
    desk.take(*recorded(IN_TIME, term("1", "2026-09-01", "started", 100)))
    desk.take(*recorded(AFTER, term("2", "2026-10-15", "changed", 120), term("3", "2026-11-01", "ended")))
    assert office.rows("arr") == [change(100, 120, 20, currency="JPY")]
    assert office.causes("arr") == [("2", "late")]
    assert office.rows("active_companies") == [change(1, 1, 0)]
    assert office.causes("active_companies") == []
    late = term("4", "2026-08-01", "started", 10, company="beta", contract_id="L")
    desk.take(*recorded(LATER, late))
    assert office.causes("active_companies") == [("4", "late")]
    assert office.causes("new_customers") == []


def test_the_trailing_weeks_are_those_before_the_period_s_end(desk: Desk, office: Office) -> None:
    """The four weeks before the end of October end with 2026-10-25."""
    inside, outside = utc(2026, 10, 25, 14), utc(2026, 10, 25, 15)
    connected = [call(str(n), at, outcome="conversation") for n, at in enumerate((inside, outside))]
    desk.take(*recorded(AFTER, *connected))
    assert office.causes("expected_weekly_connects") == [("0", "late")]
    (row,) = office.rows("expected_weekly_connects")
    assert (row["before"], row["now"]) == (0, 0.25)


def test_a_rate_has_a_row_where_its_numerator_has_one_be_it_nothing(desk: Desk, office: Office) -> None:
    desk.take(*recorded(IN_TIME, term("1", "2026-10-01", "started", 100)))
    free = make("spend", "s", "", utc(2026, 11, 1), {"amount": jpy(0), "category": "sales", "spent_on": "2026-10-20"})
    desk.take(*recorded(AFTER, free))
    (row,) = office.rows("acquisition_cost")
    assert (row["before"], row["now"], row["difference"]) == (None, 0, None)
    assert office.causes("acquisition_cost") == [("s", "late")]
    assert office.rows("spend") == [change(0, 0, 0, currency="JPY")]
    assert office.causes("spend") == []


def test_each_spend_is_looked_at_by_itself(desk: Desk, office: Office) -> None:
    def spent(identity: str, day: str, value: int) -> Event:
        data = {"amount": jpy(value), "category": "sales", "spent_on": day}
        return make("spend", identity, "", utc(2026, 10, 20), data)

    corrected = replace("x", 1, "b", amount=jpy(70), category="sales", spent_on="2026-10-02")
    desk.take(*recorded(IN_TIME, spent("a", "2026-10-01", 10), spent("b", "2026-10-02", 50)))
    desk.take(*recorded(LATER, spent("c", "2026-10-03", 5)), *recorded(AFTER, spent("d", "2026-11-01", 9), corrected))
    assert office.rows("spend") == [change(60, 85, 25, currency="JPY")]
    assert office.causes("spend") == [("x", "correction"), ("c", "late")]


def test_shares_move_by_their_parts(desk: Desk, office: Office) -> None:
    segments = [observed("f", "lead-a", employees=10), observed("g", "lead-b", employees=5000)]
    desk.take(*recorded(IN_TIME, *segments, step("1", utc(2026, 10, 5), "created")))
    desk.take(*recorded(AFTER, step("2", utc(2026, 10, 6), "created", "lead-b", opportunity_id="P")))
    rows = {row["segment"]: row for row in office.rows("segment_share", by="segment")}
    assert (rows["smb"]["before"], rows["smb"]["now"], rows["smb"]["difference"]) == (1, 0.5, -0.5)
    assert office.causes("segment_share", by="segment") == [("2", "late")]


def test_causes_come_in_pages_and_as_csv(desk: Desk, office: Office) -> None:
    late = [call(f"{lead}{n}", utc(2026, 10, 5 + n), lead) for lead in ("lead-a", "lead-b") for n in range(3)]
    desk.take(*recorded(AFTER, *late))
    found, query = [], {"limit": "2"}
    while True:
        page = office.get("calls", **query).json()
        assert bool(page["rows"]) == ("cursor" not in query)
        found += [cause["id"] for cause in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [event.id for event in late]
    answer = office.get("calls", format="csv", limit="1")
    header, value, cause = answer.text.splitlines()
    assert header.startswith("line,period,before,now,difference,source,id,type,time,recorded_at,lead_id,reason")
    assert value.startswith("value,2026-10,0,6,6,")
    assert cause.startswith("cause,,,,,test,lead-a0,tasuki.call.v1,")
    assert 'rel="next"' in answer.headers["link"]


@pytest.mark.parametrize(
    ("kpi", "query", "status", "told"),
    [
        ("nonsense", {}, 404, "/v1/kpis"),
        ("calls", {"period": "2026-13"}, 422, "no period"),
        ("calls", {"period": "2026-10", "grain": "week"}, 422, "of the grain month"),
        ("calls", {"period": "2026-10", "grain": "hour"}, 422, "grain"),
        ("calls", {"period": "all"}, 422, "never closes"),
        ("calls", {"period": "9999-12-31"}, 422, "never closes"),
        ("calls", {"period": "2030-01"}, 422, "2030-02-01T00:00:00+09:00"),
        ("calls", {"period": "2041-W01"}, 422, "closes at 2041-01-07T00:00:00+09:00"),
        ("calls", {"by": "weather"}, 422, "no dimension"),
        ("arr", {"by": "hour"}, 422, "no dimension"),
        ("calls", {"cursor": "garbage"}, 422, "cursor"),
    ],
)
def test_what_cannot_be_answered_says_why(
    office: Office, kpi: str, query: dict[str, str], status: int, told: str
) -> None:
    answer = office.get(kpi, **query)
    assert answer.status_code == status, answer.text
    assert told in answer.text


@pytest.mark.parametrize("period", ["0001-01-01", "0001-01", "0001-W01", "FY0001", "9999-12-30", "2024-02-29"])
def test_the_ends_of_the_calendar(office: Office, period: str) -> None:
    for kpi in ("calls", "expected_weekly_connects", "arr", "segment_share"):
        answer = office.get(kpi, period=period)
        assert answer.status_code == (422 if period.startswith("9999") else 200), answer.text


def test_a_period_closes_with_its_last_day_in_the_business_time_zone(numbers: Numbers) -> None:
    zone, close = numbers.settings.zone, utc(2026, 10, 31, 15)
    assert closed_period("2026-10", "month", close, zone, 4).at == close
    with pytest.raises(Problem) as raised:
        closed_period("2026-10", "month", close - timedelta(microseconds=1), zone, 4)
    assert raised.value.members == {"closes_at": close}
