"""The promise of the engine: whatever order, duplication and batching events come in, the numbers are those that an
independent recomputation finds in the raw events."""

import asyncio
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.metrics.question import Grain
from shared.events import Event, encode_data
from tests.metrics.numbers import Numbers
from tests.metrics.oracle import LAST_DAY, RATIOS, SELECTIONS, STOCKS, Oracle, Rows
from tests.metrics.strategies import deliveries, histories

# Shrinking is left out: it would take minutes with a database, and the histories are small as they are.
examples = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
GRAINS = list(get_args(Grain))
DIMENSIONS = ["rep", "team", "segment", "industry", "campaign", "channel", "source", "owner", "hour", "ampm", "weekday"]


@pytest.fixture(scope="module")
def oracle(numbers: Numbers) -> Oracle:
    team = [(m.id, m.team, str(m.from_), str(m.to)) for m in numbers.fold.team.members]
    return Oracle(team, [(field.id, list(field.precedence)) for field in numbers.rules.registry])


@examples
@given(data=st.data())
def test_any_order_duplication_and_batching_equals_the_recomputation(
    data: st.DataObject, numbers: Numbers, oracle: Oracle, runner: asyncio.Runner
) -> None:
    events = data.draw(histories())
    batches = data.draw(deliveries(events))
    by = data.draw(st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=2))
    grain = data.draw(st.sampled_from(GRAINS))
    oracle.learn([raw(event) for event in events])

    async def live() -> None:
        await numbers.reset()
        for batch in batches:
            await numbers.take(batch)
        for kpi in [*SELECTIONS, *RATIOS, *STOCKS]:
            definition = numbers.catalogue.get(kpi)
            assert definition is not None
            cuts = [d for d in by if d in definition.dimensions]
            until = date.fromisoformat(LAST_DAY) if kpi in STOCKS else None
            rows = await numbers.ask(kpi, grain, cuts, (None, until))
            assert_same(kpi, rows, oracle.answer(kpi, grain, cuts))

    runner.run(live())


@examples
@given(data=st.data())
def test_a_rebuild_finds_the_same_cells_and_digests(
    data: st.DataObject, numbers: Numbers, runner: asyncio.Runner
) -> None:
    events = data.draw(histories())
    batches = data.draw(deliveries(events))

    async def live() -> None:
        await numbers.reset()
        for batch in batches:
            await numbers.take(batch)
        cells, digests = await numbers.cells(), await numbers.digests()
        await numbers.rebuild()
        assert await numbers.cells() == cells
        assert {k: v for k, v in (await numbers.digests()).items() if v} == {k: v for k, v in digests.items() if v}

    runner.run(live())


def raw(event: Event) -> tuple[str, str, str, str, str, str]:
    time = event.time.isoformat()
    return (event.source, event.id, event.name, time, event.subject, encode_data(event.data).decode())


def assert_same(kpi: str, rows: list[dict[str, Any]], expected: Rows) -> None:
    measures = {"value", "numerator", "denominator", "median", "p90", "n"}
    found = {tuple(str(v) for name, v in row.items() if name not in measures): row for row in rows}
    assert len(found) == len(rows), kpi
    assert found.keys() == expected.keys(), kpi
    for key, values in expected.items():
        for name, value in values.items():
            assert found[key][name] == (value if value is None else pytest.approx(value, rel=1e-9)), (kpi, key, name)
