"""Which case studies fit a lead, and why. Pure."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from services.outreach.content import CaseStudyHead, Piece, Vocabulary
from services.outreach.search import plain
from services.outreach.vocabulary import meant
from shared.words import Words

_INDUSTRY, _USAGE, _SIZE, _NEEDS = 4.0, 3.0, 2.0, 0.7
_ALIKE = 3.0
"""Companies are alike in size up to this ratio of employees."""
_NEEDS_MAX = 3
SAID_MAX = 2_000
"""Letters of what was said of a lead that are looked at; a quote may have 20,000, each of which counts once more for
every case study."""
_TELLING = re.compile(r"[一-鿿々]{2,}|[ァ-ヴー]{3,}|[a-z]{4,}")
"""Words that tell what a text is about: of two kanji or more, of katakana, Latin ones that are no mere joints."""
_JOINTS = frozenset(
    re.findall(
        "[a-z]+",
        "about after also because been before could every from have into like more most need needs only other over"
        " should some such than that their them then there these they this those through time under very want wants"
        " were what when where which while with without would your",
    )
)


class LeadWords(NamedTuple):
    """What is known of a lead, as it was said; "" and None where nothing is."""

    industry: str = ""
    usage: str = ""
    needs: str = ""
    employees: int | None = None


class Sought(NamedTuple):
    """What cases have that are like a lead: words of the vocabulary, and the telling ones of its needs and usage."""

    industries: set[str]
    usages: set[str]
    words: list[str]
    employees: int | None


def sought(lead: LeadWords, vocabulary: Vocabulary) -> Sought:
    """Read once from what was said, whichever cases there are."""
    industry, usage, needs = (text[:SAID_MAX] for text in (lead.industry, lead.usage, lead.needs))
    usages = meant(vocabulary.usages, usage) | meant(vocabulary.usages, needs)
    said = dict.fromkeys(_TELLING.findall(plain(f"{needs} {usage}")))
    words = [word for word in said if word not in _JOINTS]
    return Sought(meant(vocabulary.industries, industry), usages, words, lead.employees)


class Fit(NamedTuple):
    """How well a case study fits (greater is better, 0: nothing in common), and the reasons."""

    score: float
    why: list[Words]


def fit(piece: Piece, lead: Sought, vocabulary: Vocabulary) -> Fit:
    """How well a case study fits a lead."""
    head = piece.head_as(CaseStudyHead)
    reasons = [
        *_industry(head, lead, vocabulary),
        *_usage(head, lead, vocabulary),
        *_size(head, lead),
        *_needs(piece, lead),
    ]
    return Fit(sum(score for score, _ in reasons), [why for _, why in reasons])


def _industry(head: CaseStudyHead, lead: Sought, words: Vocabulary) -> Iterator[tuple[float, Words]]:
    if head.industry in lead.industries:
        label = words.industries[head.industry].label
        yield _INDUSTRY, Words(ja=f"同じ業種（{label.ja}）", en=f"Same industry ({label.en})")


def _usage(head: CaseStudyHead, lead: Sought, words: Vocabulary) -> Iterator[tuple[float, Words]]:
    common = [words.usages[usage].label for usage in head.usage if usage in lead.usages]
    if common:
        ja, en = "、".join(label.ja for label in common), ", ".join(label.en for label in common)
        yield _USAGE + len(common) - 1, Words(ja=f"同じ用途（{ja}）", en=f"Same usage ({en})")


def _size(head: CaseStudyHead, lead: Sought) -> Iterator[tuple[float, Words]]:
    if not lead.employees or lead.employees < 1:
        return
    ratio = max(head.employees, lead.employees) / min(head.employees, lead.employees)
    if ratio <= _ALIKE:
        theirs, ours = f"{head.employees:,}", f"{lead.employees:,}"
        ja = f"従業員数が近い（事例{theirs}名、リード{ours}名）"
        en = f"Like number of employees (case {theirs}, lead {ours})"
        yield _SIZE * (1 - math.log(ratio) / (2 * math.log(_ALIKE))), Words(ja=ja, en=en)


def _needs(piece: Piece, lead: Sought) -> Iterator[tuple[float, Words]]:
    """Words of the lead's needs and usage that the case study has, too."""
    head = piece.head_as(CaseStudyHead)
    lines = [head.label.ja, head.label.en, head.result.ja, head.result.en]
    told = plain("\n".join([*lines, *(text.body.text for text in piece.texts.values())]))
    common = [word for word in lead.words if word in told][:_NEEDS_MAX]
    if common:
        ja, en = f"同じ言葉がある（{'、'.join(common)}）", f"Shares words ({', '.join(common)})"
        yield _NEEDS * len(common), Words(ja=ja, en=en)
