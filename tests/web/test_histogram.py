"""What a batch has measured, taken at once, is told as the library tells it when it is taken one by one."""

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from shared.telemetry.histogram import Histogram

BOUNDS = (0.01, 0.5, 1.0, 60.0)
measured = st.sampled_from([0.0, 0.25, 3600.0, *BOUNDS]) | st.floats(0, 100)


@given(st.lists(st.lists(measured, max_size=6), max_size=5))
def test_it_is_told_as_one_by_one(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    at_once = Histogram("waited_seconds", "How long.", buckets=BOUNDS, registry=ours)
    one_by_one = prometheus_client.Histogram("waited_seconds", "How long.", buckets=BOUNDS, registry=theirs)
    for batch in batches:
        at_once.labels().observe_all(batch)
        for value in batch:
            one_by_one.observe(value)
    told, expected = generate_latest(ours).decode(), generate_latest(theirs).decode()
    assert [line for line in told.splitlines() if "_sum" not in line] == [
        line for line in expected.splitlines() if "_sum" not in line
    ]
    assert abs(_sum_of(told) - _sum_of(expected)) < 1e-6, "added in another order"


@given(st.lists(st.tuples(st.sampled_from(["GET", 'a "b"']), st.sampled_from(["200", "404"]), measured), max_size=9))
def test_each_series_is_told_as_the_library_tells_it(told: list[tuple[str, str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    names = ("method", "status")
    histogram = Histogram("waited_seconds", "How long.", names, buckets=BOUNDS, registry=ours)
    library = prometheus_client.Histogram("waited_seconds", "How long.", names, buckets=BOUNDS, registry=theirs)
    for method, status, value in told:
        histogram.labels(method, status).observe(value)
        library.labels(method, status).observe(value)
    assert generate_latest(ours) == generate_latest(theirs)


def test_labels_that_are_missing_are_refused() -> None:
    histogram = Histogram("waited_seconds", "How long.", ("method",), buckets=BOUNDS, registry=CollectorRegistry())
    with pytest.raises(ValueError, match="waited_seconds has the labels"):
        histogram.labels()


def _sum_of(told: str) -> float:
    (line,) = [line for line in told.splitlines() if line.startswith("waited_seconds_sum")]
    return float(line.split()[1])
