"""Which words of words.yaml a free text means. Pure."""

import re
from collections.abc import Mapping

from services.outreach.content import Term
from services.outreach.search import plain

_LATIN = re.compile(r"[a-z0-9]")


def meant(terms: Mapping[str, Term], text: str) -> set[str]:
    """The words that a text means most exactly: those whose longest word in it is the longest of all, so that of
    住宅メーカー only the builder is meant. Empty where none is in it."""
    lengths = {word: _longest(word, term, plain(text)) for word, term in terms.items()}
    most = max(lengths.values(), default=0)
    return {word for word, length in lengths.items() if length == most > 0}


def spellings(word: str, term: Term) -> list[str]:
    """All by which the word is found."""
    return [word.replace("_", " "), term.label.ja, term.label.en, *term.also]


def _longest(word: str, term: Term, text: str) -> int:
    return max((len(s) for s in map(plain, spellings(word, term)) if _stands_in(s, text)), default=0)


def _stands_in(spelling: str, text: str) -> bool:
    """Japanese anywhere, Latin letters as a word or the beginning of one; one of two letters as a whole word only."""
    if not _LATIN.match(spelling):
        return spelling in text
    end = r"(?![a-z0-9])" if len(spelling) < 3 else ""
    return re.search(rf"(?<![a-z0-9]){re.escape(spelling)}{end}", text) is not None
