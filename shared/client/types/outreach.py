"""What outreach answers."""

from datetime import datetime
from typing import Any

import msgspec

from .common import Words


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template; its text only where one was asked for. `values`: what it may be told: its `label`, if `required`."""

    id: str
    label: Words
    occasion: str
    channel: str
    promotional: bool
    required: list[str] = []
    values: dict[str, dict[str, Any]] = {}
    language: str | None = None
    subject: str | None = None
    body: str | None = None


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A snippet and what a rep types to get it."""

    id: str
    key: str
    label: Words
    language: str
    text: str
    tags: list[str] = []


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """A chalk talk; its text only where one was asked for."""

    id: str
    label: Words
    product: str
    audience: list[str]
    minutes: int
    language: str | None = None
    text: str | None = None


class CaseStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A case study; its text only where one was asked for. `why`: why it fits the lead of the question."""

    id: str
    label: Words
    customer: Words
    industry: str
    usage: list[str]
    employees: int
    result: Words
    product: str | None = None
    why: list[Words] = []
    language: str | None = None
    text: str | None = None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """That a piece of content was used for a lead."""

    use_id: str
    lead_id: str
    rep: str
    kind: str
    content: str
    language: str
    used_at: datetime
    channel: str | None = None
    occasion: str | None = None


class SentMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that the server has taken; `message_id` finds it in the server's log."""

    mail_id: str
    lead_id: str
    message_id: str
    use: Use


class RenderedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text for a lead. `missing`: names that it shows a mark for; `mailto` opens it in the user's mail program."""

    lead_id: str
    language: str
    body: str
    missing: list[str]
    subject: str | None = None
    channel: str | None = None
    headers: dict[str, str] = {}
    mailto: str | None = None
    use: Use | None = None
