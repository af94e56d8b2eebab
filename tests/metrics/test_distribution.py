"""What is said of measured times is right to the last digit, so that boards, Prometheus and the API say the same."""

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.distribution import Distribution
from services.metrics.query.values import MICROSECONDS, divided

TIMES = st.lists(st.integers(0, 400 * 86_400_000_000), min_size=1, max_size=20)


@given(times=TIMES, unit=st.sampled_from(sorted(MICROSECONDS.values())))
def test_the_mean_is_the_float_that_lies_nearest(times: list[int], unit: int) -> None:
    mean = Distribution(Counter(times)).described(unit)["value"]
    assert mean == float(Fraction(sum(times), len(times) * unit))
    assert mean == divided(sum(times), len(times) * unit), "as gauges say it"
