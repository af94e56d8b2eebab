"""The seed's story over HTTP against `make run` itself: every KPI of the catalogue is held against a figure by hand."""

from statistics import median
from typing import Any

import pytest

from tests.journeys.outside import Outside, matching
from tests.journeys.story import Told, tell
from tests.system import SERVICES

OCTOBER = {"grain": "month", "start": "2026-10-01", "end": "2026-10-31"}
EVER = {"grain": "all"}
DIMENSIONS = ["rep", "team", "channel", "segment", "campaign", "industry", "hour", "ampm", "weekday", "stage"]
DIMENSIONS += ["currency", "source", "owner", "product", "category"]
DAY = 86_400

FIRST_TO_SECOND = [73_800, 80_100, 19 * DAY + 21_599]  # big c1-c2, unsized t4-c4, small c5-c6; edge acted once
TO_FIRST = [3_600, 7_200, 14_400, 7 * DAY + 28_800]  # big c1, unsized t4, edge t1, small c5; typed: nobody acted

DONE_IN_OCTOBER: dict[str, Any] = {
    "calls": 6,  # c1 to c6: c7 came in, c8 is of November in Tokyo
    "connects": 3,  # c2 c3 c4
    "conversations": 2,  # c3 c4
    "connect_rate": 3 / 6,
    "conversation_rate": 2 / 3,
    "touches": 9,  # the calls, t1 t4 t5: t2 opened, t3 replied, t6 bounced
    "replies": 1,  # t3
    "time_spent": 0 + 60 + 300 + 120 + 30 + 10 + 200 + 40 + 600,
    "second_calls": 2,  # c2 c6
    "days_to_second_action": sum(FIRST_TO_SECOND) / 3 / DAY,
    "speed_to_lead": sum(TO_FIRST) / 4,
    "leads": 5,  # known since their first hearing, the typed one since it was typed
    "appointments": 2,  # A1, and A2 although it was cancelled
    "appointment_points": 7 + 2,  # big: tier A, 5 of 9 known: B. edge: no tier, 6 of 9 known: B
    "appointment_rate": 2 / 2,
    "opportunities": 4,
    "valid_opportunities": 1,  # O2 is invalid after all
    "pipeline_amount": {"JPY": 1_500_000 + 300_000, "USD": 10_000.5},
    "deals": 2,  # O1 O3
    "booked_amount": {"JPY": 1_500_000},  # O3 has no amount
    "closed": 3,  # O1 O2 O3
    "closing_rate": 2 / 3,
    "average_deal_size": {"JPY": 1_500_000},
    "sales_cycle_days": (10 + 7) / 2,
    "arr": {"JPY": 1_500_000},  # K1 as changed; K2 ended on the last day
    "active_companies": 1,
    "new_customers": 2,
    "spend": {"JPY": 1_000_000},
    "acquisition_cost": {"JPY": 500_000},
    "leads_with_opportunity": 3,  # big unsized small
    "leads_with_deal": 2,
    "lead_to_opportunity_rate": 3 / 5,
    "lead_to_deal_rate": 2 / 5,
    "call_to_appointment_rate": 2 / 6,
    "appointment_to_opportunity_rate": 4 / 2,
    "opportunity_to_deal_rate": 2 / 4,
    "open_pipeline_amount": {"JPY": 300_000, "USD": 0},  # O4; O2 is lost
    "pipeline_coverage": {"JPY": None, "USD": None},  # no target is set for October
    "segment_share": 1,
    "expected_weekly_connects": 3 / 4,  # of the weeks from 2026-09-28 to 2026-10-25
}
DONE_BY_TASUKI: dict[str, Any] = {  # now, whenever that is
    "handoffs": 5,
    "handoffs_accepted": 2,
    "handoffs_decided": 4,
    "handoff_acceptance_rate": 2 / 4,
    "stage_entries": 6 + 4 + 4 + 2 + 2,
}


@pytest.fixture(scope="module")
def told(made: Outside) -> Told:
    """The story, told once for this module."""
    return tell(made)


