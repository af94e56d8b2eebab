"""Forms of the pages, as they are sent without JavaScript: which are taken, and what is told where one is refused."""

import re

from shared.client import handoff, ingest, outreach
from tests.console.conftest import RUNS, Team, Visitor, Visitors, until_ready, until_ready_or_not

__all__ = ["RUNS"]


def test_forms_of_other_sites_and_of_other_sessions_do_nothing(
    team: Team, visitor: Visitor, visitors: Visitors
) -> None:
    accept = f"/handoffs/{team.handoff_id}/accept"
    assert visitor.http.post(accept, data={"sales_rep": "suzuki"}).status_code == 403
    other = visitors()
    other.sign_in(team.system.key)
    token = re.search(r'name="form" value="(\w+)"', other.get("/handoffs"))
    assert token is not None
    assert visitor.http.post(accept, data={"form": token[1], "sales_rep": "suzuki"}).status_code == 403
    own = re.search(r'name="form" value="(\w+)"', visitor.get("/handoffs"))
    assert own is not None
    from_elsewhere = {"sec-fetch-site": "cross-site"}
    answer = visitor.http.post(accept, data={"form": own[1], "sales_rep": "suzuki"}, headers=from_elsewhere)
    assert answer.status_code == 403
    answer = visitor.http.post("/sign-in", data={"key": team.system.key}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    too_long = visitor.http.post(accept, data={"form": own[1], "comment": "x" * 70_000})
    assert too_long.status_code == 403
    assert team.client.send(handoff.handoff(team.handoff_id)).status == "pending"


def test_sales_gives_a_lead_back_and_a_second_answer_is_told_why_not(team: Team, visitor: Visitor) -> None:
    lead = team.client.send(
        ingest.submit_lead({"email": "back@example.co.jp", "company_name": "もどり", "employees": 9000})
    )
    answers = {"needs": {"status": "confirmed", "quote": "急ぎ"}}
    heard_at = lead.created_at
    team.client.send(ingest.hearing(lead.lead_id, rep="ito", heard_at=heard_at, channel="call", answers=answers))
    until_ready(team.client, lead.lead_id)
    page = f"/leads/{lead.lead_id}"
    made = visitor.send(page, f"{page}/handoff", reason="急いでいる")
    assert made.status_code == 303
    where = made.headers["location"]
    assert "急いでいる" in visitor.get(where)
    token = re.search(r'name="form" value="(\w+)"', visitor.get(where))
    assert token is not None
    form = {"form": token[1], "sales_rep": "sato", "reason": "bad_timing", "comment": "来期に"}
    assert visitor.http.post(f"{where}/return", data=form).status_code == 303
    assert "bad timing" in visitor.get("/handoffs?status=returned") or "Returned" in visitor.get(where)
    again = visitor.http.post(f"{where}/accept", data=form)
    assert again.status_code == 409
    assert 'role="alert"' in again.text
    not_ready = visitor.send(f"/leads/{team.open_lead}", f"/leads/{team.open_lead}/handoff", reason="まだ")
    assert not_ready.status_code == 409
    assert 'role="alert"' in not_ready.text


def test_what_was_typed_stays_when_it_is_refused(team: Team, visitor: Visitor) -> None:
    form = {"email": "typed@example.co.jp", "company_name": "書き直し", "last_name": "平野"}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    until_ready_or_not(team.client, lead_id)
    page = f"/leads/{lead_id}"
    typed = {"status.needs": "denied", "quote.needs": '"要らない"', "employees": "many", "heard_at": "2026-11-01T10:00"}
    refused = visitor.send(page, f"{page}/hearing", **typed)
    assert refused.status_code == 422
    assert '<option value="denied" selected>' in refused.text
    for value in ("&#34;要らない&#34;", "many", "2026-11-01T10:00"):
        assert f'value="{value}"' in refused.text
    refused = visitor.send(page, f"{page}/handoff", reason="<b>今すぐ</b>")
    assert refused.status_code == 409
    assert ">&lt;b&gt;今すぐ&lt;/b&gt;</textarea>" in refused.text
    templates = [one.id for one in team.client.send(outreach.templates(limit=100)).items]
    refused = visitor.send(page, f"{page}/render", template=templates[-1], language="ja")
    assert refused.status_code == 409
    assert f'<option value="{templates[-1]}" selected>' in refused.text
    assert '<option value="ja" selected>' in refused.text
    assert '<option value="sato" selected>' in visitor.sign_in("wrong", rep="sato").text


def test_a_time_that_nobody_can_read_is_not_now(team: Team, visitor: Visitor) -> None:
    """Browsers take years of six digits."""
    page = f"/leads/{team.open_lead}"
    for heard_at in ("120261-11-01T10:00", "yesterday", "0001-01-01T00:00"):
        refused = visitor.send(page, f"{page}/hearing", employees="120", heard_at=heard_at)
        assert refused.status_code == 422, heard_at
        assert 'role="alert"' in refused.text


def test_what_is_refused_is_told_in_the_language_of_the_page(team: Team, visitors: Visitors) -> None:
    page = f"/leads/{team.hostile}"
    template = team.client.send(outreach.templates(limit=1)).items[0]
    told = {
        "ja": ("パスの条件がそろっていません。", "連絡の根拠（同意など）が記録されていません。"),
        "en": ("The lead is not ready for sales", "No basis for contacting the lead"),
    }
    for language, other in (("ja", "en"), ("en", "ja")):
        visitor = visitors(language)
        visitor.sign_in(team.system.key)
        for path, form, n in (("handoff", {"reason": "x"}, 0), ("render", {"template": template.id}, 1)):
            refused = visitor.send(page, f"{page}/{path}", **form)
            assert refused.status_code == 409
            assert told[language][n] in refused.text
            assert told[other][n] not in refused.text
