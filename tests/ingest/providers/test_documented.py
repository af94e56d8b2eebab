"""Every provider has a place in the documentation."""

import pytest

from services.ingest.providers import PROVIDERS
from tests.system import ROOT

PAGES = "".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("providers*.md")))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_says_how_to_set_it_up(provider: str) -> None:
    assert f"`{provider}`" in PAGES
