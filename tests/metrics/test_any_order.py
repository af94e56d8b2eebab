"""The promise of the engine: whatever order, duplication and batching events come in, the numbers are those that an
independent recomputation finds in the raw events."""

import asyncio

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.metrics.verify.recount import Recount
from shared.config import load_config
from shared.events import Event
from tests.metrics.compare import BOUNDED, GRAINS, LAST_DAY, assert_same, raw
from tests.metrics.numbers import Numbers
from tests.metrics.own import CONFIG
from tests.metrics.strategies import deliveries, histories

# Shrinking is left out: it would take minutes with a database, and the histories are small as they are.
examples = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
DIMENSIONS = ["rep", "team", "segment", "industry", "campaign", "channel", "source", "owner", "hour", "ampm", "weekday"]


@pytest.fixture(scope="module")
def recount(numbers: Numbers) -> Recount:
    config = load_config(CONFIG)
    numbers.targets = config.targets
    return Recount(config, numbers.rules.zone, numbers.settings.fiscal_year_start)


@examples
@given(data=st.data())
def test_reliability_4_any_order_duplication_and_batching_equals_the_recomputation(
    data: st.DataObject, numbers: Numbers, recount: Recount, runner: asyncio.Runner
) -> None:
    hold_to_the_recount(data, data.draw(histories()), numbers, recount, runner)


def hold_to_the_recount(
    data: st.DataObject, events: list[Event], numbers: Numbers, recount: Recount, runner: asyncio.Runner
) -> None:
    """Deliver the events somehow, and compare what some question finds in every KPI."""
    batches = data.draw(deliveries(events))
    by = data.draw(st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=2))
    grain = data.draw(st.sampled_from(GRAINS))
    recount.forget()
    recount.learn([raw(event) for event in events])
    recount.count()

    async def live() -> None:
        await numbers.reset()
        for batch in batches:
            await numbers.take(batch)
        for kpi in numbers.catalogue:
            cuts = [d for d in by if d in kpi.dimensions]
            until = LAST_DAY if kpi.definition.kind in BOUNDED else None
            rows = await numbers.ask(kpi.id, grain, cuts, (None, until))
            assert_same(kpi.id, rows, recount.answer(kpi.id, grain, cuts, LAST_DAY))

    runner.run(live())
