"""All content at one moment: checked as a whole, and ready to be searched. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from services.outreach.content import (
    CaseStudyHead,
    OptOut,
    Piece,
    Sender,
    SnippetHead,
    TalkHead,
    TemplateHead,
    Term,
    Vocabulary,
)
from services.outreach.search import Index, Searched
from services.outreach.vocabulary import spellings
from shared.config import ConfigError
from shared.events import ContentKind
from shared.words import Words


class ContentProblem(msgspec.Struct, frozen=True):
    """A file that is not as it should be; what it held before holds on."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class Shelf:
    """The pieces of one kind by id, in the order of ids, and what finds them."""

    pieces: Mapping[str, Piece]
    index: Index


@dataclass(frozen=True)
class Library:
    """What there is. `problems`: of files that could not be taken as they are."""

    shelves: Mapping[ContentKind, Shelf]
    sender: Sender
    vocabulary: Vocabulary
    problems: tuple[ContentProblem, ...] = ()

    def get(self, kind: ContentKind, piece_id: str) -> Piece | None:
        return self.shelves[kind].pieces.get(piece_id)


@dataclass(frozen=True)
class Draft:
    """Pieces by file, with what they are checked against."""

    sender: Sender
    vocabulary: Vocabulary
    pieces: Mapping[str, Piece] = field(default_factory=dict)

    def mistakes(self) -> Iterator[ConfigError]:
        """What does not go together: keys that stand twice, words that words.yaml does not have."""
        keys: dict[str, str] = {}
        for file in sorted(self.pieces):
            piece = self.pieces[file]
            if isinstance(piece.head, SnippetHead):
                first = keys.setdefault(piece.head.key, file)
                if first != file:
                    reason = f"the key `{piece.head.key}` is that of {first}, too; choose another one"
                    yield _mistake(piece, ("key",), reason)
            elif isinstance(piece.head, CaseStudyHead):
                yield from self._unknown_words(piece, piece.head)

    def _unknown_words(self, piece: Piece, head: CaseStudyHead) -> Iterator[ConfigError]:
        known = self.vocabulary
        if head.industry not in known.industries:
            listed = ", ".join(known.industries)
            yield _mistake(piece, ("industry",), f"`{head.industry}` is no industry of words.yaml: {listed}")
        for index, usage in enumerate(head.usage):
            if usage not in known.usages:
                yield _mistake(
                    piece, ("usage", index), f"`{usage}` is no usage of words.yaml: {', '.join(known.usages)}"
                )

    def library(self, problems: tuple[ContentProblem, ...] = ()) -> Library:
        """The library of these pieces, which have no mistakes."""
        by_kind: dict[ContentKind, dict[str, Piece]] = {"template": {}, "snippet": {}, "talk": {}, "case_study": {}}
        for piece in sorted(self.pieces.values(), key=lambda piece: piece.id):
            by_kind[piece.kind][piece.id] = piece
        shelves = {
            kind: Shelf(pieces, Index({key: self._fields(piece) for key, piece in pieces.items()}))
            for kind, pieces in by_kind.items()
        }
        return Library(shelves, self.sender, self.vocabulary, problems)

    def _fields(self, piece: Piece) -> Iterator[Searched]:
        """What a piece is found by: its name and key over what it is sorted by, over its text."""
        yield from _both(8, piece.head.label)
        yield Searched(6, piece.id.replace("-", " "))
        match piece.head:
            case TemplateHead() as head:
                yield Searched(6, head.occasion.replace("_", " "))
                yield Searched(3, head.channel.replace("_", " "))
                for value in head.values.values():
                    yield from _both(1, value.label)
            case SnippetHead() as head:
                yield Searched(10, head.key)
                yield from (Searched(6, tag) for tag in head.tags)
            case TalkHead() as head:
                yield Searched(6, head.product)
                yield from (Searched(4, whom) for whom in head.audience)
            case CaseStudyHead() as head:
                yield from _both(5, head.customer)
                yield from _both(4, head.result)
                yield Searched(5, head.product or "")
                yield from _sorted_by(head.industry, self.vocabulary.industries)
                for usage in head.usage:
                    yield from _sorted_by(usage, self.vocabulary.usages)
        for text in piece.texts.values():
            yield Searched(4, text.subject.text if text.subject else "")
            yield Searched(1, text.body.text)


_NOBODY = Words("（未設定）", "(not set)")
EMPTY = Draft(Sender(organisation=_NOBODY, address=_NOBODY, email="-", opt_out=OptOut(email="-")), Vocabulary({}, {}))
"""Where there is no content. Nothing is there to be sent, so its sender is never shown."""


def _both(weight: float, words: Words) -> Iterator[Searched]:
    yield Searched(weight, words.ja)
    yield Searched(weight, words.en)


def _sorted_by(word: str, terms: Mapping[str, Term]) -> Iterator[Searched]:
    own, *others = spellings(word, terms[word])
    yield Searched(6, own)
    yield from (Searched(5, spelling) for spelling in others)


def _mistake(piece: Piece, path: tuple[str | int, ...], reason: str) -> ConfigError:
    at = path
    while at and at not in piece.lines:
        at = at[:-1]
    return ConfigError(piece.file, piece.lines.get(at, 1), reason)
