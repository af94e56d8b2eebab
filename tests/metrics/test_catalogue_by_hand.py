"""Figures worked by hand for the kinds of KPI that are no plain count: stocks, cohorts, shares, coverage."""

from datetime import date
from decimal import Decimal

from services.metrics.question import ask
from shared.config.targets import Target
from tests.metrics.desk import Desk, call, jpy, observed, step, term, utc, void
from tests.metrics.strategies import make

NOVEMBER = (date(2026, 11, 1), date(2026, 11, 30))


def test_recurring_revenue_stands_from_start_up_to_the_day_of_the_end(desk: Desk) -> None:
    desk.take(term("3", "2026-12-31", "ended"), term("1", "2026-11-15", "started", 1200))
    desk.take(term("2", "2026-12-01", "changed", 1500))
    until = (None, date(2027, 1, 31))
    assert desk.ask("arr", "month", days=until) == {"2026-11": 1200, "2026-12": 0, "2027-01": 0}
    assert desk.ask("arr", "day", days=(date(2026, 12, 30), date(2026, 12, 31))) == {
        "2026-12-30": 1500,
        "2026-12-31": 0,
    }
    assert desk.ask("arr", "all", days=(None, date(2026, 12, 1))) == {"all": 1500}
    assert desk.ask("active_companies", "quarter", days=until) == {"2026-Q4": 0, "2027-Q1": 0}


def test_a_company_is_active_once_and_new_once(desk: Desk) -> None:
    desk.take(
        term("1", "2026-11-01", "started", 100),
        term("2", "2026-11-10", "started", 100, contract_id="L"),
        term("3", "2026-11-20", "ended"),
        term("4", "2026-12-01", "started", 100, company="beta", contract_id="M"),
    )
    until = (None, date(2026, 12, 31))
    assert desk.ask("active_companies", "month", days=until) == {"2026-11": 1, "2026-12": 2}
    assert desk.ask("new_customers", "month") == {"2026-11": 1, "2026-12": 1}
    desk.take(
        make("correction", "x", "", utc(2026, 12, 2), {"corrects": {"source": "test", "id": "1"}, "action": "void"})
    )
    assert desk.ask("new_customers", "day") == {"2026-11-10": 1, "2026-12-01": 1}


def test_acquisition_cost_divides_each_currency_by_all_new_customers(desk: Desk) -> None:
    def spend(identity: str, category: str, amount: dict[str, str]) -> None:
        content = {"amount": amount, "category": category, "spent_on": "2026-11-05"}
        desk.take(make("spend", identity, "", utc(2026, 11, 5), content))

    spend("1", "marketing", jpy(3000))
    spend("2", "sales", jpy(1000))
    spend("3", "sales", {"value": "10.50", "currency": "USD"})
    assert [row["value"] for row in desk.rows("acquisition_cost")] == [None, None]
    desk.take(term("k1", "2026-11-01", "started", 1))
    desk.take(term("k2", "2026-11-02", "started", 1, company="b", contract_id="L"))
    assert desk.ask("acquisition_cost", "month", "currency") == {("2026-11", "JPY"): 2000, ("2026-11", "USD"): 5.25}
    assert desk.ask("acquisition_cost", "month", "category", "currency") == {
        ("2026-11", "marketing", "JPY"): 1500,
        ("2026-11", "sales", "JPY"): 500,
        ("2026-11", "sales", "USD"): 5.25,
    }


def test_a_cohort_is_counted_where_its_leads_were_created(desk: Desk) -> None:
    desk.take(
        observed("f1", "lead-a", employees=10),
        observed("f2", "lead-b", employees=10),
        step("1", utc(2027, 2, 1), "created"),
        step("2", utc(2027, 3, 1), "won"),
    )
    assert desk.ask("lead_to_opportunity_rate", "month") == {"2026-11": 0.5}
    assert desk.ask("lead_to_deal_rate", "month", "segment") == {("2026-11", "smb"): 0.5}
    desk.take(step("3", utc(2027, 4, 1), "lost"))
    assert desk.ask("lead_to_deal_rate", "month") == {"2026-11": 0}


def test_points_come_from_the_tier_and_from_how_well_the_lead_is_known(desk: Desk) -> None:
    content = {"appointment_id": "A", "status": "set", "rep": "tanaka"}
    desk.take(make("appointment", "a", "lead-a", utc(2026, 11, 20), content))
    assert desk.ask("appointment_points") == {"all": 1}
    known = {"email": "a@b.jp", "phone": "+81312345678", "title": "部長", "industry": "IT"}
    desk.take(observed("f1", "lead-a", target_tier="A", **known))
    assert desk.ask("appointment_points") == {"all": 4}  # 4 of 9 known: rank C
    desk.take(observed("f2", "lead-a", employees=10, needs="confirmed"))
    assert desk.ask("appointment_points") == {"all": 7}  # 6 of 9: rank B
    desk.take(observed("f3", "lead-a", budget="denied", authority="confirmed"))
    assert desk.ask("appointment_points", "day", "rep") == {("2026-11-20", "tanaka"): 10}  # 8 of 9: rank A
    desk.take(make("appointment", "b", "lead-a", utc(2026, 11, 21), content | {"status": "cancelled"}))
    assert desk.ask("appointments") == {"all": 1}


