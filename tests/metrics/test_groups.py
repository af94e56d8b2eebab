"""What several leads or companies share is counted once, whatever order it comes in and whatever is corrected."""

import asyncio
from datetime import date
from itertools import permutations
from typing import Any

import msgspec
import pytest

from shared.events import Event
from tests.metrics.desk import Desk, call, jpy, observed, step, term, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import make


def replace(identity: str, time_of_november: int, corrects: str, **data: Any) -> Event:
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in data.items()}
    content = {"corrects": {"source": "test", "id": corrects}, "action": "replace", "data": raw}
    return make("correction", identity, "", utc(2026, 11, time_of_november), content)


SHARED = [
    observed("f1", "lead-a", employees=10),
    observed("f2", "lead-b", employees=5000),
    step("1", utc(2026, 11, 5), "created", "lead-a", amount=jpy(100)),
    step("2", utc(2026, 11, 6), "won", "lead-b", amount=jpy(120)),
]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_an_opportunity_of_two_leads_is_one_and_belongs_to_the_lead_told_of_last(
    desk: Desk, order: tuple[int, ...]
) -> None:
    for n in order:
        desk.take(SHARED[n])
    assert desk.ask("opportunities", "day", "segment") == {("2026-11-05", "enterprise"): 1}
    assert desk.ask("booked_amount", "day", "segment") == {("2026-11-06", "enterprise"): 120}
    assert desk.ask("lead_to_deal_rate", "all", "segment") == {("all", "enterprise"): 1, ("all", "smb"): 0}


def test_what_is_voided_parts_them_again_and_new_events_find_the_group(desk: Desk) -> None:
    desk.take(*SHARED)
    desk.take(void("x", utc(2026, 11, 7), "2"))
    assert desk.ask("opportunities", "day", "segment") == {("2026-11-05", "smb"): 1}
    assert desk.ask("deals") == {}
    desk.take(call("c", utc(2026, 11, 8), "lead-b"), call("d", utc(2026, 11, 9), "lead-b"))
    assert desk.ask("calls", "all", "segment") == {("all", "enterprise"): 2}
    assert desk.ask("second_calls", "day") == {"2026-11-09": 1}
    desk.take(step("3", utc(2026, 11, 10), "lost", "lead-b"))
    assert desk.ask("closing_rate", "all", "segment") == {("all", "enterprise"): 0}


def test_groups_grow_together(desk: Desk, numbers: Numbers, runner: asyncio.Runner) -> None:
    desk.take(
        step("1", utc(2026, 11, 5), "created", "lead-a"),
        step("2", utc(2026, 11, 6), "valid", "lead-b"),
        step("3", utc(2026, 11, 5), "created", "lead-c", opportunity_id="P"),
        step("4", utc(2026, 11, 6), "valid", "lead-d", opportunity_id="P"),
    )
    assert desk.ask("opportunities") == {"all": 2}
    desk.take(step("5", utc(2026, 11, 7), "won", "lead-c"))
    assert desk.ask("opportunities") == {"all": 2}
    assert desk.ask("deals") == {"all": 1}
    cells = runner.run(numbers.cells())
    runner.run(numbers.rebuild())
    assert runner.run(numbers.cells()) == cells


def test_an_appointment_of_two_leads_is_one(desk: Desk) -> None:
    content = {"appointment_id": "A", "status": "set", "rep": "tanaka"}
    desk.take(make("appointment", "a", "lead-a", utc(2026, 11, 20), content))
    desk.take(make("appointment", "b", "lead-b", utc(2026, 11, 19), content))
    assert desk.ask("appointments", "day") == {"2026-11-19": 1}


@pytest.mark.parametrize("correction_first", [True, False])
def test_a_correction_may_move_an_opportunity_to_another_lead_s(desk: Desk, correction_first: bool) -> None:
    moved = replace("x", 9, "2", opportunity_id="O", status="won")
    told = [
        step("1", utc(2026, 11, 5), "created", "lead-a"),
        step("2", utc(2026, 11, 6), "won", "lead-b", opportunity_id="P"),
    ]
    for event in [moved, *told] if correction_first else [*told, moved]:
        desk.take(event)
    assert desk.ask("opportunities") == {"all": 1}
    assert desk.row("sales_cycle_days")["value"] == 1
    assert desk.ask("lead_to_deal_rate") == {"all": 0.5}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_correction_may_give_a_contract_to_another_company(desk: Desk, order: tuple[int, ...]) -> None:
    told = [
        term("1", "2026-11-01", "started", 100),
        term("2", "2026-11-02", "started", 100, contract_id="L"),
        replace("x", 9, "2", contract_id="L", company="beta", status="started", effective_on="2026-11-02"),
    ]
    for n in order:
        desk.take(told[n])
    until = (None, date(2026, 11, 30))
    assert desk.ask("active_companies", "month", days=until) == {"2026-11": 2}
    desk.take(void("y", utc(2026, 11, 22), "x"))
    assert desk.ask("active_companies", "month", days=until) == {"2026-11": 1}
    desk.take(term("4", "2026-11-21", "ended"))
    assert desk.ask("active_companies", "month", days=until) == {"2026-11": 1}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_contract_told_of_under_two_names_of_its_company_is_one(desk: Desk, order: tuple[int, ...]) -> None:
    told = [
        term("1", "2026-09-01", "started", 1200),
        term("2", "2026-10-01", "changed", 2000, company="株式会社acme"),
        term("3", "2026-11-01", "ended", company="株式会社acme"),
    ]
    for n in order:
        desk.take(told[n])
    until = (None, date(2026, 11, 30))
    assert desk.ask("arr", "month", days=until) == {"2026-09": 1200, "2026-10": 2000, "2026-11": 0}
    assert desk.ask("active_companies", "month", days=until) == {"2026-09": 1, "2026-10": 1, "2026-11": 0}
    assert desk.ask("new_customers", "month") == {"2026-09": 1}


