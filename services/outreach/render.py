"""A template or snippet with what is known of a lead put in. Pure.

What is not known is never blank: it shows as a mark, 【会社名】 or [Company], and is listed.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from services.outreach.content import MAILS, Piece, Sender, Source, TemplateHead
from services.outreach.mail import footer, headers, mailto, one_line, sender_values
from services.outreach.templating import Filled
from shared.events import FieldValue, Language, Observation
from shared.fields import Field, FieldRegistry
from shared.money import Money
from shared.words import Words

Given = Mapping[str, str | int | float]
"""What the rep tells beside the lead's fields."""

_YES = {True: Words(ja="はい", en="Yes"), False: Words(ja="いいえ", en="No")}
_BESIDE = {
    "rep.id": Words(ja="担当者ID", en="Rep's id"),
    "rep.name": Words(ja="担当者名", en="Rep's name"),
    "sender.organisation": Words(ja="送信者名", en="Sender"),
    "sender.department": Words(ja="部署名", en="Department"),
    "sender.address": Words(ja="送信者住所", en="Sender's address"),
    "sender.phone": Words(ja="送信者電話番号", en="Sender's phone"),
    "sender.email": Words(ja="送信者メールアドレス", en="Sender's e-mail"),
    "sender.opt_out.url": Words(ja="配信停止ページ", en="Opt-out page"),
    "sender.opt_out.email": Words(ja="配信停止メールアドレス", en="Opt-out e-mail"),
}
_BLANK_LINES = re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Recipient(NamedTuple):
    """Whom a text is for: a lead and the believed observation of each of its fields."""

    lead_id: str
    values: Mapping[str, Observation]


class Writer(NamedTuple):
    """Who writes: the rep's id and name."""

    id: str
    name: str


class Rendered(NamedTuple):
    """A text to be sent. `missing`: names of what is shown as a mark; `mailto`: None unless it goes by mail."""

    subject: str | None
    body: str
    missing: list[str]
    headers: dict[str, str]
    mailto: str | None


class Fill(NamedTuple):
    """All that a piece is filled in with."""

    registry: FieldRegistry
    sender: Sender
    recipient: Recipient
    writer: Writer
    given: Given
    language: Language


def render(piece: Piece, fill: Fill) -> Rendered:
    """The piece as the rep sends it. Raises TextTooLong.

    The caller has seen to it that the lead may be contacted, and that nothing required is missing.
    """
    text, known, marks = piece.texts[fill.language], known_values(fill), _marks(piece, fill)
    subject = _filled(text.subject, known, marks) if text.subject else None
    body = _filled(text.body, known, marks)
    written = _BLANK_LINES.sub("\n\n", body.text).strip()
    by_mail = isinstance(piece.head, TemplateHead) and piece.head.channel in MAILS
    beside: dict[str, str] = {}
    if by_mail and isinstance(piece.head, TemplateHead) and piece.head.promotional:
        beside = headers(fill.sender, fill.recipient.lead_id)
        written += "\n\n" + footer(fill.sender, fill.recipient.lead_id, fill.language)
    line = one_line(subject.text) if subject else None
    link = mailto(known.get("email"), line or "", written) if by_mail else None
    missing = [*(subject.missing if subject else []), *body.missing]
    return Rendered(line, written, list(dict.fromkeys(missing)), beside, link)


def missing_of(head: TemplateHead, fill: Fill) -> list[tuple[str, Words]]:
    """What a template requires and nobody knows, with its label."""
    known, labels = known_values(fill), _labels(head, fill.registry)
    return [(name, labels[name]) for name in head.required if name not in known]


def label_of(piece: Piece, registry: FieldRegistry, name: str) -> Words:
    """What a name that the piece may show is called."""
    return _labels(piece.head, registry)[name]


def known_values(fill: Fill) -> dict[str, str]:
    """Every name that has a value -> the value as text in the language of the text."""
    fields = {
        field.id: shown(field, fill.recipient.values[field.id], fill.language)
        for field in fill.registry
        if field.id in fill.recipient.values
    }
    own = {"rep.id": fill.writer.id, "rep.name": fill.writer.name}
    given = {name: str(value) for name, value in fill.given.items()}
    said = fields | given | own | sender_values(fill.sender, fill.language)
    cleaned = {name: _clean(value) for name, value in said.items()}
    return {name: value for name, value in cleaned.items() if value}


def shown(field: Field, observation: Observation, language: Language) -> str:
    """A field's value as people write it; "" where there is none, as of a confirmation without words of its own."""
    value = observation.value
    if field.type == "date" and isinstance(value, str):
        with suppress(ValueError):  # the field was once one of text, and this was said then
            return format_date(date.fromisoformat(value), "long", locale=language)
    return _text(value, language)


def _text(value: FieldValue | None, language: Language) -> str:
    match value:
        case None:
            return ""
        case bool():
            return _YES[value].to(language)
        case int() | float():
            return format_decimal(value, locale=language)
        case Money():
            return format_currency(Decimal(value.value), value.currency, locale=language)
        case list():
            return ("、" if language == "ja" else ", ").join(value)
        case str():
            return value


def _clean(value: str) -> str:
    """Without control characters, and without space around: what is blank is not known."""
    return _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _filled(source: Source, known: Mapping[str, str], marks: Mapping[str, str]) -> Filled:
    if source.program is None:
        return Filled(source.text, [])
    return source.program.fill(known, marks)


def _marks(piece: Piece, fill: Fill) -> dict[str, str]:
    labels = _labels(piece.head, fill.registry)
    before, behind = ("【", "】") if fill.language == "ja" else ("[", "]")
    return {name: before + label.to(fill.language) + behind for name, label in labels.items()}


def _labels(head: object, registry: FieldRegistry) -> dict[str, Words]:
    declared = {name: v.label for name, v in head.values.items()} if isinstance(head, TemplateHead) else {}
    return {field.id: field.label for field in registry} | declared | _BESIDE
