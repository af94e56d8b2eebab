"""Fixtures of the journeys: a running system, seen from outside."""

from collections.abc import Callable, Iterator

import pytest

from shared.settings import PROCESSES
from tests.conftest import private_folder
from tests.journeys.outside import Outside, outside_of
from tests.system import System


@pytest.fixture(scope="module")
def outside(system: System) -> Iterator[Outside]:
    """The system of this module, from outside."""
    with outside_of(system) as driver:
        yield driver


@pytest.fixture(scope="module")
def made(free_port: Callable[[], int]) -> Iterator[Outside]:
    """The same, started by `make run` itself, which makes its environment first where there is none."""
    with (
        private_folder() as folder,
        System(folder / "data", free_port, command=("make", "run"), patience=600, services=PROCESSES) as running,
        outside_of(running) as driver,
    ):
        yield driver
