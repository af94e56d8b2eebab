"""The content that ships: enough of each kind, every text filled in, and found by the words that a reader types."""

from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from services.outreach import listing
from services.outreach.content import CaseStudyHead, TemplateHead
from services.outreach.folder import ContentFolder
from shared.config import load_config
from tests.system import ROOT

CONFIG = load_config(ROOT / "config")
LIBRARY = ContentFolder(ROOT / "config", CONFIG.fields, structlog.get_logger()).library
QUERIES = yaml.safe_load((Path(__file__).parent / "data" / "relevance.yaml").read_text())
LISTS = {
    "templates": lambda q: listing.templates(LIBRARY, None, None, q),
    "snippets": lambda q: listing.snippets(LIBRARY, q),
    "talks": lambda q: listing.talks(LIBRARY, None, q),
    "case_studies": lambda q: listing.case_studies(LIBRARY, None, None, q, None),
}


def test_there_is_enough_of_each_kind() -> None:
    pieces = {kind: shelf.pieces for kind, shelf in LIBRARY.shelves.items()}
    assert len(pieces["template"]) >= 15
    assert len(pieces["snippet"]) >= 20
    assert len(pieces["talk"]) >= 8
    cases = [piece.head_as(CaseStudyHead) for piece in pieces["case_study"].values()]
    assert {case.industry for case in cases} == LIBRARY.vocabulary.industries.keys()
    assert {usage for case in cases for usage in case.usage} == LIBRARY.vocabulary.usages.keys()
    mails = [piece for piece in pieces["template"].values() if piece.head_as(TemplateHead).channel == "email"]
    assert all(text.subject for piece in mails for text in piece.texts.values())


def test_forty_questions_in_both_languages() -> None:
    assert len(QUERIES) >= 40
    assert {query["language"] for query in QUERIES} == {"ja", "en"}
    assert sum(len(query["q"]) <= 2 for query in QUERIES) >= 5


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["q"])
def test_the_first_hit_is_the_expected_one(query: dict[str, Any]) -> None:
    found = LISTS[query["kind"]](query["q"])
    assert [one.piece.id for one in found][:1] == [query["first"]]
