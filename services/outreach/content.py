"""What outreach has to offer: templates, snippets, chalk talks and case studies, each in Japanese and English. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar, get_args

import msgspec

from services.outreach.templating import Program
from shared.events import Channel, ContentKind, Language
from shared.words import Words

LANGUAGES: tuple[Language, ...] = get_args(Language)
MAILS: frozenset[str] = frozenset({"email", "newsletter", "auto_email"})
"""The channels on which a text goes by e-mail."""

Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^\S(.*\S)?\Z")]


class DeclaredValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rep tells a template beside the lead's fields. `required`: without it there is no text."""

    label: Words
    required: bool = False


class TemplateHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The front matter of a template. `require`: fields or values without which there is no text; `promotional`:
    advertising by the law on specified electronic mail, unlike a reply or a confirmation."""

    label: Words
    occasion: Word
    channel: Channel
    promotional: bool
    require: tuple[Word, ...] = ()
    values: dict[Word, DeclaredValue] = {}

    @property
    def required(self) -> tuple[str, ...]:
        """All that must be known, each name once."""
        declared = (name for name, value in self.values.items() if value.required)
        return tuple(dict.fromkeys([*self.require, *declared]))


class SnippetHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The front matter of a snippet. `key`: what a rep types to get it, such as `;schedule`."""

    label: Words
    key: Annotated[str, msgspec.Meta(pattern=r"^;?[a-z0-9][a-z0-9-]{0,49}$")]
    tags: tuple[Line, ...] = ()


class TalkHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The front matter of a chalk talk: of which product, for whom, how long it takes in minutes."""

    label: Words
    product: Word
    audience: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1)]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=480)]


class CaseStudyHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The front matter of a case study. `industry` and `usage` are words of words.yaml; `result`: one line, figures."""

    label: Words
    customer: Words
    industry: Word
    usage: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1)]
    employees: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
    result: Words
    product: Word | None = None


Head = TemplateHead | SnippetHead | TalkHead | CaseStudyHead
H = TypeVar("H", TemplateHead, SnippetHead, TalkHead, CaseStudyHead)

HEADS: Mapping[ContentKind, type[Head]] = {
    "template": TemplateHead,
    "snippet": SnippetHead,
    "talk": TalkHead,
    "case_study": CaseStudyHead,
}
FOLDERS: Mapping[ContentKind, str] = {
    "template": "templates",
    "snippet": "snippets",
    "talk": "talks",
    "case_study": "case-studies",
}
"""The folder of each kind below `outreach/`."""


@dataclass(frozen=True)
class Source:
    """A text as it is written, and the line of the file on which it begins. `program`: how it is filled in; None where
    nothing is (talks and case studies)."""

    text: str
    line: int
    program: Program | None = None


@dataclass(frozen=True)
class Text:
    """A piece in one language. `subject`: of mail only."""

    body: Source
    subject: Source | None = None


@dataclass(frozen=True)
class Piece:
    """One piece of content. `id` is its file's name; `lines`: of the parts of its front matter."""

    kind: ContentKind
    id: str
    head: Head
    texts: Mapping[Language, Text]
    file: str
    lines: Mapping[tuple[str | int, ...], int]

    def head_as(self, type_: type[H]) -> H:
        """The front matter, which must be of this type."""
        if not isinstance(self.head, type_):
            raise TypeError(f"{self.kind} {self.id} has no {type_.__name__}")
        return self.head


class OptOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to say that one wants no more mail. The lead's id takes the place of `{lead_id}` in `url`, or is added."""

    email: Line
    url: Line | None = None


class Sender(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sends, as the law on specified electronic mail wants it told: name, postal address, contact, opt-out."""

    organisation: Words
    address: Words
    email: Line
    opt_out: OptOut
    department: Words | None = None
    phone: Line | None = None


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A word that content is sorted by, and other words by which a free text means it."""

    label: Words
    also: tuple[Line, ...] = ()


class Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """words.yaml: the industries and usages that case studies are sorted by."""

    industries: dict[Word, Term]
    usages: dict[Word, Term]
