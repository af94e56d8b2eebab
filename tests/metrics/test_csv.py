"""CSV has the same columns whatever there is, and its pages lead on to the rest of the same answer."""

import asyncio
import csv
from typing import Any

import httpx
import pytest

from tests.metrics.desk import Desk, call, utc
from tests.metrics.office import AFTER, Office, recorded


@pytest.fixture
def office(desk: Desk, runner: asyncio.Runner) -> Office:
    return Office(desk, runner)


def lines_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(answer.text.splitlines()))


@pytest.mark.parametrize(
    ("address", "query", "columns"),
    [
        ("calls/values", {}, "period,value"),
        ("calls/values", {"by": "rep,channel"}, "period,rep,channel,value"),
        ("booked_amount/values", {"by": "rep"}, "period,rep,currency,value"),
        ("booked_amount/values", {"by": "currency,rep"}, "period,currency,rep,value"),
        ("calls/contributors", {"by": "rep"}, "part,period,rep,lead_id,value,events"),
        ("booked_amount/contributors", {}, "part,period,lead_id,value,currency,events"),
    ],
)
def test_an_answer_without_rows_has_its_columns(
    office: Office, address: str, query: dict[str, Any], columns: str
) -> None:
    assert office.ask(address, format="csv", **query).text == f"{columns}\r\n"


def all_pages(office: Office, address: str, **query: str) -> list[dict[str, str]]:
    """As whoever follows the links finds them."""
    answer = office.ask(address, **query)
    found = lines_of(answer)
    while link := answer.links.get("next"):
        answer = office.ask(address.partition("?")[0] + link["url"])
        found += lines_of(answer)
    return found


def test_the_next_page_of_contributors_answers_the_same_question(desk: Desk, office: Office) -> None:
    desk.take(
        *(call(f"{rep}{n}", utc(2026, 11, 2 + n), f"lead-{n}", rep=rep) for rep in ("ito", "a&b") for n in range(3))
    )
    asked = {"grain": "day", "by": "rep", "where": "rep:a&b", "from": "2026-11-03", "format": "csv", "limit": "1"}
    found = all_pages(office, "calls/contributors", **asked)
    assert [(row["period"], row["rep"]) for row in found] == [("2026-11-03", "a&b"), ("2026-11-04", "a&b")]


def test_the_next_page_of_causes_answers_the_same_question(desk: Desk, office: Office) -> None:
    desk.take(*recorded(AFTER, *(call(f"{n}", utc(2026, 10, 5 + n)) for n in range(3))))
    found = all_pages(office, "calls/restatements", period="2026-10", by="rep", format="csv", limit="1")
    assert [row["id"] for row in found if row["line"] == "cause"] == ["0", "1", "2"]
