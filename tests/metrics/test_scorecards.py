"""Scorecards: figures worked by hand over a real database."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.metrics.query import Memory
from services.metrics.scorecard_routes import Scorecards
from services.metrics.targets import current_aims, in_currency
from shared.client import metrics, types
from shared.clock import FixedClock
from shared.config import ConfigError, load_config
from shared.config.document import read
from shared.config.sales import Sales
from shared.config.targets import Target
from shared.config.team import SCORE_CAP, Member, Role, Team, TeamUnit
from shared.telemetry import Telemetry
from shared.web import Access, create_app, ensure_admin_key
from tests.metrics.desk import Desk, call, jpy, step, term, utc
from tests.metrics.numbers import Numbers
from tests.metrics.own import CONFIG

KEY = "an-admin-key-of-the-tests"
FRIDAY = datetime(2026, 11, 20, 3, tzinfo=UTC)
"""Of the 19 business days of November 2026 (the 3rd and the 23rd are holidays) 14 are over."""


def member(rep: str, first: date, last: date = date.max, role: str = "inside_sales") -> Member:
    return Member(id=rep, name=rep.title(), role=role, team="smb", from_=first, to=last)


NEW_YEAR = date(2026, 1, 1)
MEMBERS = [
    member("tanaka", NEW_YEAR),
    member("ono", date(2026, 11, 16)),
    member("kato", NEW_YEAR, date(2026, 10, 31)),
    member("sato", NEW_YEAR, role="field_sales"),
    member("mori", NEW_YEAR, role="closers"),
    member("hara", NEW_YEAR, role="closers"),
    member("abe", NEW_YEAR, role="openers"),
    member("endo", NEW_YEAR, role="openers"),
    member("noda", NEW_YEAR, role="owners"),
]
ROLES = {
    "inside_sales": Role(weights={"booked_amount": 0.6, "opportunities": 0.4, "calls": 0}),
    "field_sales": Role(weights={"booked_amount": 1.0}),
    "closers": Role(weights={"booked_amount": 1, "closing_rate": 2, "arr": 1}, cut="owner", cap=2),
    "openers": Role(weights={"booked_amount": 1, "pipeline_coverage": 1}),
    "owners": Role(weights={"booked_amount": 1, "pipeline_coverage": 1}, cut="owner"),
}
YEAR_END = Sales(closed=[date(2026, 12, 29), date(2026, 12, 30), date(2026, 12, 31)])
TEAM = Team([TeamUnit(id="smb", name={"ja": "SMB", "en": "SMB"})], MEMBERS, ROLES, YEAR_END)  # type: ignore[arg-type]


def target(kpi: str, value: str, rep: str | None, period: str = "2026-11", currency: str | None = None) -> Target:
    return Target(kpi=kpi, member=rep, period=period, value=Decimal(value), currency=currency)


TARGETS = [
    target("booked_amount", "2000000", "tanaka", currency="JPY"),
    target("booked_amount", "1000", "tanaka", currency="USD"),
    target("booked_amount", "4000000", "sato", currency="JPY"),
    target("opportunities", "10", "tanaka"),
    target("opportunities", "2", "ono"),
    target("opportunities", "8", "tanaka", "2026-W48"),
    target("closing_rate", "0.5", "mori"),
    target("closing_rate", "0.5", "hara"),
    target("arr", "2400", None, currency="JPY"),
    target("booked_amount", "1000", "abe", currency="JPY"),
    target("booked_amount", "500", "endo", currency="JPY"),
    target("booked_amount", "200", "noda", currency="JPY"),
    *(target("pipeline_coverage", "2", rep, currency="JPY") for rep in ("abe", "endo", "noda")),
    target("calls", "400", None),  # of the whole company: nobody's own
]

FACTS = [
    step("1", utc(2026, 11, 5), "created", credited_rep="tanaka", owner="sato", amount=jpy(3_000_000)),
    step("2", utc(2026, 11, 10), "won"),
    step("3", utc(2026, 11, 5), "created", opportunity_id="P", credited_rep="tanaka", owner="sato"),
    step("4", utc(2026, 11, 12), "won", opportunity_id="P", amount={"value": "250.50", "currency": "USD"}),
    step("5", utc(2026, 11, 17), "created", opportunity_id="Q", credited_rep="ono", owner="sato"),
    step("6", utc(2026, 11, 19), "won", opportunity_id="Q", amount=jpy(1_000_000)),
    step("7", utc(2026, 11, 18), "created", opportunity_id="R", credited_rep="ono"),
    step("8", utc(2026, 11, 19), "created", opportunity_id="S", credited_rep="ono"),
    step("9", utc(2026, 10, 30), "created", opportunity_id="T", credited_rep="tanaka"),  # of another month
    call("c", utc(2026, 11, 19)),
]


class Office:
    """Asks for scorecards over HTTP, as the client does."""

    def __init__(self, desk: Desk, runner: asyncio.Runner) -> None:
        self.clock = FixedClock(FRIDAY)
        self._runner = runner
        numbers = desk.numbers
        scorecards = Scorecards(
            numbers.engine, numbers.catalogue, TEAM, TARGETS, numbers.settings, self.clock, Memory(4)
        )
        app = create_app(
            title="metrics",
            endpoints=scorecards.table(),
            access=Access(numbers.engine),
            telemetry=Telemetry("metrics", level="error"),
        )
        headers = {"authorization": f"Bearer {KEY}"}
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x", headers=headers)
        runner.run(ensure_admin_key(numbers.engine, KEY))

    def get(self, role: str, **query: str) -> tuple[int, Any]:
        operation = metrics.scorecard(role, **query)
        answer = self._runner.run(self._http.get(operation.path, params=dict(operation.query)))
        return answer.status_code, answer.json()

    def card(self, role: str, **query: str) -> types.Scorecard:
        status, body = self.get(role, **query)
        assert status == 200, body
        return msgspec.convert(body, types.Scorecard)


@pytest.fixture
def office(desk: Desk, runner: asyncio.Runner) -> Office:
    desk.take(*FACTS)
    return Office(desk, runner)


def of(card: types.Scorecard, rep: str) -> types.MemberScore:
    return next(one for one in card.members if one.member == rep)


def row(of: types.Score, kpi: str, currency: str | None = None) -> types.KpiScore:
    return next(one for one in of.kpis if (one.kpi, one.currency) == (kpi, currency))


def test_a_month_worked_by_hand(office: Office) -> None:
    card = office.card("inside_sales")
    assert (card.grain, card.period, card.cap) == ("month", "2026-11", 1.2)
    assert [one.member for one in card.members] == ["tanaka", "ono"]
    assert card.total.business_days == {"total": 19, "elapsed": 14}
    tanaka = of(card, "tanaka")
    assert tanaka.name == "Tanaka"
    made = row(tanaka, "opportunities")
    assert (made.actual, made.target, made.weight, made.attainment, made.by) == (2, 10, 0.4, 0.2, "rep")
    assert made.expected == pytest.approx(10 * 14 / 19)
    assert made.pace == pytest.approx(0.2 * 19 / 14)
    # Each currency by itself, and the weight of the KPI spread over both; one and a half times the target counts 1.2.
    yen, dollars = row(tanaka, "booked_amount", "JPY"), row(tanaka, "booked_amount", "USD")
    assert (yen.actual, yen.target, yen.attainment, yen.weight) == (3_000_000, 2_000_000, 1.5, 0.3)
    assert (dollars.actual, dollars.target, dollars.attainment, dollars.weight) == (250.5, 1000, 0.2505, 0.3)
    assert tanaka.score == pytest.approx(0.3 * 1.2 + 0.3 * 0.2505 + 0.4 * 0.2)
    assert row(tanaka, "calls") == types.KpiScore(kpi="calls", by="rep", actual=1, weight=0)
    assert tanaka.without_target == ["calls"]


def test_who_joined_within_the_period_is_expected_to_reach_it_in_the_days_since(office: Office) -> None:
    ono = of(office.card("inside_sales"), "ono")
    assert ono.business_days == {"total": 10, "elapsed": 5}  # 16 to 20, 24 to 27, and 30
    made = row(ono, "opportunities")
    assert (made.actual, made.target, made.expected, made.pace) == (3, 2, 1, 3)


def test_what_has_no_target_is_told_and_does_not_count(office: Office) -> None:
    ono = of(office.card("inside_sales"), "ono")
    booked = row(ono, "booked_amount", "JPY")
    assert (booked.actual, booked.target, booked.pace, booked.attainment) == (1_000_000, None, None, None)
    assert ono.without_target == ["booked_amount", "calls"]
    assert ono.score == pytest.approx(1.2)
    (nothing,) = of(office.card("inside_sales", period="2026-10"), "tanaka").kpis[:1]
    assert (nothing.actual, nothing.target, nothing.currency) == (0, None, None)
    assert of(office.card("inside_sales", period="2026-10"), "tanaka").score is None


def test_all_together(office: Office) -> None:
    total = office.card("inside_sales").total
    made = row(total, "opportunities")
    assert (made.actual, made.target) == (5, 12)
    assert made.expected == pytest.approx(10 * 14 / 19 + 1)
    assert row(total, "booked_amount", "JPY").actual == 4_000_000
    assert total.score == pytest.approx(0.3 * 1.2 + 0.3 * 0.2505 + 0.4 * 5 / 12)


def test_field_sales_has_what_it_owns_of_the_same_kpi(office: Office) -> None:
    sato = of(office.card("field_sales"), "sato")
    booked = row(sato, "booked_amount", "JPY")
    assert (booked.actual, booked.attainment, booked.weight, booked.by) == (4_000_000, 1, 1, "owner")
    dollars = row(sato, "booked_amount", "USD")
    assert (dollars.actual, dollars.target, dollars.weight) == (250.5, None, 0)
    assert sato.score == 1


def test_a_week_with_a_holiday_has_four_days(office: Office, desk: Desk) -> None:
    office.clock.at = datetime(2026, 11, 24, 15, tzinfo=UTC)  # Wednesday in Tokyo; the holiday was on Monday
    for n in range(3):
        desk.take(step(f"w{n}", utc(2026, 11, 23 + n % 2), "created", opportunity_id=f"W{n}", credited_rep="tanaka"))
    tanaka = of(office.card("inside_sales", grain="week"), "tanaka")
    made = row(tanaka, "opportunities")
    assert tanaka.business_days == {"total": 4, "elapsed": 2}
    assert (made.actual, made.target, made.expected, made.pace, made.attainment) == (3, 8, 4, 0.75, 0.375)
    assert tanaka.score == 0.375


def test_nothing_is_expected_on_days_on_which_the_company_is_closed(office: Office, desk: Desk) -> None:
    office.clock.at = utc(2026, 12, 28)
    assert office.card("inside_sales").total.business_days == {"total": 20, "elapsed": 20}  # 23 without the year's end
    aims = [target("calls", "400", None, "2026-12")]
    (aim,) = current_aims(aims, desk.numbers.catalogue, TEAM, date(2026, 12, 28), 4)
    assert (aim.target, aim.expected) == (400, 400)


def test_nothing_is_expected_before_the_period_and_all_after_it(office: Office) -> None:
    before = row(of(office.card("inside_sales", period="2026-W48"), "tanaka"), "opportunities")
    assert (before.expected, before.pace, before.attainment) == (0, None, 0)
    office.clock.at = utc(2027, 1, 5)
    after = row(of(office.card("inside_sales", period="2026-11"), "tanaka"), "opportunities")
    assert (after.expected, after.pace) == (10, 0.2)


def test_a_rate_is_due_every_day_and_counts_only_where_there_is_one(office: Office, desk: Desk) -> None:
    desk.take(
        step("c1", utc(2026, 11, 6), "won", opportunity_id="C1", owner="mori"),
        step("c2", utc(2026, 11, 6), "lost", opportunity_id="C2", owner="mori"),
        step("c3", utc(2026, 11, 6), "lost", opportunity_id="C3", owner="mori"),
        step("c4", utc(2026, 11, 6), "lost", opportunity_id="C4", owner="mori"),
        term("k", "2026-11-01", "started", 1200),
    )
    card = office.card("closers")
    assert card.cap == 2
    rate = row(of(card, "mori"), "closing_rate")
    assert (rate.actual, rate.expected, rate.pace, rate.attainment, rate.by) == (0.25, 0.5, 0.5, 0.5, "owner")
    # Nobody has a part of a stock that knows no rep: all share the number and its target.
    stock = row(of(card, "mori"), "arr", "JPY")
    assert (stock.actual, stock.target, stock.expected, stock.attainment, stock.by) == (1200, 2400, 2400, 0.5, "all")
    hara = of(card, "hara")
    assert row(hara, "closing_rate").actual is None
    assert row(hara, "closing_rate").attainment is None
    assert (hara.score, hara.without_target) == (0.5, ["booked_amount"])
    assert (row(card.total, "arr", "JPY").target, row(card.total, "closing_rate").actual) == (2400, 0.25)
    assert card.total.without_target == ["booked_amount", "closing_rate"]


def test_each_member_is_covered_by_the_own_target(office: Office, desk: Desk) -> None:
    desk.take(
        step("a", utc(2026, 11, 6), "created", opportunity_id="A", credited_rep="abe", amount=jpy(3000)),
        step("e", utc(2026, 11, 6), "created", opportunity_id="E", credited_rep="endo", owner="noda", amount=jpy(500)),
    )
    sold = row(of(office.card("owners"), "noda"), "pipeline_coverage", "JPY")
    assert (sold.actual, sold.attainment, sold.by) == (2.5, 1.25, "owner")
    card = office.card("openers")
    covered = {rep: row(of(card, rep), "pipeline_coverage", "JPY") for rep in ("abe", "endo")}
    assert {rep: (one.actual, one.attainment) for rep, one in covered.items()} == {"abe": (3, 1.5), "endo": (1, 0.5)}
    assert (of(card, "abe").score, of(card, "endo").score) == (0.6, 0.25)
    assert row(card.total, "pipeline_coverage", "JPY").actual is None


@pytest.mark.parametrize(
    ("grain", "label"),
    [
        ("day", "2026-11-20"),
        ("week", "2026-W47"),
        ("month", "2026-11"),
        ("quarter", "2026-Q4"),
        ("fiscal_year", "FY2026"),
        ("all", "all"),
    ],
)
def test_the_current_period_of_every_grain(office: Office, grain: str, label: str) -> None:
    assert office.card("inside_sales", grain=grain).period == label
    card = office.card("inside_sales", period=label)
    assert (card.grain, card.total.business_days is None) == (grain, grain == "all")
    assert [one.member for one in card.members][:1] == ["tanaka"]


@pytest.mark.parametrize(
    "query",
    [
        {"period": "november"},
        {"period": "2026-13"},
        {"period": "2026-W54"},
        {"period": ""},
        {"period": "2026-11", "grain": "week"},
        {"grain": "year"},
    ],
)
def test_nonsense_gets_422_that_says_what_is_wrong(office: Office, query: dict[str, str]) -> None:
    status, problem = office.get("inside_sales", **query)
    assert status == 422
    assert problem["errors"][0]["pointer"] in ("/period", "/grain")


def test_an_unknown_role_gets_404_with_the_known_ones(office: Office) -> None:
    status, problem = office.get("chief/of all")
    assert status == 404
    assert "inside_sales, field_sales, closers" in office.get("chief")[1]["detail"]
    assert problem["status"] == 404


def test_the_shipped_roles() -> None:
    team = load_config(CONFIG).team
    assert {name: (team.cut_of(name), role.cap) for name, role in team.roles.items()} == {
        "inside_sales": ("rep", SCORE_CAP),
        "field_sales": ("owner", SCORE_CAP),
    }
    assert TEAM.cut_of("field_sales") == "owner", "although its entry does not say so"


def in_file(tmp_path: Path, numbers: Numbers, text: str) -> tuple[Target, ...]:
    (tmp_path / "targets.yaml").write_text(text)
    document = read(tmp_path, "targets.yaml")
    return in_currency(document.convert(list[Target]), numbers.catalogue, {"targets": document})


def test_a_target_of_money_is_in_yen_unless_said(tmp_path: Path, numbers: Numbers) -> None:
    calls = "- {kpi: calls, period: 2026-11, value: 1}\n"
    booked = "- {kpi: booked_amount, period: 2026-11, value: 5}\n"
    assert [t.currency for t in in_file(tmp_path, numbers, calls + booked)] == [None, "JPY"]
    with pytest.raises(ConfigError, match=r"targets\.yaml:2: .*stands here twice"):
        in_file(tmp_path, numbers, booked + booked.replace("5}", "6, currency: JPY}"))
    with pytest.raises(ConfigError, match=r"targets\.yaml:2: calls is no money"):
        in_file(tmp_path, numbers, booked + calls.replace("1}", "1, currency: JPY}"))
