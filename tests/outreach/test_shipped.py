"""The content that ships: it loads, every text can be filled in, and a search finds what a reader would expect."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from services.outreach import listing
from services.outreach.content import LANGUAGES, CaseStudyHead, TemplateHead
from services.outreach.folder import ContentFolder
from services.outreach.library import Library
from services.outreach.listing import Ranked
from services.outreach.render import Fill, Recipient, Writer, render
from shared.config import load_config
from shared.config.yaml import parse
from shared.telemetry import Telemetry
from tests.outreach.desk import ROOT

RELEVANCE = Path(__file__).parent / "data" / "relevance.yaml"
REGISTRY = load_config(ROOT / "config").fields


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    q: str
    language: str
    kind: str
    first: str


EXPECTED = msgspec.convert(parse(RELEVANCE.read_text(encoding="utf-8"), str(RELEVANCE))[0], list[Expected])
LISTS: Mapping[str, Callable[[Library, str], list[Ranked]]] = {
    "templates": lambda library, q: listing.templates(library, None, None, q),
    "snippets": listing.snippets,
    "talks": lambda library, q: listing.talks(library, None, q),
    "case_studies": lambda library, q: listing.case_studies(library, None, None, q, None),
}


@pytest.fixture(scope="module")
def library() -> Library:
    return ContentFolder(ROOT / "config", REGISTRY, Telemetry("outreach", level="error").log).library


def test_there_is_enough_of_each_kind(library: Library) -> None:
    pieces = {kind: shelf.pieces for kind, shelf in library.shelves.items()}
    assert len(pieces["template"]) >= 15
    assert len(pieces["snippet"]) >= 20
    assert len(pieces["talk"]) >= 8
    cases = [piece.head_as(CaseStudyHead) for piece in pieces["case_study"].values()]
    assert {case.industry for case in cases} == library.vocabulary.industries.keys()
    assert {usage for case in cases for usage in case.usage} == library.vocabulary.usages.keys()


def test_forty_questions_in_both_languages() -> None:
    assert len(EXPECTED) >= 40
    assert {expected.language for expected in EXPECTED} == {"ja", "en"}
    assert sum(len(expected.q) <= 2 for expected in EXPECTED) >= 5


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: f"{expected.kind}-{expected.q}")
def test_a_search_finds_what_a_reader_expects(library: Library, expected: Expected) -> None:
    found = [one.piece.id for one in LISTS[expected.kind](library, expected.q)]
    assert found[:1] == [expected.first], found


def test_every_text_can_be_filled_in_for_a_lead_of_whom_nothing_is_known(library: Library) -> None:
    assert all(shelf.pieces for shelf in library.shelves.values())
    for kind in ("template", "snippet"):
        for piece in library.shelves[kind].pieces.values():
            for language in LANGUAGES:
                declared = piece.head.values if isinstance(piece.head, TemplateHead) else {}
                fill = Fill(
                    REGISTRY,
                    library.sender,
                    Recipient("L1", {}),
                    Writer("tanaka", "田中"),
                    dict.fromkeys(declared, "x"),
                    language,
                )
                text = render(piece, fill)
                assert text.body
                assert "{{" not in text.body
                assert len((text.subject or "").splitlines()) <= 1
