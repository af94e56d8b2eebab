"""What a run tells is held to what it must be, and written down as a page."""

import pytest

from bench import report
from bench.report import Line, Table, is_reached
from bench.written import page


@pytest.mark.parametrize(
    ("value", "must", "reached"),
    [
        (39_727, ">= 40,000", False),
        (40_000, ">= 40,000", True),
        (0.51, ">= 0.20", True),
        (1.5, "<= 1.5", True),
        (1.51, "<= 1.5", False),
        (49.9, "p99 <= 50", True),
        (61, "<= 60 s for 100,000", False),
        (1.0, "< 1", False),
        (3.0, "", None),
    ],
)
def test_a_figure_is_held_to_its_bound(value: float, must: str, reached: bool | None) -> None:
    assert is_reached(value, must) is reached


def test_what_is_printed_is_remembered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "told", [])
    report.heading("metrics: some calls            events/s")
    report.figure("the floor", "70,604", "CPU 15 us")
    report.held_to("live", "39,727", must=">= 40,000")
    report.held_to("values", "3.1 / 51.0", must="p99 <= 50", measured=51.0, note="200 requests")
    report.ratio("live / the floor", 0.514, must=">= 0.20", aim=">= 0.50")
    (table,) = report.told
    assert (table.title, table.units) == ("metrics: some calls", ("events/s",))
    assert [(line.value, line.reached) for line in table.lines] == [
        ("70,604", None),
        ("39,727", False),
        ("3.1 / 51.0", False),
        ("0.51", True),
    ]
    printed = capsys.readouterr().out
    assert printed.count("NOT REACHED") == 2
    assert "must p99 <= 50: NOT REACHED; 200 requests" in printed


def test_a_page_says_what_was_reached_and_what_was_not() -> None:
    lines = [
        Line("the floor | bytes", "430,000", "x   y  z"),
        Line("a / b", "0.34", "", ">= 2.0", ">= 5.0", False),
        Line("c / d", "0.90", "", "<= 1.5", "", True),
    ]
    text = page("make bench", "2 cores", "2026-11-29", [Table("peers: calls", ("events/s", "CPU s", "exact"), lines)])
    assert "`make bench`, 2026-11-29, on 2 cores." in text
    assert "| a / b | 0.34 | >= 2.0: **not reached** | >= 5.0 |\n| c / d | 0.90 | <= 1.5 |  |" in text
    assert "## Peers: calls" in text
    assert (
        "|  | events/s | CPU s | exact |\n| --- | --- | --- | --- |\n| the floor \\| bytes | 430,000 | x | y, z |"
        in text
    )
    assert "| a / b | 0.34 |  |  |" in text
    assert "| the floor \\| bytes | 430,000 | x, y, z |" in page("", "", "", [Table("calls", ("events/s",), lines)])