def test_times_to_the_first_and_the_second_action(desk: Desk) -> None:
    content = {"channel": "email", "direction": "outbound", "outcome": "sent", "rep": "yamada"}
    desk.take(
        call("early", utc(2026, 10, 31)),
        make("touch", "second", "lead-a", utc(2026, 11, 2), content),
        make("touch", "reply", "lead-a", utc(2026, 11, 1, 12), content | {"outcome": "replied"}),
    )
    assert desk.ask("speed_to_lead", "day", "rep") == {("2026-10-31", "tanaka"): 0}
    assert desk.ask("days_to_second_action", "day", "channel") == {("2026-11-02", "email"): 2}
    desk.take(observed("f", "lead-a", employees=10))  # known since 2026-11-01, after the first call
    assert desk.ask("speed_to_lead", "day", "rep") == {("2026-11-01", "yamada"): 86_400}
    desk.take(void("x", utc(2026, 11, 3), "second"))
    assert desk.ask("speed_to_lead") == {}
    assert desk.ask("days_to_second_action") == {}


def test_open_pipeline_and_how_far_it_covers_what_is_missing(desk: Desk) -> None:
    desk.numbers.targets = (
        Target(kpi="booked_amount", period="2026-11", value=Decimal(1000), currency="JPY"),
        Target(kpi="booked_amount", period="2026-12", value=Decimal(500), currency="JPY"),
    )
    desk.take(
        step("1", utc(2026, 11, 5), "created", amount=jpy(600)),
        step("2", utc(2026, 11, 6), "created", opportunity_id="P", amount=jpy(400)),
        step("3", utc(2026, 11, 20), "won"),
        step("4", utc(2026, 12, 5), "invalid", opportunity_id="P"),
        step("5", utc(2026, 12, 20), "valid", opportunity_id="P"),
    )
    until = (None, date(2027, 1, 31))
    assert desk.ask("open_pipeline_amount", "month", days=until) == {"2026-11": 400, "2026-12": 400, "2027-01": 400}
    assert desk.ask("open_pipeline_amount", "day", days=(date(2026, 12, 10), date(2026, 12, 10))) == {"2026-12-10": 0}
    assert desk.ask("pipeline_coverage", "month", days=until) == {"2026-11": 1, "2026-12": 0.8, "2027-01": None}
    # the target of a period is met by what the whole period booked, wherever in it the question begins
    assert desk.ask("pipeline_coverage", "month", days=(date(2026, 11, 25), date(2026, 11, 30))) == {"2026-11": 1}


def test_who_has_a_target_is_covered_by_it_however_many_are_asked_for(desk: Desk) -> None:
    desk.numbers.targets = tuple(
        Target(kpi="booked_amount", member=rep, period="2026-11", value=Decimal(value), currency="JPY")
        for rep, value in {"tanaka": 1000, "yamada": 500, "sato": 200}.items()
    )
    desk.take(
        step("1", utc(2026, 11, 5), "created", amount=jpy(600), credited_rep="tanaka"),
        step(
            "2", utc(2026, 11, 6), "created", opportunity_id="P", amount=jpy(400), credited_rep="yamada", owner="sato"
        ),
    )
    kpi = desk.numbers.catalogue.get("pipeline_coverage")
    assert kpi is not None

    def covered(by: str | None, where: str | None) -> list[float | None]:
        return [row["value"] for row in desk.answer(ask(kpi, "month", *NOVEMBER, by, where))]

    for where in (None, "rep:tanaka|yamada", "rep:tanaka,rep:yamada", "currency:JPY|USD"):
        assert covered("rep", where) == [0.6, 0.8], where
    assert covered(None, "rep:yamada,rep:yamada") == [0.8]
    assert covered(None, "rep:tanaka|yamada") == [None], "nobody has a target for two"
    assert covered("owner", None) == [None, 2], "who sells has a target of what is sold"


def test_every_segment_has_its_share(desk: Desk) -> None:
    desk.take(
        observed("f1", "lead-a", employees=10),
        observed("f2", "lead-b", employees=2001),
        step("1", utc(2026, 11, 5), "created"),
        step("2", utc(2026, 11, 5), "created", "lead-b", opportunity_id="P"),
        step("3", utc(2026, 11, 6), "created", "lead-b", opportunity_id="Q"),
        step("4", utc(2026, 11, 6), "created", "lead-c", opportunity_id="R"),
    )
    assert desk.ask("segment_share", "month", "segment") == {
        ("2026-11", "enterprise"): 0.5,
        ("2026-11", "smb"): 0.25,
        ("2026-11", "unknown"): 0.25,
    }


def test_expected_connects_are_those_of_the_last_four_whole_weeks(desk: Desk) -> None:
    # Weeks end on Sunday 2026-11-01, 8, 15, 22 and 29.
    desk.take(*(call(str(day), utc(2026, 11, day, 3), outcome="conversation") for day in (1, 2, 8, 15, 22, 23, 24)))
    assert desk.ask("expected_weekly_connects", "day", days=(date(2026, 11, 21), date(2026, 11, 22))) == {
        "2026-11-21": 1,  # weeks up to 2026-11-15
        "2026-11-22": 1.25,  # weeks from 2026-10-26 up to 2026-11-22
    }
    assert desk.ask("expected_weekly_connects", "month", days=NOVEMBER) == {"2026-11": 1.5}


def test_sales_decides(desk: Desk) -> None:
    policy = {"id": "default", "version": 1}
    returned = {"handoff_id": "I", "sales_rep": "sato", "reason": "no_need"}
    created = {"handoff_id": "H", "rep": "tanaka", "owner": "sato", "segment": "smb", "policy": policy}
    desk.take(
        make("handoff-accepted", "d1", "lead-a", utc(2026, 11, 20), {"handoff_id": "H", "sales_rep": "suzuki"}),
        make("handoff-returned", "d2", "lead-b", utc(2026, 11, 20), returned),
    )
    desk.take(make("handoff-created", "h", "lead-a", utc(2026, 11, 19), created))
    assert desk.ask("handoff_acceptance_rate") == {"all": 0.5}
    assert desk.ask("handoff_acceptance_rate", "all", "rep") == {("all", "tanaka"): 1, ("all", ""): 0}
