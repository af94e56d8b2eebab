"""Where a moment stands in business time depends on nothing but the moment."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.contributions.rules import Rules
from shared.config import load_config
from tests.system import ROOT

ZONES = ("Asia/Tokyo", "Asia/Kathmandu", "America/St_Johns", "Africa/Monrovia")
CONFIG = load_config(Path(ROOT) / "config")
old = st.datetimes(datetime(1930, 6, 1, 11, 44), datetime(1930, 6, 1, 11, 45), timezones=st.just(UTC))
"""Around the turn of an hour in Monrovia, which was 44 minutes and 30 seconds behind until 1972."""
new = st.datetimes(datetime(1972, 6, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def rules(zone: str) -> Rules:
    return Rules(ZoneInfo(zone), CONFIG.fields, CONFIG.policies["default"])


@pytest.mark.parametrize("zone", ZONES)
@given(moments=st.lists(old | new, min_size=2, max_size=8))
def test_whichever_moment_is_asked_for_first(zone: str, moments: list[datetime]) -> None:
    there, back = rules(zone), rules(zone)
    found = {moment: there.place(moment) for moment in moments}
    assert {moment: back.place(moment) for moment in reversed(moments)} == found
    elsewhere = ZoneInfo("America/New_York")
    assert {moment: there.place(moment.astimezone(elsewhere)) for moment in moments} == found


@pytest.mark.parametrize("zone", ZONES)
@given(moment=new)
def test_since_1972_it_is_the_local_day_and_hour(zone: str, moment: datetime) -> None:
    local = moment.astimezone(ZoneInfo(zone))
    assert rules(zone).place(moment) == (local.date(), local.hour)
