"""A stock has a row for each day since its first event, which may be of 1900: what one question makes has a bound."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from services.metrics import contributors, question, stretches
from shared.periods import Period, periods_between
from shared.web import page, read_cursor
from tests.metrics.desk import Desk, call, jpy, step, utc
from tests.metrics.office import Office

MANY = "would be more than 1,000 rows"


@pytest.fixture
def periods_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Labels of all periods that are made, where an answer may have 1,000 rows."""
    made: list[str] = []

    def noted(*args: Any) -> Iterator[Period]:
        for period in periods_between(*args):
            made.append(period.label)
            yield period

    monkeypatch.setattr(stretches, "periods_between", noted)
    for module in (question, contributors):
        monkeypatch.setattr(module, "ROWS_AT_MOST", 1_000)
    monkeypatch.setattr("services.metrics.routes.ROWS_AT_MOST", 1_000)
    return made


def sold(n: int, year: int = 2000) -> Any:
    return step(f"o{n}", utc(year, 1, 3), "created", opportunity_id=f"O{n}", amount=jpy(1), credited_rep=f"rep{n:03}")


def test_an_answer_of_too_many_rows_is_refused_before_it_is_made(
    desk: Desk, runner: asyncio.Runner, periods_made: list[str]
) -> None:
    desk.take(*(sold(n) for n in range(20)))
    office = Office(desk, runner)
    for asked in ("open_pipeline_amount/values", "pipeline_coverage/values"):
        answer = office.ask(asked, grain="day", by="rep", to="2001-12-31")
        assert (answer.status_code, MANY in answer.text) == (422, True)
        assert len(periods_made) < 2 * 1_000, "it is refused before all members have their rows"
        periods_made.clear()
        assert office.ask(asked, grain="month", by="rep", to="2001-12-31").status_code == 200
        periods_made.clear()


def test_rows_of_all_questions_count_together(desk: Desk, runner: asyncio.Runner, periods_made: list[str]) -> None:
    desk.take(sold(1))
    office = Office(desk, runner)
    asked = {"kpi": "open_pipeline_amount", "grain": "day", "to": "2000-12-31"}
    assert office.post({"questions": [asked] * 2}).status_code == 200
    answer = office.post({"questions": [asked] * 3})
    assert (answer.status_code, MANY in answer.text) == (422, True)


def test_a_page_of_contributors_makes_no_more_than_it_shows(
    desk: Desk, runner: asyncio.Runner, periods_made: list[str]
) -> None:
    desk.take(*(sold(n) for n in range(20)))
    office = Office(desk, runner)
    address = "open_pipeline_amount/contributors?grain=day&limit=20&to=2001-12-31"
    first = office.ask(address)
    assert len(first.json()["items"]) == 20
    assert len(periods_made) < 50
    second = office.ask(f"{address}&cursor={first.json()['next_cursor']}").json()
    assert second["items"][0]["period"] > first.json()["items"][-1]["period"]


def test_what_lies_too_deep_in_one_lead_is_refused(desk: Desk, runner: asyncio.Runner, periods_made: list[str]) -> None:
    desk.take(*(sold(n) for n in range(20)))
    office = Office(desk, runner)
    given = office.ask("open_pipeline_amount/contributors?grain=all&limit=1").json()["next_cursor"]
    at = read_cursor(given, contributors.Position)
    assert at is not None
    deep = page([1, 2], 1, lambda _: contributors.Position(at.group, 10**9))["next_cursor"]
    answer = office.ask(f"open_pipeline_amount/contributors?grain=day&to=2009-12-31&cursor={deep}")
    assert (answer.status_code, MANY in answer.text) == (422, True)


def test_the_mean_of_weeks_looks_at_each_day_a_few_times(
    desk: Desk, runner: asyncio.Runner, periods_made: list[str]
) -> None:
    """Each period once went through all days; now only those that its weeks hold are made for an event."""
    desk.take(call("c1", utc(2000, 1, 3), rep="tanaka", outcome="conversation"))
    rows = Office(desk, runner).ask("expected_weekly_connects/contributors?grain=day&to=2009-12-31").json()["items"]
    assert 21 <= len(rows) <= 35
    assert len(periods_made) < 100
