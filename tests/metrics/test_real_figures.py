"""Figures worked by hand for calls and companies as they really were."""

from datetime import datetime
from zoneinfo import ZoneInfo

from tests.metrics.desk import Desk, call, seen, step, utc

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
