"""Which words of words.yaml a free text means. Pure."""

from collections.abc import Iterator, Mapping
from string import ascii_lowercase, digits

from services.outreach.content import Term
from services.outreach.search import plain

_LATIN = frozenset(ascii_lowercase + digits)


def meant(terms: Mapping[str, Term], text: str) -> set[str]:
    """The words that stand in a text, but for those that are part of a longer one there, so that of 住宅メーカー only
    the builder is meant."""
    within = _compared(text)
    found = sorted(
        (begin, -end, word)
        for word, term in terms.items()
        for spelling in map(_compared, spellings(word, term))
        for begin, end in _places(spelling, within)
    )
    words: set[str] = set()
    last = (0, 0)  # the last one that is no part of another
    for begin, minus_end, word in found:
        if -minus_end > last[1] or (begin, -minus_end) == last:
            words.add(word)
            last = (begin, -minus_end)
    return words


def spellings(word: str, term: Term) -> list[str]:
    """All by which the word is found."""
    return [word.replace("_", " "), term.label.ja, term.label.en, *term.also]


def _compared(text: str) -> str:
    """A form whose choices are the words sends them as they are written here, with `_`."""
    return plain(text).replace("_", " ")


def _places(spelling: str, text: str) -> Iterator[tuple[int, int]]:
    """Where it stands: Japanese anywhere, Latin letters as a word or the beginning of one; one of two letters as a
    whole word only."""
    begin = text.find(spelling)
    while begin >= 0:
        end = begin + len(spelling)
        is_inside = begin > 0 and text[begin - 1] in _LATIN
        goes_on = len(spelling) < 3 and text[end : end + 1] in _LATIN
        if spelling[0] not in _LATIN or not (is_inside or goes_on):
            yield begin, end
        begin = text.find(spelling, begin + 1)
