"""Writing to a lead: what a template asks for, what it lacks, and in which language."""

import re
from collections.abc import Callable

import httpx

from shared.client import ingest, outreach
from tests.console.conftest import RUNS, Team, Visitor
from tests.system import until

__all__ = ["RUNS"]


def test_a_template_is_made_for_a_lead_that_may_be_written_to(team: Team, visitor: Visitor) -> None:
    page = f"/leads/{team.handed_over}"
    template = team.client.send(outreach.templates(limit=100)).items[0]
    values = {f"value.{name}": "10" for name in template.values}
    refused = visitor.send(page, f"{page}/render", template=template.id, **values)
    assert refused.status_code == 409
    assert 'role="alert"' in refused.text
    headers = {"authorization": f"Bearer {team.system.key}"}
    form = {"basis": "consent", "evidence": "card"}
    consent = httpx.post(f"{team.system.url['ingest']}/v1/leads/{team.handed_over}/consent", json=form, headers=headers)
    assert consent.status_code == 201, consent.text

    seen = [refused]

    def made() -> bool:
        seen.append(visitor.send(page, f"{page}/render", template=template.id, **values))
        return seen[-1].status_code == 200 and "<pre>" in seen[-1].text

    until(made, 20, lambda: seen[-1].text, every=0.3)
    assert ">10</textarea>" in seen[-1].text, "it can be told more, and made again"
    asked = visitor.send(page, f"{page}/render", template=template.id)
    for name in template.values:
        assert f'name="value.{name}"' in asked.text, "what the template needs is asked for"


def test_what_a_template_needs_of_the_lead_is_named(team: Team, visitor: Visitor) -> None:
    """A form that only asks again for what a rep can tell would be sent in vain for ever."""
    form = {"email": "nameless@example.co.jp"}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    team.client.send(ingest.consent(lead_id, basis="consent", evidence="card"))
    fields = {field.id: field.label for field in team.client.send(ingest.fields()).items}
    template, needed = next(
        (one, name)
        for one in team.client.send(outreach.templates(limit=100)).items
        for name in one.required
        if name in fields and one.values
    )
    page = f"/leads/{lead_id}"
    values = {f"value.{name}": "10" for name in template.values}
    seen: list[httpx.Response] = []

    def refused() -> bool:
        seen.append(visitor.send(page, f"{page}/render", template=template.id, **values))
        return seen[-1].status_code == 422

    until(refused, 20, lambda: seen[-1].text, every=0.3)
    assert f"{fields[needed]['en']}</b>" in seen[-1].text
    assert '<main id="content"' in seen[-1].text, "without JavaScript it is a page"
    asked = visitor.http.post(f"{page}/render", content=seen[-1].request.content, headers=_HTMX)
    assert f"{fields[needed]['en']}</b>" in asked.text
    assert "<main" not in asked.text


_HTMX = {"hx-request": "true", "content-type": "application/x-www-form-urlencoded"}


def test_a_mail_is_in_the_language_that_is_chosen(team: Team, visitor: Visitor) -> None:
    form = {"email": "bilingual@example.co.jp", "company_name": "二か国語", "last_name": "平野"}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    team.client.send(ingest.consent(lead_id, basis="consent", evidence="card"))
    page = f"/leads/{lead_id}"
    assert re.search(r'<option value="en" selected>English</option>', visitor.get(page))
    seen: list[httpx.Response] = []

    def made(language: str, greeting: str) -> Callable[[], bool]:
        def is_made() -> bool:
            values = {"value.reason": "x", "language": language}
            seen.append(visitor.send(page, f"{page}/render", template="first-mail", **values))
            return seen[-1].status_code == 200 and greeting in seen[-1].text

        return is_made

    until(made("en", "Dear 平野-san"), 20, lambda: seen[-1].text, every=0.3)
    until(made("ja", "平野 様"), 20, lambda: seen[-1].text, every=0.3)
