"""The same promise where days do not begin in Tokyo: a zone half an hour off the others, which moves its clocks by half
an hour, and a fiscal year of its own."""

import asyncio
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.metrics.verify.recount import Recount
from tests.metrics.numbers import Numbers
from tests.metrics.strategies import histories
from tests.metrics.test_any_order import examples, hold_to_the_recount, recount

__all__ = ["recount"]
SETTINGS = {"timezone": "Australia/Lord_Howe", "fiscal_year_start": 10}
OFF_TOKYO = [timedelta(hours=-1.5), timedelta(hours=-2)]
"""What makes a border of days in Tokyo one there, in winter and in summer."""


@settings(examples, max_examples=15)
@given(data=st.data())
def test_reliability_4_any_order_equals_the_recomputation_in_another_zone(
    data: st.DataObject, numbers: Numbers, recount: Recount, runner: asyncio.Runner
) -> None:
    off = data.draw(st.sampled_from(OFF_TOKYO))
    events = [replace(event, time=event.time + off) for event in data.draw(histories())]
    hold_to_the_recount(data, events, numbers, recount, runner)
