"""What is answered."""

from typing import Any

import msgspec

from services.outreach.content import (
    CaseStudyHead,
    DeclaredValue,
    Piece,
    SnippetHead,
    TalkHead,
    TemplateHead,
)
from services.outreach.library import ContentProblem
from services.outreach.uses import Use
from shared.events import Language
from shared.words import Words


class TemplateItem(msgspec.Struct, kw_only=True):
    """A template as lists show it; `required`: what must be known of the lead or told in `values`."""

    id: str
    label: Words
    occasion: str
    channel: str
    promotional: bool
    required: list[str]
    values: dict[str, DeclaredValue]


class Template(TemplateItem, kw_only=True):
    """A template with its text as it is written."""

    language: Language
    subject: str | None
    body: str


class Snippet(msgspec.Struct, kw_only=True):
    """A snippet with its text as it is written."""

    id: str
    key: str
    label: Words
    tags: list[str]
    language: Language
    text: str


class TalkItem(msgspec.Struct, kw_only=True):
    """A chalk talk as lists show it."""

    id: str
    label: Words
    product: str
    audience: list[str]
    minutes: int


class Talk(TalkItem, kw_only=True):
    """A chalk talk."""

    language: Language
    text: str


class CaseStudyItem(msgspec.Struct, kw_only=True):
    """A case study as lists show it. `why`: why it fits the lead that was asked for; empty where it does not."""

    id: str
    label: Words
    customer: Words
    industry: str
    usage: list[str]
    employees: int
    product: str | None
    result: Words
    why: list[Words] = []


class CaseStudy(CaseStudyItem, kw_only=True):
    """A case study."""

    language: Language
    text: str


class Templates(msgspec.Struct):
    """A page of templates. `problems`: files of content that are wrong and were not taken."""

    items: list[TemplateItem]
    next_cursor: str | None
    problems: list[ContentProblem]


class Snippets(msgspec.Struct):
    """A page of snippets."""

    items: list[Snippet]
    next_cursor: str | None
    problems: list[ContentProblem]


class Talks(msgspec.Struct):
    """A page of chalk talks."""

    items: list[TalkItem]
    next_cursor: str | None
    problems: list[ContentProblem]


class CaseStudies(msgspec.Struct, omit_defaults=True):
    """A page of case studies. `lead_id`: the lead that they were sorted for."""

    items: list[CaseStudyItem]
    next_cursor: str | None
    problems: list[ContentProblem]
    lead_id: str | None = None


class RenderedText(msgspec.Struct, kw_only=True):
    """A text to be sent. `missing`: what it shows a mark for; `headers`: to be sent with it; `mailto`: a link that
    opens it in the user's own mail program, null unless it goes by mail; `use`: that it was used, where asked for."""

    lead_id: str
    language: Language
    channel: str | None
    subject: str | None
    body: str
    missing: list[str]
    headers: dict[str, str]
    mailto: str | None
    use: Use | None = None


class SentMail(msgspec.Struct, kw_only=True):
    """A mail that the server has taken. `use`: that its template was used, as the log was told."""

    mail_id: str
    lead_id: str
    message_id: str
    use: Use


def template_item(piece: Piece) -> TemplateItem:
    return TemplateItem(**_template(piece))


def template(piece: Piece, language: Language) -> Template:
    text = piece.texts[language]
    subject = text.subject.text if text.subject else None
    return Template(**_template(piece), language=language, subject=subject, body=text.body.text)


def snippet(piece: Piece, language: Language) -> Snippet:
    head = piece.head_as(SnippetHead)
    return Snippet(
        id=piece.id,
        key=head.key,
        label=head.label,
        tags=list(head.tags),
        language=language,
        text=piece.texts[language].body.text,
    )


def talk_item(piece: Piece) -> TalkItem:
    return TalkItem(**_talk(piece))


def talk(piece: Piece, language: Language) -> Talk:
    return Talk(**_talk(piece), language=language, text=piece.texts[language].body.text)


def case_study_item(piece: Piece, why: list[Words]) -> CaseStudyItem:
    return CaseStudyItem(**_case_study(piece), why=why)


def case_study(piece: Piece, language: Language) -> CaseStudy:
    return CaseStudy(**_case_study(piece), language=language, text=piece.texts[language].body.text)


def _template(piece: Piece) -> dict[str, Any]:
    head = piece.head_as(TemplateHead)
    return {
        "id": piece.id,
        "label": head.label,
        "occasion": head.occasion,
        "channel": head.channel,
        "promotional": head.promotional,
        "required": list(head.required),
        "values": head.values,
    }


def _talk(piece: Piece) -> dict[str, Any]:
    head = piece.head_as(TalkHead)
    return {
        "id": piece.id,
        "label": head.label,
        "product": head.product,
        "audience": list(head.audience),
        "minutes": head.minutes,
    }


def _case_study(piece: Piece) -> dict[str, Any]:
    head = piece.head_as(CaseStudyHead)
    return {
        "id": piece.id,
        "label": head.label,
        "customer": head.customer,
        "industry": head.industry,
        "usage": list(head.usage),
        "employees": head.employees,
        "product": head.product,
        "result": head.result,
    }
