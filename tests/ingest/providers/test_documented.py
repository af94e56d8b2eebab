"""Every provider has a place in the documentation, and is tried with every row of the table of `ProviderContract`."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from services.ingest.providers import PROVIDERS
from tests.ingest.providers.provider_contract import ProviderContract
from tests.system import ROOT

PAGES = "".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("providers*.md")))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_says_how_to_set_it_up(provider: str) -> None:
    assert f"`{provider}`" in PAGES


def test_each_is_under_the_contract() -> None:
    for module in Path(__file__).parent.glob("test_*.py"):
        import_module(f"tests.ingest.providers.{module.stem}")
    under = {kind.provider for kind in _all_below(ProviderContract) if hasattr(kind, "provider")}
    assert under == PROVIDERS.keys()


def _all_below(kind: type[ProviderContract]) -> Iterator[type[ProviderContract]]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_below(below)