def test_every_kpi_of_the_catalogue_has_a_figure_here(made: Outside) -> None:
    catalogue = made.ok("metrics", "GET", "/v1/kpis")["items"]
    elsewhere = {"content_uses"}  # made by outreach, which tests/outreach/test_journey.py starts, too
    assert {kpi["id"] for kpi in catalogue} - elsewhere == DONE_IN_OCTOBER.keys() | DONE_BY_TASUKI.keys()


@pytest.mark.parametrize("kpi", DONE_IN_OCTOBER)
def test_the_month_is_as_worked_by_hand(made: Outside, told: Told, kpi: str) -> None:
    rows = made.rows(kpi, **OCTOBER)
    assert {row["period"] for row in rows} == {"2026-10"}
    assert _values(rows) == _near(DONE_IN_OCTOBER[kpi])


@pytest.mark.parametrize("kpi", DONE_BY_TASUKI)
def test_what_tasuki_did_is_as_worked_by_hand(made: Outside, told: Told, kpi: str) -> None:
    assert _values(made.rows(kpi, **EVER)) == _near(DONE_BY_TASUKI[kpi])


def _values(rows: list[dict[str, Any]]) -> Any:
    """The one value, or a value per currency."""
    if any("currency" in row for row in rows):
        return {row["currency"]: row["value"] for row in rows}
    (row,) = rows
    return row["value"]


def _near(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-12) if not isinstance(expected, dict) else expected


def test_durations_tell_their_spread(made: Outside, told: Told) -> None:
    (second,) = made.rows("days_to_second_action", **OCTOBER)
    assert second["n"] == 3
    assert second["median"] == pytest.approx(median(FIRST_TO_SECOND) / DAY)
    assert second["p90"] == pytest.approx((80_100 + 0.8 * (FIRST_TO_SECOND[2] - 80_100)) / DAY)
    (first,) = made.rows("speed_to_lead", **OCTOBER)
    assert (first["n"], first["median"]) == (4, median(TO_FIRST))
    assert first["p90"] == pytest.approx(14_400 + 0.7 * (TO_FIRST[3] - 14_400))
    (cycle,) = made.rows("sales_cycle_days", **OCTOBER)
    assert (cycle["n"], cycle["median"], cycle["p90"]) == (2, 8.5, pytest.approx(9.7))


def test_rates_tell_what_they_are_made_of(made: Outside, told: Told) -> None:
    (rate,) = made.rows("closing_rate", **OCTOBER)
    assert (rate["numerator"], rate["denominator"]) == (2, 3)


def test_the_open_pipeline_is_held_against_the_target_of_the_quarter(made: Outside, told: Told) -> None:
    rows = made.rows("pipeline_coverage", **OCTOBER | {"grain": "quarter"})
    assert {row["currency"]: row["value"] for row in rows} == {
        "JPY": pytest.approx(300_000 / (30_000_000 - 1_500_000)),
        "USD": None,
    }


@pytest.mark.parametrize(
    ("grain", "expected"),
    [
        ("day", {"2026-10-05": 1, "2026-10-06": 2, "2026-10-07": 1, "2026-10-12": 1, "2026-10-31": 1}),
        ("week", {"2026-W41": 4, "2026-W42": 1, "2026-W44": 1}),
        ("month", {"2026-10": 6}),
        ("quarter", {"2026-Q4": 6}),
        ("fiscal_year", {"FY2026": 6}),
        ("all", {"all": 6}),
    ],
)
def test_calls_by_every_grain(made: Outside, told: Told, grain: str, expected: dict[str, int]) -> None:
    rows = made.rows("calls", **OCTOBER | {"grain": grain})
    assert {row["period"]: row["value"] for row in rows} == expected
    assert len(rows) == len(expected)


