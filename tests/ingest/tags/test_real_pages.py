"""Real pages and snippets: what their label says is live is found, and nothing beside it.

They lie beside the project and belong to others, as the material of tests/journeys/test_real_data.py.
"""

import json
from functools import cache
from typing import Any

import pytest

from services.ingest.tags.find import find_tags, shipped_signatures
from tests.journeys.test_real_data import DATA

FOLDER = DATA / "html"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason=f"the real pages are not there: {FOLDER} is needed")


@cache
def snippets() -> list[dict[str, Any]]:
    return json.loads((FOLDER / "snippets.json").read_text(encoding="utf-8")) if FOLDER.exists() else []


def found(html: str) -> list[str]:
    return find_tags(html, shipped_signatures())


@pytest.mark.parametrize("number", range(19))
def test_a_snippet(number: int) -> None:
    snippet = snippets()[number]
    text = snippet["text"] if snippet["text"].lstrip().startswith("<") else f"<script>{snippet['text']}</script>"
    expected = snippet["ids"] if snippet["state"].startswith("live") else []
    for page in (text, f"<!doctype html><html><body>{text}</body></html>"):
        told = [entry.partition(":")[2] for entry in found(page)]
        assert sorted(id_ for id_ in told if id_) == sorted(expected)


def test_there_are_no_more_snippets() -> None:
    assert len(snippets()) == 19


def test_the_page() -> None:
    html = (FOLDER / "bownow_gtm_header.php.html").read_text(encoding="utf-8")
    assert found(html) == ["bownow:UTC_373f6c2fd8a84cc0e8f9", "gtm:GTM-K84V5MS"]
