"""What clients send: bodies and queries."""

from typing import Annotated, ClassVar

import msgspec

from shared.events import Channel, ContentKind, Language, LongText, Name
from shared.web import Paging

Question = Annotated[str, msgspec.Meta(max_length=200)]
Word = Annotated[str, msgspec.Meta(max_length=200)]
Values = Annotated[dict[str, LongText | int | float], msgspec.Meta(max_length=100)]


class RenderForm(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/templates/{id}/render`. `values`: what the template declares; `record`: tell that it was used, too."""

    EXAMPLE: ClassVar = {
        "lead_id": "01a20d5f-a087-7049-84d3-1eaa89cbb2c7",
        "rep": "tanaka",
        "language": "ja",
        "record": True,
    }

    lead_id: Name
    rep: Name
    values: Values = {}
    language: Language | None = None
    record: bool = False


class SendForm(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/templates/{id}/send`"""

    EXAMPLE: ClassVar = {"lead_id": "01a20d5f-a087-7049-84d3-1eaa89cbb2c7", "rep": "tanaka", "language": "ja"}

    lead_id: Name
    rep: Name
    values: Values = {}
    language: Language | None = None


class SnippetForm(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/snippets/{id}/render`. `channel`: on which it is going to be used."""

    EXAMPLE: ClassVar = {"lead_id": "01a20d5f-a087-7049-84d3-1eaa89cbb2c7", "rep": "tanaka", "channel": "email"}

    lead_id: Name
    rep: Name
    language: Language | None = None
    channel: Channel | None = None
    record: bool = False


class UseForm(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/uses`: a rep has used a piece of content for a lead."""

    EXAMPLE: ClassVar = {
        "lead_id": "01a20d5f-a087-7049-84d3-1eaa89cbb2c7",
        "rep": "tanaka",
        "kind": "case_study",
        "content": "machine-tools-exhibition",
        "channel": "email",
    }

    lead_id: Name
    rep: Name
    kind: ContentKind
    content: Name
    language: Language | None = None
    channel: Channel | None = None


class OneQuery(msgspec.Struct, kw_only=True):
    """Of one piece of content: in which language."""

    language: Language | None = None


class SnippetsQuery(Paging, kw_only=True):
    """`GET /v1/snippets`"""

    q: Question | None = None
    language: Language | None = None


class TemplatesQuery(SnippetsQuery, kw_only=True):
    """`GET /v1/templates`"""

    occasion: Word | None = None
    channel: Word | None = None


class TalksQuery(SnippetsQuery, kw_only=True):
    """`GET /v1/talks`"""

    product: Word | None = None


class CaseStudiesQuery(SnippetsQuery, kw_only=True):
    """`GET /v1/case-studies`. `industry` and `usage`: words of words.yaml, or any text that means one."""

    industry: Word | None = None
    usage: Word | None = None
    lead_id: Word | None = None


class Place(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Where a list goes on: after the piece of this rank (smaller is better) and id."""

    rank: tuple[float, float]
    id: str