def test_what_made_a_lead_known_may_be_replaced(desk: Desk) -> None:
    created = make("lead-created", "c", "lead-a", utc(2026, 11, 1), {"source": "website"})
    desk.take(created, replace("x", 2, "c", source="web-json", via="fields"))
    assert desk.ask("leads", "all", "source") == {("all", "web-json"): 1}


def test_a_contract_that_passes_to_another_customer_is_that_customer_s(desk: Desk) -> None:
    desk.take(
        term("1", "2026-09-01", "started", 100),
        term("2", "2026-10-01", "started", 100, company="beta", contract_id="L"),
        term("3", "2026-10-05", "changed", 100, company="beta"),
    )
    until = (None, date(2026, 10, 31))
    assert desk.ask("active_companies", "month", days=until) == {"2026-09": 1, "2026-10": 1}


def test_open_pipeline_stays_with_the_team_that_opened_it(desk: Desk) -> None:
    """nakamura joined the enterprise team on 2026-04-01, and was in none before."""
    by_nakamura: dict[str, Any] = {"credited_rep": "nakamura", "amount": jpy(100)}
    desk.take(
        step("1", utc(2026, 3, 1), "created", **by_nakamura),
        step("2", utc(2026, 3, 1), "created", opportunity_id="P", **by_nakamura),
        step("3", utc(2026, 5, 1), "won"),
    )
    until = (date(2026, 3, 1), date(2026, 5, 31))
    assert desk.ask("open_pipeline_amount", "month", "team", days=until) == {
        ("2026-03", ""): 200,
        ("2026-04", ""): 200,
        ("2026-05", ""): 100,
    }


MERGED = [
    observed("f1", "lead-a", employees=10, industry="IT"),
    observed("f2", "lead-b", employees=5000),
    call("c1", utc(2026, 11, 5), "lead-a"),
    call("c2", utc(2026, 11, 6), "lead-b"),
    make("lead-merged", "m", "lead-a", utc(2026, 11, 7), {"into": "lead-b"}),
]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (4, 0, 2, 1, 3)])
def test_merged_leads_are_one_with_the_survivor_s_fields(desk: Desk, order: tuple[int, ...]) -> None:
    for n in order:
        desk.take(MERGED[n])
    assert desk.ask("leads", "all", "segment") == {("all", "enterprise"): 1}
    assert desk.ask("calls", "all", "segment") == {("all", "enterprise"): 2}
    assert desk.ask("second_calls", "day") == {"2026-11-06": 1}
    # What only the merged lead is known for is not lost.
    assert desk.ask("calls", "all", "industry") == {("all", "IT"): 2}


@pytest.mark.parametrize(
    "undoing",
    [
        make("lead-unmerged", "u", "lead-a", utc(2026, 11, 8), {"from": "lead-b"}),
        void("u", utc(2026, 11, 8), "m"),
        replace("u", 8, "m", into="lead-a"),
    ],
    ids=lambda e: e.name,
)
@pytest.mark.parametrize("at", range(6))
def test_a_merge_that_is_undone_leaves_no_trace(desk: Desk, undoing: Event, at: int) -> None:
    for event in [*MERGED[:at], undoing, *MERGED[at:]]:
        desk.take(event)
    assert desk.ask("leads", "all", "segment") == {("all", "enterprise"): 1, ("all", "smb"): 1}
    assert desk.ask("calls", "all", "segment") == {("all", "enterprise"): 1, ("all", "smb"): 1}
    assert desk.ask("second_calls") == {}


def test_a_chain_of_merges_ends_at_its_last_lead_and_a_ring_at_its_first_merge(desk: Desk) -> None:
    def merged(lead: str, day: int, into: str) -> Event:
        return make("lead-merged", f"{lead}-{into}", lead, utc(2026, 11, day), {"into": into})

    desk.take(observed("f1", "lead-c", employees=5000), call("1", utc(2026, 11, 1), "lead-a"))
    desk.take(merged("lead-a", 2, "lead-b"), merged("lead-b", 3, "lead-c"))
    assert desk.ask("calls", "all", "segment") == {("all", "enterprise"): 1}
    desk.take(merged("lead-c", 4, "lead-a"))
    assert desk.ask("calls", "all", "segment") == {("all", "enterprise"): 1}
    assert desk.ask("leads") == {"all": 1}
