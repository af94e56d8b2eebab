"""Which leads are one and what is believed of them: engine and recount agree, however merges are strewn."""

from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.contributions import group_of
from services.metrics.contributions.merges import survivors
from services.metrics.contributions.rules import Rules
from services.metrics.verify.recount import Recount
from shared.config import load_config
from shared.events import Event
from shared.settings import Settings
from tests.metrics.compare import raw
from tests.metrics.desk import observed, utc
from tests.metrics.own import CONFIG
from tests.metrics.strategies import LEADS, fields, make, times

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


KNOWN = observed("k", "lead-b", email="b@example.com", phone="+81312345678", title="部長", employees=5000)
"""Four of nine rank fields; with needs it is rank B."""


def told_by(method: str, lead: str) -> Event:
    """Needs, which only a hearing may tell."""
    observation = {
        "observation_id": method,
        "field": "needs",
        "method": method,
        "source": "website",
        "observed_at": "2026-11-01T00:00:00Z",
        "status": "confirmed",
    }
    return make("lead-fields", method, lead, utc(2026, 11, 1), {"observations": [observation]})


MERGED = make("lead-merged", "m", "lead-a", utc(2026, 11, 7), {"into": "lead-b"})
known = st.builds(lambda lead, at, content: ("lead-fields", lead, at, content), st.sampled_from(LEADS), times, fields)
merged = st.builds(
    lambda lead, at, into: ("lead-merged", lead, at, {"into": into}),
    st.sampled_from(LEADS), times, st.sampled_from(LEADS),
)  # fmt: skip
histories = st.lists(known | merged, min_size=1, max_size=8).map(
    lambda told: [make(name, f"e{n}", lead, at, content) for n, (name, lead, at, content) in enumerate(told)]
)


@settings(max_examples=100, deadline=None, derandomize=True)
@example(events=[KNOWN, told_by("hearing", "lead-a"), told_by("form", "lead-b"), MERGED])
@given(events=histories)
def test_engine_and_recount_believe_the_same_of_merged_leads(events: list[Event], recount: Recount) -> None:
    config, zone = load_config(CONFIG), Settings().zone
    ranks = compile_catalogue(config).rank_fields
    rules = Rules(zone, config.fields, config.policies["default"], ranks)
    found = {
        (lead, state.attributes.segment, state.attributes.industry, *rules.standing(state.best()))
        for lead, state in group_of(events, rules).states.items()
    }
    recount.forget()
    recount.learn([raw(event) for event in events])
    recount.count()
    assert found == set(recount.db.execute("select lead, segment, industry, tier, rank from lead").fetchall())
