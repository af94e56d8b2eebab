"""Fixtures of the documentation's tests: a running system, seen from outside."""

from collections.abc import Iterator

import pytest

from tests.journeys.outside import Outside, outside_of
from tests.system import System


@pytest.fixture(scope="module")
def outside(system: System) -> Iterator[Outside]:
    """The system of this module, from outside."""
    with outside_of(system) as driver:
        yield driver
