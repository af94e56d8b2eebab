"""Real material through the API: 5,000 calls of a call centre and 540 listed companies, held against a plain count.

The two files lie beside the project and belong to others; TASUKI_REAL_DATA names their folder where it is elsewhere.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from shared.normalise import corporate_number
from tests.journeys.outside import Outside, matching
from tests.system import ROOT

DATA = Path(os.environ.get("TASUKI_REAL_DATA", ROOT.parent / "shared" / "data"))
FILES = (DATA / "calls.csv", DATA / "companies_jp.csv")
pytestmark = pytest.mark.skipif(
    not all(file.exists() for file in FILES),
    reason=f"the real data are not there: {FILES[0]} and {FILES[1]} are needed; TASUKI_REAL_DATA names another folder",
)
Count = dict[str, int]


@cache
def calls() -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(FILES[0].read_text(encoding="utf-8-sig"))))


@cache
def companies() -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(FILES[1].read_text(encoding="utf-8-sig"))))


@pytest.fixture(scope="module")
def taken(outside: Outside) -> Outside:
    """The system after all has gone in, the companies twice: known is known."""
    for expected in (201, 200):
        with ThreadPoolExecutor(8) as pool:
            statuses = Counter(pool.map(lambda row: _submit(outside, row), companies()))
        assert statuses == {expected: len(companies())}
    outside.post_activities([_call(number, row) for number, row in enumerate(calls())])
    outside.settle()
    return outside


def _submit(outside: Outside, row: dict[str, str]) -> int:
    wanted = {"corporate_number": "corporate_number", "company_name": "name", "website": "company_url"}
    fields: dict[str, Any] = {ours: row[theirs] for ours, theirs in wanted.items() if row[theirs]}
    if row["employee_number"]:
        fields["employees"] = int(row["employee_number"])
    body = {"external_id": _external(row), "fields": fields, "observed_at": "2021-01-01T00:00:00+09:00"}
    return outside.call("ingest", "POST", "/v1/leads", body).status_code


def _external(row: dict[str, str]) -> str:
    return f"houjin:{row['corporate_number']}"


def _called(number: int) -> dict[str, str]:
    """The company of a call: the file of calls knows none, so they take turns."""
    return companies()[number % len(companies())]


def _call(number: int, row: dict[str, str]) -> dict[str, Any]:
    answered = row["Answered (Y/N)"] == "Y"
    call = {
        "id": row["Call Id"],
        "source": "call-centre",
        "type": "call",
        "occurred_at": f"{row['Date']}T{row['Time'].zfill(8)}+09:00",
        "lead": {"external_id": _external(_called(number))},
        "rep": row["Agent"],
        "direction": "outbound",
        "outcome": "conversation" if answered else "no_answer",
    }
    return call | ({"duration_s": _seconds(row)} if answered else {})


def _seconds(row: dict[str, str]) -> int:
    hours, minutes, seconds = (int(part) for part in (row["AvgTalkDuration"] or "0:0:0").split(":"))
    return hours * 3600 + minutes * 60 + seconds


def segment(row: dict[str, str]) -> str:
    employees = int(row["employee_number"] or 0)
    return "enterprise" if employees > 2000 else "smb" if employees > 0 else "unknown"


def day(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(row["Date"])


def week(row: dict[str, str]) -> str:
    year, number, _ = day(row).isocalendar()
    return f"{year}-W{number:02}"


CUTS: dict[str, Callable[[dict[str, str]], str]] = {
    "rep": lambda row: row["Agent"],
    "hour": lambda row: row["Time"].split(":")[0].zfill(2),
    "ampm": lambda row: "AM" if int(row["Time"].split(":")[0]) < 12 else "PM",
    "weekday": lambda row: str(day(row).isoweekday()),
    "week": week,
    "month": lambda row: row["Date"][:7],
    "day": lambda row: row["Date"],
    "quarter": lambda row: f"{row['Date'][:4]}-Q{(day(row).month + 2) // 3}",
    "fiscal_year": lambda row: f"FY{day(row).year - (day(row).month < 4)}",
}
WEIGHTS: dict[str, Callable[[dict[str, str]], int]] = {
    "calls": lambda row: 1,
    "connects": lambda row: row["Answered (Y/N)"] == "Y",
    "conversations": lambda row: row["Answered (Y/N)"] == "Y",
    "time_spent": _seconds,
}


def counted(kpi: str, cut: str) -> Count:
    """The independent count: one pass over the file."""
    found: Counter[str] = Counter()
    for row in calls():
        found[CUTS[cut](row)] += WEIGHTS[kpi](row)
    return dict(found)


def told(outside: Outside, kpi: str, cut: str) -> Count:
    grains = ("day", "week", "month", "quarter", "fiscal_year")
    if cut in grains:
        return {row["period"]: row["value"] for row in outside.rows(kpi, grain=cut)}
    return {row[cut]: row["value"] for row in outside.rows(kpi, grain="all", by=cut)}


def test_the_files_are_those_that_are_meant() -> None:
    assert (len(calls()), len(companies())) == (5000, 540)
    assert len({row["corporate_number"] for row in companies()}) == 540


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kpi", WEIGHTS)
def test_every_figure_is_that_of_the_file(taken: Outside, kpi: str, cut: str) -> None:
    assert told(taken, kpi, cut) == counted(kpi, cut)


@pytest.mark.parametrize("kpi", WEIGHTS)
def test_every_total_is_that_of_the_file(taken: Outside, kpi: str) -> None:
    (row,) = taken.rows(kpi, grain="all")
    assert row["value"] == sum(WEIGHTS[kpi](row) for row in calls())


def test_rep_and_hour_together(taken: Outside) -> None:
    rows = taken.rows("conversations", grain="month", by="rep,hour")
    expected: Counter[tuple[str, ...]] = Counter()
    for row in calls():
        expected[tuple(CUTS[cut](row) for cut in ("month", "rep", "hour"))] += WEIGHTS["conversations"](row)
    assert {(r["period"], r["rep"], r["hour"]): r["value"] for r in rows} == +expected


def test_leads_are_the_companies_that_the_identity_rules_keep_apart(taken: Outside) -> None:
    assert [row["value"] for row in taken.rows("leads", grain="all")] == [540]
    assert {row["period"]: row["value"] for row in taken.rows("leads", grain="month")} == {"2021-01": 540}


def test_segments_are_those_of_the_employees(taken: Outside) -> None:
    def by_segment(kpi: str) -> Count:
        return {row["segment"]: row["value"] for row in taken.rows(kpi, grain="all", by="segment")}

    assert by_segment("leads") == Counter(segment(row) for row in companies())
    assert by_segment("calls") == Counter(segment(_called(number)) for number in range(len(calls())))


def test_every_company_was_called_a_second_time_when_its_second_call_was(taken: Outside) -> None:
    order: dict[int, list[str]] = {}
    for number, row in sorted(enumerate(calls()), key=lambda pair: (pair[1]["Date"], pair[1]["Time"].zfill(8))):
        order.setdefault(number % len(companies()), []).append(row["Date"][:7])
    expected = Counter(months[1] for months in order.values())
    assert told(taken, "second_calls", "month") == expected


def test_a_company_is_found_with_what_the_file_says(taken: Outside) -> None:
    row = next(row for row in companies() if row["company_url"] == "http://www.nesic.co.jp")
    (lead,) = taken.ok("ingest", "GET", "/v1/leads?domain=nesic.co.jp")["items"]
    assert lead["external_ids"] == [_external(row)]
    assert lead["fields"]["employees"]["value"] == int(row["employee_number"])
    assert lead["company"]["corporate_number"] == row["corporate_number"]
    assert lead["company"]["name"] == "NECネッツエスアイ株式会社", "the one written form of a full-width name"


def test_prometheus_counts_agents_that_no_team_knows_as_others(taken: Outside) -> None:
    samples = taken.samples("metrics")
    assert matching(samples, "tasuki_activities_total", type="call", rep="other") == 5000
    assert matching(samples, "tasuki_activities_total", outcome="conversation") == 4054


def test_every_corporate_number_has_its_check_digit_and_no_other() -> None:
    for row in companies():
        number = row["corporate_number"]
        assert corporate_number(number) == number
        for other in set("0123456789") - {number[0]}:
            with pytest.raises(ValueError, match="check digit"):
                corporate_number(other + number[1:])
