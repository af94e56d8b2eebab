"""Every KPI has a figure that was worked by hand."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.metrics.numbers import Numbers

FIGURES = (
    "test_borders.py",
    "test_by_hand.py",
    "test_catalogue_by_hand.py",
    "test_groups.py",
    "test_in_any_sequence.py",
    "test_real_figures.py",
)


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
