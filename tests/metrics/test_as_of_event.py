"""A KPI `as_of: event` keeps what was known of the lead then; all others move with what becomes known."""

import asyncio
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.contributions.kinds import FACTS
from services.metrics.rebuild.steps import rebuild
from services.metrics.verify.recount import Recount
from shared.config import load_config
from shared.events import Event
from tests.metrics.compare import BOUNDED, GRAINS, LAST_DAY, assert_same, raw
from tests.metrics.desk import Desk, call, jpy, observed, step, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.own import entry, folder_with, with_config
from tests.metrics.strategies import deliveries, histories, make
from tests.metrics.test_any_order import examples
from tests.metrics.test_contributors import contributors_of

OF_LEADS = [name for name, fact in FACTS.items() if "segment" in fact.dimensions and not fact.stock]
OWN = "".join(
    entry(f"{name}_then", "count", "count", f"facts: {{name: {name}}}\n    as_of: event") for name in OF_LEADS
)
OWN += entry("open_then", "money", "stock", "facts: {name: open_pipeline}\n    as_of: event")
OWN += entry("smb_calls_then", "count", "count", "facts: {name: activity, type: call, segment: smb}\n    as_of: event")
OWN += entry("smb_share_then", "ratio", "ratio", "numerator: smb_calls_then\n    denominator: calls")
IDS = [*(f"{name}_then" for name in OF_LEADS), "open_then", "smb_calls_then", "smb_share_then"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_with(tmp_path_factory.mktemp("then") / "config", OWN)


@pytest.fixture(scope="module")
def company(numbers: Numbers, folder: Path) -> Numbers:
    return with_config(numbers, load_config(folder))


@pytest.fixture
def then(company: Numbers, runner: asyncio.Runner) -> Desk:
    return Desk(company, runner)


def found_out(identity: str, at: datetime, employees: int) -> Event:
    """What a tool observed at that time."""
    observation = {
        "observation_id": identity,
        "field": "employees",
        "method": "tool",
        "source": "tool",
        "observed_at": at.isoformat(),
        "value": employees,
    }
    return make("lead-fields", identity, "lead-a", at, {"observations": [observation]})


TOLD = [
    observed("f", "lead-a", employees=10, industry="IT"),
    call("c1", utc(2026, 11, 5)),
    found_out("t", utc(2026, 11, 10), 2500),
    call("c2", utc(2026, 11, 15)),
]


def test_past_counts_stay_in_the_segment_that_was_known_then(then: Desk) -> None:
    for event in TOLD:
        then.take(event)
    assert then.ask("calls", "all", "segment") == {("all", "enterprise"): 2}
    assert then.ask("activity_then", "day", "segment", "industry") == {
        ("2026-11-05", "smb", "IT"): 1,
        ("2026-11-15", "enterprise", "IT"): 1,
    }
    assert then.ask("lead_then", "all", "segment") == {("all", "smb"): 1}
    assert then.ask("smb_share_then") == {"all": 0.5}


def test_before_anything_was_known_the_segment_is_unknown(then: Desk) -> None:
    then.take(call("c", utc(2026, 10, 1)), *TOLD)
    assert then.ask("activity_then", "month", "segment", "industry") == {
        ("2026-10", "unknown", ""): 1,
        ("2026-11", "smb", "IT"): 1,
        ("2026-11", "enterprise", "IT"): 1,
    }


def test_what_comes_late_or_is_corrected_counts_as_known_when_it_was_observed(then: Desk) -> None:
    then.take(*TOLD)
    then.take(found_out("early", utc(2026, 11, 4), 3000))
    assert then.ask("activity_then", "all", "segment") == {("all", "enterprise"): 2}
    then.take(make("lead-created", "l", "lead-a", utc(2026, 11, 6), {"source": "website", "campaign": "fair"}))
    assert then.ask("activity_then", "day", "campaign") == {("2026-11-05", ""): 1, ("2026-11-15", "fair"): 1}
    then.take(void("x", utc(2026, 11, 20), "c2"))
    assert then.ask("activity_then", "day", "campaign") == {("2026-11-05", ""): 1}


def test_open_pipeline_stays_with_what_was_known_when_it_opened(then: Desk) -> None:
    then.take(
        TOLD[0],
        step("1", utc(2026, 11, 8), "created", credited_rep="tanaka", amount=jpy(100)),
        step("2", utc(2026, 11, 8), "created", opportunity_id="P", amount=jpy(70)),
        TOLD[2],
        step("3", utc(2026, 12, 1), "won"),
    )
    until = (None, date(2026, 12, 31))
    assert then.ask("open_then", "month", "segment", days=until) == {("2026-11", "smb"): 170, ("2026-12", "smb"): 70}
    assert then.ask("close_then", "all", "segment") == {("all", "enterprise"): 1}
    teams = then.ask("open_pipeline_amount", "month", "team", days=until)
    assert then.ask("open_then", "month", "team", days=until) == teams


def test_the_events_behind_it_are_told(then: Desk, runner: asyncio.Runner) -> None:
    then.take(*TOLD)
    rows = runner.run(contributors_of(then.numbers, "activity_then", "day", "segment"))
    assert {(row["period"], row["segment"], row["events"][0].id) for row in rows} == {
        ("2026-11-05", "smb", "c1"),
        ("2026-11-15", "enterprise", "c2"),
    }


def test_added_late_it_knows_all_the_past(
    desk: Desk, numbers: Numbers, company: Numbers, runner: asyncio.Runner
) -> None:
    """Its facts are kept from then on, so the next start makes them."""
    runner.run(rebuild(numbers.engine, numbers.rules))
    desk.take(*TOLD)
    desk.numbers = company
    assert runner.run(rebuild(numbers.engine, company.rules, only_if_stale=True)) == len(TOLD)
    assert desk.ask("activity_then", "all", "segment") == {("all", "smb"): 1, ("all", "enterprise"): 1}
    assert runner.run(rebuild(numbers.engine, company.rules, only_if_stale=True)) is None


@examples
@given(data=st.data())
def test_any_order_equals_the_recomputation(
    data: st.DataObject, company: Numbers, folder: Path, runner: asyncio.Runner
) -> None:
    events = data.draw(histories())
    batches = data.draw(deliveries(events))
    grain = data.draw(st.sampled_from(GRAINS))
    recount = Recount(load_config(folder), company.rules.zone, company.settings.fiscal_year_start)
    recount.learn([raw(event) for event in events])
    recount.count()

    async def live() -> None:
        await company.reset()
        for batch in batches:
            await company.take(batch)
        for kpi in (company.catalogue.get(name) for name in IDS):
            assert kpi is not None
            cuts = [d for d in kpi.dimensions if d != "currency"]
            until = LAST_DAY if kpi.definition.kind in BOUNDED else None
            rows = await company.ask(kpi.id, grain, cuts, (None, until))
            assert_same(kpi.id, rows, recount.answer(kpi.id, grain, cuts, LAST_DAY))
        cells = await company.cells()
        await company.rebuild()
        assert await company.cells() == cells

    runner.run(live())