BY: dict[tuple[str, str], dict[str, float]] = {
    ("calls", "rep"): {"tanaka": 3, "yamada": 1, "ito": 2},
    ("calls", "team"): {"smb": 6},
    ("calls", "channel"): {"call": 6},
    ("calls", "segment"): {"enterprise": 4, "smb": 2},
    ("calls", "campaign"): {"": 6},
    ("calls", "industry"): {"IT": 6},
    ("calls", "source"): {"dialer": 6},
    ("calls", "hour"): {"09": 1, "10": 1, "13": 1, "15": 1, "18": 1, "23": 1},
    ("calls", "ampm"): {"AM": 2, "PM": 4},
    ("calls", "weekday"): {"1": 2, "2": 2, "3": 1, "6": 1},
    ("touches", "channel"): {"call": 6, "email": 1, "sns_dm": 1, "cxo_letter": 1},
    ("touches", "team"): {"smb": 8, "enterprise": 1},
    ("time_spent", "channel"): {"call": 720, "email": 0, "sns_dm": 40, "cxo_letter": 600},
    ("second_calls", "rep"): {"tanaka": 1, "ito": 1},
    ("leads", "campaign"): {"": 4, "autumn-exhibition": 1},
    ("leads", "segment"): {"enterprise": 2, "smb": 3},
    ("opportunities", "rep"): {"tanaka": 2, "yamada": 1, "": 1},
    ("opportunities", "owner"): {"suzuki": 2, "sato": 1, "": 1},
    ("opportunities", "currency"): {"JPY": 2, "USD": 1, "": 1},
    ("segment_share", "segment"): {"enterprise": 0.75, "smb": 0.25},
    ("spend", "category"): {"marketing": 800_000, "inside_sales": 200_000},
    ("acquisition_cost", "campaign"): {"autumn-exhibition": 400_000, "": 100_000},
}


@pytest.mark.parametrize(("kpi", "dimension"), BY)
def test_cuts_are_as_worked_by_hand(made: Outside, told: Told, kpi: str, dimension: str) -> None:
    rows = made.rows(kpi, by=dimension, **OCTOBER)
    assert {row[dimension]: row["value"] for row in rows} == BY[kpi, dimension]
    assert len(rows) == len(BY[kpi, dimension])


def test_many_questions_at_once_get_the_answers_that_each_gets_alone(made: Outside, told: Told) -> None:
    days = {"from": OCTOBER["start"], "to": OCTOBER["end"]}
    asked = [{"kpi": kpi, "grain": "all", "by": dimension, **days} for kpi, dimension in BY]
    found = made.ok("metrics", "POST", "/v1/kpis/values", {"questions": asked})
    for question, answer in zip(asked, found["answers"], strict=True):
        query = "&".join(f"{name}={said}" for name, said in question.items() if name != "kpi")
        alone = made.ok("metrics", "GET", f"/v1/kpis/{question['kpi']}/values?{query}")
        assert answer == {name: said for name, said in alone.items() if name != "as_of"}
        assert found["as_of"] == alone["as_of"]


@pytest.mark.parametrize(
    ("question", "pointer"),
    [
        ({"kpi": "nonsense"}, "/questions/1/kpi"),
        ({"kpi": "calls", "by": "nonsense"}, "/questions/1/by"),
        ({"kpi": "calls", "where": "rep"}, "/questions/1/where"),
        ({"kpi": "calls", "where": "nonsense:x"}, "/questions/1/where"),
        ({"kpi": "calls", "from": "2026-11-02", "to": "2026-11-01"}, "/questions/1/to"),
    ],
)
def test_of_many_questions_the_wrong_one_is_named(made: Outside, question: dict[str, str], pointer: str) -> None:
    answer = made.call("metrics", "POST", "/v1/kpis/values", {"questions": [{"kpi": "calls"}, question]})
    assert [error["pointer"] for error in made.refused(answer, 422)["errors"]] == [pointer]


def test_what_tasuki_did_by_rep_owner_and_stage(made: Outside, told: Told) -> None:
    def by(kpi: str, dimension: str) -> dict[str, Any]:
        return {row[dimension]: row["value"] for row in made.rows(kpi, by=dimension, **EVER)}

    assert by("handoffs", "rep") == {"tanaka": 2, "yamada": 2, "ito": 1}
    assert by("handoffs", "owner") == {"suzuki": 3, "sato": 2}
    assert by("handoffs", "segment") == {"enterprise": 3, "smb": 2}
    assert by("handoff_acceptance_rate", "segment") == {"enterprise": 2 / 3, "smb": 0}
    assert by("stage_entries", "stage") == {"Awareness": 6, "Target": 4, "MQL": 4, "SQL": 2, "Customer": 2}


