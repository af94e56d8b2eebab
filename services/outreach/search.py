"""Full text search over content in memory: Japanese by substring, Latin words by their beginnings. Pure.

A piece is a list of fields with weights. Every term of a question has to be found in a piece; where no piece has them
all, those that have at least half of them are taken. A long Japanese term that stands nowhere as it is counts by the
share of its pairs of letters that a field has.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_TERM = re.compile(r"[a-z0-9]+|[^\W a-z0-9_]+")
_LATIN_WORD = re.compile(r"[a-z0-9]+")
_KATAKANA = str.maketrans({chr(letter): chr(letter + 0x60) for letter in range(ord("ぁ"), ord("ゖ") + 1)})
_PAIRS_FROM = 3
"""Letters of a term from which pairs of them tell something."""
_PAIRS_SHARE = 0.5
_OFTEN = 5


def plain(text: str) -> str:
    """The form in which texts are compared: NFKC, case folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def terms_of(question: str) -> list[str]:
    """The words of a question, each once: Latin words, and runs of other letters."""
    return list(dict.fromkeys(_TERM.findall(plain(question))))


def _folded(text: str) -> str:
    """What is searched: a question may be sent before what was typed became katakana."""
    return plain(text).translate(_KATAKANA)


class Searched(NamedTuple):
    """A text of a piece and how much it counts."""

    weight: float
    text: str


class _Field(NamedTuple):
    weight: float
    text: str
    words: tuple[str, ...]


class Index:
    """The fields of many pieces by the pieces' ids."""

    def __init__(self, pieces: Mapping[str, Iterable[Searched]]) -> None:
        self._fields = {
            key: [_Field(f.weight, p := _folded(f.text), tuple(_LATIN_WORD.findall(p))) for f in fields if f.text]
            for key, fields in pieces.items()
        }

    def find(self, question: str) -> dict[str, float]:
        """Id -> score, greater is better, of the pieces that answer a question."""
        terms = terms_of(_folded(question))
        if not terms:
            return {}
        found: dict[str, list[float]] = {
            key: [s for term in terms if (s := _score(term, fields)) > 0] for key, fields in self._fields.items()
        }
        most = max(map(len, found.values()), default=0)
        if most * 2 < len(terms):
            return {}
        return {key: sum(scores) for key, scores in found.items() if scores and len(scores) == most}


def _score(term: str, fields: list[_Field]) -> float:
    if term[0].isascii():
        return sum(field.weight * _latin(term, field) for field in fields)
    whole = sum(field.weight * _japanese(term, field) for field in fields)
    return whole if whole > 0 or len(term) < _PAIRS_FROM else _pairs(term, fields)


def _latin(term: str, field: _Field) -> float:
    hits = [word for word in field.words if word.startswith(term)]
    if not hits:
        return 0.0
    best = 1.0 if term in hits else 0.5 + 0.3 * len(term) / min(map(len, hits))
    return best * _prominence(len(hits), 1 / len(field.words))


def _japanese(term: str, field: _Field) -> float:
    hits = field.text.count(term)
    return _prominence(hits, len(term) / len(field.text)) if hits else 0.0


def _prominence(hits: int, share: float) -> float:
    """Often counts for more, and so does what is much of a short text."""
    return 1 + 0.1 * min(hits - 1, _OFTEN) + min(1.0, share)


def _pairs(term: str, fields: list[_Field]) -> float:
    pairs = {term[at : at + 2] for at in range(len(term) - 1)}
    if sum(any(pair in field.text for field in fields) for pair in pairs) < _PAIRS_SHARE * len(pairs):
        return 0.0
    return 0.5 * sum(f.weight * sum(pair in f.text for pair in pairs) / len(pairs) for f in fields)
