"""Whatever value `by` shows, `where` can ask for: ids and industries are what others wrote."""

import asyncio

import pytest

from services.metrics.question import ask
from shared.client import metrics
from tests.metrics.desk import Desk, call, utc
from tests.metrics.numbers import Numbers
from tests.metrics.office import Office

REPS = ["a,b", "a|b", "a", "b", r"a\,b", "a:b", "\\", "a\\", "\\n", "営業,一課", " a ", ",", "|"]


@pytest.mark.parametrize("rep", REPS)
def test_the_client_asks_for_any_member(numbers: Numbers, rep: str) -> None:
    kpi = numbers.catalogue.get("calls")
    assert kpi is not None
    asked = metrics.question("calls", where={"rep": rep, "channel": "call"})["where"]
    assert ask(kpi, "all", None, None, None, asked).where == (("rep", (rep,)), ("channel", ("call",)))


@pytest.mark.parametrize(
    ("where", "reps"),
    [
        ("rep:a|b", ("a", "b")),
        ("rep:a,rep:b", ("a", "b")),
        ("rep:a\\|b|c\\,d,", ("a|b", "c,d")),
        ("rep:DOMAIN\\tanaka", ("DOMAIN\\tanaka",)),
        ("rep:", ("",)),
        ("rep:a|", ("a", "")),
    ],
)
def test_several_values_are_told_apart(numbers: Numbers, where: str, reps: tuple[str, ...]) -> None:
    kpi = numbers.catalogue.get("calls")
    assert kpi is not None
    assert dict(ask(kpi, "all", None, None, None, where).where)["rep"] == reps


def test_every_row_can_be_asked_for(desk: Desk, runner: asyncio.Runner) -> None:
    desk.take(*(call(f"c{n}", utc(2026, 11, 2), f"lead-{n}", rep=rep) for n, rep in enumerate(REPS)))
    office = Office(desk, runner)
    rows = office.ask("calls/values", by="rep").json()["rows"]
    assert sorted(row["rep"] for row in rows) == sorted(REPS)
    for row in rows:
        where = metrics.question("calls", where={"rep": row["rep"]})["where"]
        assert office.ask("calls/values", by="rep", where=where).json()["rows"] == [row]


def test_a_question_has_a_bound(desk: Desk, runner: asyncio.Runner) -> None:
    """A megabyte of `rep:a,rep:b,...` held the process for minutes, and was remembered."""
    office = Office(desk, runner)
    for name, asked in {"where": ",".join(f"rep:{n}" for n in range(3_000)), "by": ",".join(["rep"] * 200)}.items():
        assert office.ask("calls/values", **{name: asked}).status_code == 422
        assert office.ask("calls/contributors", **{name: asked}).status_code == 422


def test_the_values_of_a_dimension_are_gathered_once(numbers: Numbers) -> None:
    kpi = numbers.catalogue.get("calls")
    assert kpi is not None
    asked = ",".join(f"rep:{n},channel:call" for n in range(50_000))
    kept = dict(ask(kpi, "all", None, None, None, asked).where)
    assert (len(kept["rep"]), kept["channel"]) == (50_000, ("call",))