@pytest.mark.parametrize("kpi", DONE_IN_OCTOBER | DONE_BY_TASUKI)
def test_every_dimension_cuts_and_keeps_alike_and_any_other_is_refused(made: Outside, told: Told, kpi: str) -> None:
    described = next(k for k in made.ok("metrics", "GET", "/v1/kpis")["items"] if k["id"] == kpi)
    for dimension in described["dimensions"]:
        rows = made.rows(kpi, by=dimension, **EVER)
        assert rows or made.rows(kpi, **EVER) == []
        for row in rows:
            kept = made.rows(kpi, where=f"{dimension}:{row[dimension]}", **EVER)
            same = [k for k in kept if k.get("currency") == (row["currency"] if "currency" in k else None)]
            assert [k["value"] for k in same] == [row["value"]], (dimension, row)
        if described["kind"] in ("count", "points"):
            assert sum(row["value"] for row in rows) == made.rows(kpi, **EVER)[0]["value"]
    for other in [*(d for d in DIMENSIONS if d not in described["dimensions"]), "nonsense"]:
        for query in (f"by={other}", f"where={other}:x"):
            answer = made.call("metrics", "GET", f"/v1/kpis/{kpi}/values?grain=all&{query}")
            problem = made.refused(answer, 422)
            assert all(has in problem["detail"] for has in described["dimensions"]), "it lists those that it has"


def test_the_lead_is_a_customer_and_sales_sees_what_became_of_it(made: Outside, told: Told) -> None:
    for name, stage in {"big": "Customer", "small": "Customer", "unsized": "SQL", "edge": "Awareness"}.items():
        assert made.ok("ingest", "GET", f"/v1/leads/{told.leads[name]}")["stage"] == stage
    history = made.ok("handoff", "GET", f"/v1/leads/{told.leads['big']}/stages")
    assert [entry["stage"] for entry in history["items"]] == ["Awareness", "Target", "MQL", "SQL", "Customer"]
    package = made.ok("handoff", "GET", f"/v1/handoffs/{told.handoffs['big']}")
    outcome = {o["opportunity_id"]: o["status"] for o in package["outcome"]["opportunities"]}
    assert outcome == {"O1": "won", "O4": "created"}
    assert package["outcome"]["sales_rep"] == "suzuki"
    assert [a["id"] for a in package["history"] if a["type"] == "call"] == ["c7", "c3", "c2", "c1"]
    assert [a["id"] for a in package["content_sent"]] == ["t5"]


def test_the_inbox_holds_each_handoff_once(made: Outside, told: Told) -> None:
    def inbox(query: str) -> set[str]:
        return {line["handoff_id"] for line in made.ok("handoff", "GET", f"/v1/handoffs?{query}")["items"]}

    ids = told.handoffs
    assert inbox("status=pending") == {ids["small"]}
    assert inbox("status=accepted") == {ids["big"], ids["unsized, again"]}
    assert inbox("status=returned") == {ids["unsized, first"], ids["edge"]}
    assert inbox("owner=sato&segment=smb") == {ids["small"], ids["edge"]}


def test_prometheus_tells_the_same(made: Outside, told: Told) -> None:
    samples = made.samples("metrics")
    counted = "tasuki_activities_total"
    assert matching(samples, counted) == told.fed
    assert matching(samples, counted, type="call") == 8
    assert matching(samples, counted, type="call", outcome="conversation", rep="tanaka", segment="enterprise") == 2
    assert matching(samples, counted, type="call", direction="inbound") == 1
    assert matching(samples, counted, type="opportunity", outcome="won") == 2
    handoffs = {"kpi": "handoffs", "period": "this_fiscal_year"}
    assert matching(samples, "tasuki_kpi_value", **handoffs, dimension="total", member="") == 5
    assert matching(samples, "tasuki_kpi_value", **handoffs, dimension="rep", member="yamada") == 2
    assert matching(made.samples("handoff"), "tasuki_handoffs_open") == 1
    for service in SERVICES:
        assert matching(made.samples(service), "tasuki_dead_letters_total") == 0
