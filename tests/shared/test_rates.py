"""Rates as they are written, and buckets by a clock that is told what time it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import rates
from shared.rates import Buckets, Rate, parse_rate


@pytest.mark.parametrize(
    ("written", "rate"), [("100/s", Rate(100, 1)), (" 6000/m ", Rate(6000, 60)), ("1/h", Rate(1, 3600))]
)
def test_rates(written: str, rate: Rate) -> None:
    assert parse_rate(written) == rate


@pytest.mark.parametrize(
    "written", ["", "0/s", "-1/s", "1.5/s", "10", "10/d", "10 /s", "1e3/s", "1" * 10 + "/s", "９/s"]
)
def test_what_is_no_rate(written: str) -> None:
    with pytest.raises(ValueError, match="is no rate; write"):
        parse_rate(written)


class Clock:
    at = 1e6

    def __call__(self) -> float:
        return self.at


def test_a_bucket_empties_and_fills_again() -> None:
    clock = Clock()
    buckets = Buckets(Rate(3, 60), clock)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == pytest.approx(20)
    assert buckets.take("b") == 0, "each has its own"
    clock.at += 20
    assert buckets.take("a") == 0
    assert buckets.take("a") == pytest.approx(20)
    clock.at += 3600
    assert [buckets.take("a") > 0 for _ in range(4)] == [False, False, False, True], "a full bucket gets no fuller"


@given(st.integers(1, 50), st.lists(st.floats(0, 5), max_size=300))
def test_never_more_than_the_bucket_and_what_flows_in(requests: int, pauses: list[float]) -> None:
    """Of any times at which somebody comes; and who waits as long as told gets a token."""
    clock = Clock()
    buckets, taken = Buckets(Rate(requests, 10), clock), 0
    for pause in pauses:
        clock.at += pause
        wait_s = buckets.take("a")
        taken += wait_s == 0
        assert taken <= requests + (clock.at - Clock.at) * requests / 10 + 1e-6
        if wait_s:
            clock.at += wait_s
            assert buckets.take("a") == 0
            taken += 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_REMEMBERED_MAX", 10)
    clock = Clock()
    buckets = Buckets(Rate(1, 60), clock)
    for n in range(9):
        buckets.take(f"old {n}")
    clock.at += 61
    assert buckets.take("used up") == 0
    assert buckets.take("new") == 0
    assert buckets.take("used up") > 0, "only full buckets were forgotten"
    for n in range(1000):
        buckets.take(f"more {n}")
    assert len(buckets._full_at) <= 10
