"""Whoever counts only the parts in which two digests differ counts what the whole digests would have told."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.metrics.contributions.digest_facts import Part, digest_facts, parts_that_differ
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.rules import Rules
from shared.config import load_config
from tests.metrics.strategies import facts
from tests.system import ROOT

CONFIG = load_config(Path(ROOT) / "config")
RULES = Rules(ZoneInfo("Asia/Tokyo"), CONFIG.fields, CONFIG.policies["default"], ("industry", "employees"))


FIELDS = sorted(set(LeadState.__struct_fields__) - {"attributes", "past"})
"""What may differ of two digests of which the same is known."""


@st.composite
def digests(draw: Callable[..., Any]) -> LeadState:
    state = LeadState()
    events = [draw(facts(n)) for n in range(draw(st.integers(6, 14)))]
    for event in events:
        state.absorb(event, RULES)
    assert state.respond(events, None, complete=True)
    return state


@pytest.mark.parametrize("field", FIELDS)
@given(before=digests(), other=digests())
def test_parts_that_do_not_differ_tell_the_same(field: str, before: LeadState, other: LeadState) -> None:
    after = replace(before, **{field: getattr(other, field)})

    def change(parts: Sequence[Part] | None) -> Contributions:
        found = Contributions()
        found.add_all(digest_facts(before, lambda _: before.attributes, RULES, parts), sign=-1)
        found.add_all(digest_facts(after, lambda _: after.attributes, RULES, parts))
        return found

    assert change(parts_that_differ(before, after)) == change(None)
