"""A metrics engine for the tests of one module, driven from tests that are not async."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config import load_config
from shared.db import connect
from shared.settings import Settings
from tests.metrics.desk import Desk
from tests.metrics.numbers import Numbers
from tests.metrics.own import CONFIG, folder_with, with_config


@pytest.fixture(scope="module")
def numbers(module_database_url: str, runner: asyncio.Runner, request: pytest.FixtureRequest) -> Iterator[Numbers]:
    """With the settings that the test's module names as `SETTINGS`, if any."""
    own = getattr(request.module, "SETTINGS", {})
    settings = Settings(database_url=module_database_url, pool_size=3, **own)
    engine = connect(settings, "test")
    yield Numbers(engine, load_config(CONFIG), settings)
    runner.run(engine.dispose())


@pytest.fixture
def desk(numbers: Numbers, runner: asyncio.Runner) -> Desk:
    return Desk(numbers, runner)


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The shipped configuration with the KPIs of a company at the end of kpis.yaml: `OWN` of the test's module."""
    return folder_with(tmp_path / "config", request.module.OWN)


@pytest.fixture
def company(desk: Desk, numbers: Numbers, folder: Path) -> Desk:
    """The desk of a company that has had its KPIs from the first day."""
    desk.numbers = with_config(numbers, load_config(folder))
    return desk
