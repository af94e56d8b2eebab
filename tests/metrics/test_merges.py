"""Which leads are one: the engine and the recount find the same survivors, however merges and unmerges are strewn."""

from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.metrics.contributions.merges import survivors
from services.metrics.verify.recount import Recount
from shared.config import load_config
from shared.settings import Settings
from tests.metrics.compare import raw
from tests.metrics.conftest import CONFIG
from tests.metrics.desk import utc
from tests.metrics.strategies import make, times

leads = st.sampled_from(["a", "b", "c", "d"])
Told = tuple[str, str | None, datetime]
RING: list[Told] = [("a", "b", utc(2026, 11, 1)), ("b", "c", utc(2026, 11, 2)), ("c", "a", utc(2026, 11, 3))]


@pytest.fixture(scope="module")
def recount() -> Recount:
    given = Settings()
    return Recount(load_config(CONFIG), given.zone, given.fiscal_year_start)


@settings(max_examples=60, deadline=None, derandomize=True)
@example(told=RING)
@example(told=[*RING, ("d", "b", utc(2026, 11, 4))])
@given(told=st.lists(st.tuples(leads, st.one_of(leads, leads, st.none()), times), max_size=8))
def test_engine_and_recount_agree_on_survivors(told: list[Told], recount: Recount) -> None:
    events = [
        make("lead-merged", f"e{n}", lead, at, {"into": into})
        if into
        else make("lead-unmerged", f"e{n}", lead, at, {"from": "a"})
        for n, (lead, into, at) in enumerate(told)
    ]
    recount.forget()
    recount.learn([raw(event) for event in events])
    recount.count()
    assert dict(recount.db.execute("select lead, survivor from survivor").fetchall()) == survivors(events)
