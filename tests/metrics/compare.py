"""The live numbers beside those that the independent recount finds."""

from datetime import date
from typing import Any, get_args

import pytest

from services.metrics.question import Grain
from services.metrics.verify.recount import RawEvent, Rows
from shared.events import Event, encode_data

GRAINS = list(get_args(Grain))
LAST_DAY = date(2027, 1, 31)
BOUNDED = ("stock", "trailing", "coverage")
"""Kinds that have a value on every day to come, so that the test must say where to end."""


def raw(event: Event) -> RawEvent:
    time = event.time.isoformat()
    return RawEvent(event.source, event.id, event.name, time, event.subject, encode_data(event.data).decode())


def assert_same(kpi: str, rows: list[dict[str, Any]], expected: Rows) -> None:
    measures = {"value", "numerator", "denominator", "median", "p90", "n"}
    found = {tuple(str(v) for name, v in row.items() if name not in measures): row for row in rows}
    assert len(found) == len(rows), kpi
    assert found.keys() == expected.keys(), (kpi, found.keys() ^ expected.keys())
    for key, values in expected.items():
        for name, value in values.items():
            assert found[key].get(name) == (value if value is None else pytest.approx(value, rel=1e-9)), (
                kpi,
                key,
                name,
            )
