"""The pages over HTTP, as they are without JavaScript: what they show, and to whom."""

import html
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import quote, unquote
from uuid import uuid4

import httpx
import pytest

from shared.client import handoff, ingest
from shared.config import load_config
from shared.events import Language
from shared.outbox import pack_headers
from shared.settings import SERVICES
from tests.console.conftest import RUNS, Team, Visitor, Visitors, section, until_ready_or_not
from tests.faults.inside import database, rows
from tests.system import ROOT, until

__all__ = ["RUNS"]


class Runs(HTMLParser):
    """Finds what a browser might run that is no file of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "object", "embed") and not str(given.get("src")).startswith("/static/"):
            self.found.append(f"<{tag} {given}>")
        for name, value in attrs:
            if name.startswith("on") or name == "style" or str(value).strip().lower().startswith("javascript:"):
                self.found.append(f"{name}={value}")


PAGES = ["/", "/leads", "/leads?q=にじのわ&stage=MQL&rep=tanaka", "/handoffs", "/handoffs?mine=1", "/policies", "/kpis"]
PAGES += ["/kpis/calls", "/kpis/booked_amount?grain=week&by=rep", "/kpis/days_to_second_action?grain=day", "/review"]
PAGES += ["/review?week=2026-W47", "/operation"]


def pages(team: Team) -> list[str]:
    return [*PAGES, f"/leads/{team.handed_over}", f"/leads/{team.open_lead}", f"/handoffs/{team.handoff_id}"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_page_is_there_in_both_languages_and_nothing_may_run_on_it(
    team: Team, visitors: Visitors, language: str
) -> None:
    visitor = visitors(language)
    visitor.sign_in(team.system.key)
    for path in pages(team):
        answer = visitor.http.get(path)
        assert answer.status_code == 200, path
        assert f'<html lang="{language}">' in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        runs = Runs()
        runs.feed(answer.text)
        assert runs.found == [], path


@pytest.mark.parametrize(("language", "question"), [("ja", "誰が承諾できるか"), ("en", "Who may accept it")])
def test_what_the_words_mean_stands_wherever_a_handoff_is_made_or_judged(
    team: Team, visitors: Visitors, language: Language, question: str
) -> None:
    config = load_config(ROOT / "config")
    assert config.definitions is not None
    agreed = config.definitions.appointment.who_may_accept, config.definitions.customer.problems
    visitor = visitors(language)
    visitor.sign_in(team.system.key)
    for path in (f"/leads/{team.open_lead}", "/handoffs", f"/handoffs/{team.handoff_id}"):
        shown = html.unescape(visitor.get(path))
        assert question in shown
        for words in (*agreed, *(stage.definition for stage in config.stages)):
            assert words.to(language) in shown, path


def test_who_is_not_signed_in_is_asked_to_and_comes_back(team: Team, visitors: Visitors) -> None:
    visitor = visitors()
    for path in pages(team):
        answer = visitor.http.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?to=%2F")
    answer = visitor.http.post("/sign-in?to=/leads?q=a", data={"key": team.system.key, "rep": "tanaka"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/leads?q=a")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert team.system.key not in cookie
    elsewhere = visitor.http.post("/sign-in?to=//evil.example", data={"key": team.system.key})
    assert elsewhere.headers["location"] == "/"


def test_a_wrong_key_is_told_so_and_signs_nobody_in(team: Team, visitors: Visitors) -> None:
    visitor = visitors()
    for key in ("", "wrong", "é", "x" * 5000):
        answer = visitor.sign_in(key)
        assert answer.status_code == 422
        assert "This key is not good." in answer.text
        assert "set-cookie" not in answer.headers


def test_a_key_shows_what_it_may_show(team: Team, visitors: Visitors) -> None:
    command = [sys.executable, "-m", "shared.cli", "keys", "create", "board", "--scope", "kpis:read"]
    done = subprocess.run(command, cwd=ROOT, env=team.system.environment, capture_output=True, text=True, check=True)
    visitor = visitors()
    visitor.sign_in(done.stdout.strip())
    assert 'href="/leads"' not in visitor.get("/")
    assert "leads:read" in visitor.get("/leads", 403)
    assert "leads:read" in visitor.get(f"/handoffs/{team.handoff_id}", 403)
    subprocess.run(
        [*command[:4], "revoke", "board"], cwd=ROOT, env=team.system.environment, capture_output=True, check=True
    )
    until(lambda: visitor.http.get("/kpis").status_code == 303, within=30, every=0.5)


def test_a_lead_is_shown_with_who_said_what(team: Team, visitor: Visitor) -> None:
    page = visitor.get(f"/leads/{team.handed_over}")
    for said in ("株式会社にじのわ建設", "needs の話", "hearing", "田中", 'data-decision="ready"', "conversation"):
        assert said in page
    assert "To the content" in page
    visitor.get("/leads/nobody", 404)
    visitor.get("/kpis/nothing", 404)
    visitor.get("/nowhere", 404)


def test_a_lead_may_be_called_by_parts_of_an_address(team: Team, visitor: Visitor) -> None:
    name = "顧客/1?#%2F"
    page = f"/leads/{quote(name, safe='')}"
    call = {"type": "call", "occurred_at": datetime.now(UTC), "lead_id": name, "rep": "tanaka", "direction": "outbound"}
    team.client.send(ingest.activities([call | {"outcome": "busy"}]))
    until_ready_or_not(team.client, name)
    assert f'href="{page}"' in visitor.get("/leads")
    shown = visitor.get(page)
    assert f"?to={quote(page)}" in shown, "the other language is told of the same lead"
    assert visitor.send(page, f"{page}/hearing", employees="12").status_code == 200
    assert "12" in visitor.get(page)
    visitor.get("/leads/顧客/1", 404)


def test_what_strangers_write_is_text(team: Team, visitor: Visitor) -> None:
    for path in (f"/leads/{team.hostile}", "/leads"):
        page = visitor.get(path)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script>alert" not in page
        assert "<img" not in page


def test_what_no_page_asks_for_is_told_so(team: Team, visitor: Visitor) -> None:
    last = re.search(r"<h1>(.*?)</h1>", visitor.get("/review"))
    assert last is not None
    for week in ("0001-W01", "9999-W52", "2026-11", "next"):
        assert last[0] in visitor.get(f"/review?week={week}"), "as if none were asked for"
    page = f"/leads/{team.open_lead}"
    for employees in ("9" * 30, "9" * 5000, "many"):
        refused = visitor.send(page, f"{page}/hearing", employees=employees)
        assert refused.status_code == 422
        assert "/answers/employees" in refused.text
    assert visitor.http.post(f"{page}/hearing", data={"form": "é", "employees": "3"}).status_code == 403
    assert visitor.send(page, f"{page}/hearing", employees="２，００１名").status_code == 200
    assert "2001" in visitor.get(page)


def test_dead_letters_of_every_service_are_shown_and_tried_again(team: Team, visitor: Visitor) -> None:
    """The record is none that anybody understands, so that the second try ends as the first."""
    keep = """
        insert into {}.dead_letters (id, topic, partition, "offset", headers, appended_at, reason, error, at)
        values ($1, 'tasuki.leads.v1', 3, 7, $2, now(), 'null_value', 'it has no value', now())
    """
    ids = {service: uuid4() for service in SERVICES}
    for service, id_ in ids.items():
        rows(database(team.system), keep.format(service), id_, pack_headers(()))
    page = visitor.get("/operation")
    for service, id_ in ids.items():
        assert re.search(rf"<td>{service}</td>.*?{id_}/retry.*?</tr>", page)
        refused = visitor.send("/operation", f"/operation/dead-letters/{id_}/retry", service=service)
        assert refused.status_code == 409
        assert "The record still cannot be taken" in refused.text
    assert visitor.send("/operation", f"/operation/dead-letters/{ids['handoff']}/retry", service="x").status_code == 403
    elsewhere = visitor.send("/operation", f"/operation/dead-letters/{ids['handoff']}/retry", service="ingest")
    assert elsewhere.status_code == 404
    for service in SERVICES:
        rows(database(team.system), f"delete from {service}.dead_letters")  # noqa: S608 - one of ours
    assert "null_value" not in visitor.get("/operation")


def test_a_draft_is_tried_on_the_past(team: Team, visitor: Visitor) -> None:
    page = visitor.get("/policies")
    shown = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert shown is not None
    text = html.unescape(shown[1])
    tried = visitor.send("/policies", "/policies", draft=text, **{"from": "2026-01-01", "to": "2099-12-31"})
    assert tried.status_code == 200
    assert 'class="confusion"' in tried.text
    assert 'aria-label="Leads per week"' in tried.text
    for draft in ("id: [", "", "default", "- id: default", f"id: {10**30}", "id: 1e999"):
        wrong = visitor.send("/policies", "/policies", draft=draft, **{"from": "2026-01-01", "to": "2026-11-01"})
        assert wrong.status_code == 422, draft
        assert 'role="alert"' in wrong.text


def test_a_name_that_nobody_sees_is_no_name(team: Team, visitor: Visitor) -> None:
    form = {"email": "invisible@example.co.jp", "company_name": "\u3164\u200b"}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    assert f"<bdi>{lead_id}</bdi>" in visitor.get(f"/leads/{lead_id}")
    assert f"<bdi>{lead_id}</bdi>" in visitor.get("/leads?q=invisible@example.co.jp")


def test_an_appointment_that_an_activity_told_of_stands_in_the_package(team: Team, visitor: Visitor) -> None:
    """Also when it arrives after the handoff, as long as it happened before."""
    page = f"/handoffs/{team.handoff_id}"
    assert "from activities" not in visitor.get(page)
    told = {
        "id": "a-1",
        "source": "calendar",
        "type": "appointment",
        "occurred_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
        "lead_id": team.handed_over,
        "appointment_id": "a-1",
        "status": "set",
        "rep": "tanaka",
        "accepted_by": {"name": "佐々木", "has_authority": True},
        "pressured": True,
    }
    team.client.send(ingest.activities([told]))
    until(lambda: "from activities" in visitor.get(page), 20, every=0.3)
    shown = html.unescape(visitor.get(page))
    assert "佐々木, can decide: yes" in shown
    assert "accepted under pressure: yes" in shown


def test_the_language_is_chosen_and_kept(team: Team, visitor: Visitor) -> None:
    answer = visitor.http.get("/language/ja?to=/kpis")
    assert (answer.status_code, answer.headers["location"]) == (303, "/kpis")
    cookie = answer.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=lax" in cookie, "Secure" in cookie) == (True, True, False)
    assert '<html lang="ja">' in visitor.get("/kpis")
    assert visitor.http.get("/language/ja?to=//evil.example").headers["location"] == "/"
    switch = re.compile(r'href="/language/en\?to=([^"]*)"')
    (there,) = switch.findall(visitor.get("/kpis/calls?grain=week&by=rep"))
    assert unquote(there) == "/kpis/calls?grain=week&by=rep", "what was chosen is not chosen again"
    page = f"/leads/{team.open_lead}"
    visitor.http.headers["referer"] = f"{team.system.console}{page}"
    (there,) = switch.findall(visitor.send(page, f"{page}/hearing").text)
    assert unquote(there) == page, "what a form leads to, is no page of its own"


def test_signing_out_takes_a_form_of_ours(team: Team, visitor: Visitor) -> None:
    visitor.http.post("/sign-out", data={})
    visitor.get("/kpis")
    assert visitor.send("/kpis", "/sign-out").headers["location"] == "/sign-in"
    assert visitor.http.get("/kpis").status_code == 303


def test_operators_see_the_process(team: Team, visitors: Visitors) -> None:
    visitor = visitors()
    assert visitor.get("/readyz") == "ok\n"
    assert 'route="/leads/{id}"' in visitor.get("/metrics")


def test_a_package_tells_what_was_heard_and_what_became_of_it(team: Team, visitor: Visitor) -> None:
    form = {"email": "whole@example.co.jp", "company_name": "まるごと", "employees": 60}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    until_ready_or_not(team.client, lead_id)
    lead = f"/leads/{lead_id}"
    heard = {"status.needs": "confirmed", "status.budget": "assumed", "quote.budget": "来期なら出せます"}
    assert visitor.send(lead, f"{lead}/hearing", **heard).status_code == 200  # handoff knows of it by then
    made = team.client.send(handoff.hand_over(lead_id, rep="ito", reason="急ぎ", override="社長の紹介"))
    page = f"/handoffs/{made.handoff_id}"
    shown = html.unescape(visitor.get(page))
    assert "来期なら出せます" in section(shown, r"What was heard \(BANT\)"), "also what no criterion asks for"
    assert "社長の紹介" in shown, "who reads it must know that the lead was not ready"
    assert "Who decides on the purchase" in section(shown, "What nobody knows yet")
    team.client.send(handoff.give_back(made.handoff_id, sales_rep="sato", reason="bad_timing", comment="四月に"))
    (row,) = re.findall(r"<article.*?</article>", visitor.get(page), re.DOTALL)
    for said in ("Reason: bad timing", "四月に", "佐藤"):
        assert said in row


def test_a_long_timeline_says_that_it_goes_on(team: Team, visitor: Visitor) -> None:
    form = {"email": "long@example.co.jp", "company_name": "ながい付き合い"}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    page = f"/leads/{lead_id}"
    until_ready_or_not(team.client, lead_id)
    assert "There are more." not in section(visitor.get(page), "Timeline")
    call = {"type": "call", "lead_id": lead_id, "rep": "tanaka", "direction": "outbound", "outcome": "busy"}
    times = [datetime.now(UTC) - timedelta(minutes=n) for n in range(1_000)]
    team.client.send(ingest.activities([call | {"id": f"long-{n}", "occurred_at": at} for n, at in enumerate(times)]))
    until(lambda: "There are more." in section(visitor.get(page), "Timeline"), every=0.3)
    assert section(visitor.get(page), "Timeline").count("<tr>") == 100


def test_activities_are_told_in_the_language_of_the_page(team: Team, visitors: Visitors) -> None:
    visitor = visitors("ja")
    visitor.sign_in(team.system.key)
    for path in (f"/leads/{team.handed_over}", f"/handoffs/{team.handoff_id}"):
        shown = visitor.get(path)
        assert "担当者と会話" in shown
        assert "conversation" not in shown


def test_the_newest_version_of_a_policy_is_shown_however_many_there_are(team: Team, visitor: Visitor) -> None:
    first = team.client.send(handoff.policy("default", 1))
    draft = {name: first[name] for name in ("criteria", "segments", "unknown_segment", "routing")}
    headers = {"authorization": f"Bearer {team.system.key}"}
    address = f"{team.system.url['handoff']}/v1/policies/a-draft"
    with httpx.Client(headers=headers, trust_env=False) as http:
        for hours in range(1, 55):
            policy = draft | {"accept_within": {"hours": hours, "calendar": "business"}, "automatic": False}
            assert http.put(address, json=policy).status_code == 200
    page = visitor.get("/policies?id=a-draft")
    assert re.findall(r'<th scope="row">(\d+) ', page)[:2] == ["54", "53"]
    assert "hours: 54" in page, "who drafts goes on from there"
    tried = visitor.send(
        "/policies?id=a-draft", "/policies?id=a-draft", draft="[", **{"from": "2026-11-01", "to": "2026-11-02"}
    )
    assert "Versions: a-draft" in tried.text
    assert 'action="/policies?id=a-draft#back-test"' in tried.text
    assert "Versions: default" in visitor.get("/policies"), "the one that decides, whichever comes first"


def test_a_head_of_the_boards_stream_ends(visitor: Visitor) -> None:
    answer = visitor.http.head("/live")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert visitor.http.get("/livez").status_code == 200


def test_of_one_moment_the_later_stage_stands_above(team: Team, visitor: Visitor) -> None:
    """A form may say enough to bring a lead two stages on at once."""
    form = {"email": "atonce@example.co.jp", "company_name": "すぐ", "employees": 30, "industry": "IT"}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id

    def entered() -> list[str]:
        return re.findall(r"Stage</th><td>(.*?) <small>", section(visitor.get(f"/leads/{lead_id}"), "Timeline"))

    until(lambda: len(entered()) == 2, why=lambda: str(entered()), every=0.2)
    assert entered() == ["Awareness → Target", "Awareness"]


def test_what_a_number_is_made_of_is_told_in_its_own_unit(team: Team, visitor: Visitor) -> None:
    """A call is no 100 % of a rate, and an amount has a currency."""
    amount = {"value": "3000000", "currency": "JPY"}
    won = {"type": "opportunity", "lead_id": team.open_lead, "opportunity_id": "o-1", "status": "won", "amount": amount}
    team.client.send(ingest.activities([won | {"occurred_at": datetime.now(UTC), "credited_rep": "tanaka"}]))

    def made_of(kpi: str) -> str:
        return re.sub(
            "<.*?>", " ", section(visitor.get(f"/kpis/{kpi}?grain=fiscal_year"), r"What it is made of \(.*?\)")
        )

    until(lambda: "3,000,000 JPY" in made_of("booked_amount"), why=lambda: made_of("booked_amount"), every=0.3)
    assert "1  numerator" in made_of("connect_rate")
    assert "%" not in made_of("connect_rate")
