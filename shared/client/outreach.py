"""What can be asked of outreach."""

from collections.abc import Mapping
from typing import Any

from .operation import Operation, given, part
from .types import CaseStudy, Page, RenderedText, SentMail, Snippet, Talk, Template, Use


def templates(
    *, occasion: str | None = None, channel: str | None = None, q: str | None = None, limit: int | None = None
) -> Operation[Page[Template]]:
    """Templates, by occasion, channel and words in them."""
    query = given(occasion=occasion, channel=channel, q=q, limit=limit)
    return Operation("outreach", "GET", "/v1/templates", Page[Template], query=query)


def template(template_id: str, *, language: str | None = None) -> Operation[Template]:
    """A template as it is written."""
    return Operation("outreach", "GET", f"/v1/templates/{part(template_id)}", Template, query=given(language=language))


def render(
    template_id: str,
    lead_id: str,
    *,
    rep: str,
    values: Mapping[str, str | int | float] | None = None,
    language: str | None = None,
    record: bool = False,
) -> Operation[RenderedText]:
    """The text for a lead; `record`: also tell that it was used.

    Conflict with the slug `contact-not-allowed`; Invalid with the slug `values-missing` (`missing` names them).
    """
    body = {"lead_id": lead_id, "rep": rep, "values": dict(values or {}), "record": record} | given(language=language)
    return Operation("outreach", "POST", f"/v1/templates/{part(template_id)}/render", RenderedText, body)


def send_template(
    template_id: str,
    lead_id: str,
    *,
    rep: str,
    values: Mapping[str, str | int | float] | None = None,
    language: str | None = None,
) -> Operation[SentMail]:
    """Mail a template to a lead by the server that outreach has. Needs the scope `activities:write`. Keep its key
    (`keyed`) to ask again: it is sent once.

    Conflict with the slugs `contact-not-allowed`, `smtp-not-configured`, `not-a-mail` and `mail-uncertain`; Invalid
    with `values-missing` and `mail-refused`.
    """
    body = {"lead_id": lead_id, "rep": rep, "values": dict(values or {})} | given(language=language)
    return Operation("outreach", "POST", f"/v1/templates/{part(template_id)}/send", SentMail, body)


def snippet(snippet_id: str, *, language: str | None = None) -> Operation[Snippet]:
    """A snippet as it is written."""
    return Operation("outreach", "GET", f"/v1/snippets/{part(snippet_id)}", Snippet, query=given(language=language))


def snippets(
    *, q: str | None = None, language: str | None = None, limit: int | None = None
) -> Operation[Page[Snippet]]:
    """Snippets with their text."""
    query = given(q=q, language=language, limit=limit)
    return Operation("outreach", "GET", "/v1/snippets", Page[Snippet], query=query)


def render_snippet(
    snippet_id: str,
    lead_id: str,
    *,
    rep: str,
    channel: str | None = None,
    language: str | None = None,
    record: bool = False,
) -> Operation[RenderedText]:
    """A snippet for a lead."""
    body: dict[str, Any] = {"lead_id": lead_id, "rep": rep, "record": record}
    body |= given(channel=channel, language=language)
    return Operation("outreach", "POST", f"/v1/snippets/{part(snippet_id)}/render", RenderedText, body)


def talks(*, product: str | None = None, q: str | None = None, limit: int | None = None) -> Operation[Page[Talk]]:
    """Chalk talks, without their text."""
    query = given(product=product, q=q, limit=limit)
    return Operation("outreach", "GET", "/v1/talks", Page[Talk], query=query)


def talk(talk_id: str, *, language: str | None = None) -> Operation[Talk]:
    """A chalk talk with its text."""
    return Operation("outreach", "GET", f"/v1/talks/{part(talk_id)}", Talk, query=given(language=language))


def case_studies(
    *,
    industry: str | None = None,
    usage: str | None = None,
    q: str | None = None,
    lead_id: str | None = None,
    limit: int | None = None,
) -> Operation[Page[CaseStudy]]:
    """Case studies, without their text; for a lead the best fit first, and why."""
    query = given(industry=industry, usage=usage, q=q, lead_id=lead_id, limit=limit)
    return Operation("outreach", "GET", "/v1/case-studies", Page[CaseStudy], query=query)


def case_study(case_study_id: str, *, language: str | None = None) -> Operation[CaseStudy]:
    """A case study with its text."""
    path = f"/v1/case-studies/{part(case_study_id)}"
    return Operation("outreach", "GET", path, CaseStudy, query=given(language=language))


def use(
    lead_id: str,
    *,
    rep: str,
    kind: str,
    content: str,
    language: str | None = None,
    channel: str | None = None,
) -> Operation[Use]:
    """Tell that a piece of content was used for a lead; `kind`: template, snippet, talk or case_study."""
    body: dict[str, Any] = {"lead_id": lead_id, "rep": rep, "kind": kind, "content": content}
    return Operation("outreach", "POST", "/v1/uses", Use, body | given(language=language, channel=channel))
