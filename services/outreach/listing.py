"""Which pieces a list shows, and in which order. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from services.outreach.content import CaseStudyHead, Piece, TalkHead, TemplateHead, Term
from services.outreach.fit import Fit, LeadWords, fit, sought
from services.outreach.library import Library, Shelf
from services.outreach.search import plain
from services.outreach.vocabulary import meant
from shared.words import Words


class Ranked(NamedTuple):
    """A piece with its rank (smaller is better), and why it fits a lead."""

    rank: tuple[float, float]
    piece: Piece
    why: list[Words]


def ranked(
    shelf: Shelf, question: str | None, wanted: Callable[[Piece], bool], fits: Callable[[Piece], Fit] | None = None
) -> list[Ranked]:
    """The pieces that are wanted and answer the question, the best first: by fit, then by the question, then by id."""
    scores = shelf.index.find(question) if question and question.strip() else None
    found = []
    for piece_id, piece in shelf.pieces.items():
        if (scores is not None and piece_id not in scores) or not wanted(piece):
            continue
        fitting = fits(piece) if fits else Fit(0.0, [])
        found.append(Ranked((-fitting.score, -scores[piece_id] if scores else 0.0), piece, fitting.why))
    return sorted(found, key=lambda one: (one.rank, one.piece.id))


def templates(library: Library, occasion: str | None, channel: str | None, q: str | None) -> list[Ranked]:
    def wanted(piece: Piece) -> bool:
        head = piece.head_as(TemplateHead)
        return _is(occasion, head.occasion) and _is(channel, head.channel)

    return ranked(library.shelves["template"], q, wanted)


def snippets(library: Library, q: str | None) -> list[Ranked]:
    return ranked(library.shelves["snippet"], q, lambda _: True)


def talks(library: Library, product: str | None, q: str | None) -> list[Ranked]:
    return ranked(library.shelves["talk"], q, lambda piece: _is(product, piece.head_as(TalkHead).product))


def case_studies(
    library: Library, industry: str | None, usage: str | None, q: str | None, lead: LeadWords | None
) -> list[Ranked]:
    """`industry` and `usage`: words, or any text that means one. lead: whom they should fit."""
    words = library.vocabulary
    industries, usages = _words(words.industries, industry), _words(words.usages, usage)

    def wanted(piece: Piece) -> bool:
        head = piece.head_as(CaseStudyHead)
        return (industries is None or head.industry in industries) and (
            usages is None or not usages.isdisjoint(head.usage)
        )

    if lead is None:
        return ranked(library.shelves["case_study"], q, wanted)
    known = sought(lead, words)
    return ranked(library.shelves["case_study"], q, wanted, lambda piece: fit(piece, known, words))


def _is(asked: str | None, word: str) -> bool:
    """Whether it is what is asked for, in whatever case and width; what is blank asks for nothing, as a form that was
    left empty."""
    return not asked or not (wanted := plain(asked).strip()) or wanted == word


def _words(terms: Mapping[str, Term], asked: str | None) -> set[str] | None:
    """The words that are asked for; None: any."""
    if asked is None or not asked.strip():
        return None
    return {asked} if asked in terms else meant(terms, asked)
