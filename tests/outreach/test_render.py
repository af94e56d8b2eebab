"""Rendering over HTTP: what is checked in which order, and what the text says."""

from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from services.outreach.render import shown
from shared.events import Observation
from shared.fields import Field
from shared.words import Words
from tests.outreach.desk import NOW, Desk, consent, created, erased, fields

ANSWER = {"answer": "はい、できます。"}


def slug(problem: dict[str, str]) -> str:
    return problem["type"].rpartition(":")[2]


async def test_order_of_checks(desk: Desk) -> None:
    await desk.lead("erased", last_name="山田")
    await desk.deliver(erased("erased"))
    await desk.deliver(created("silent"), fields("silent", last_name="佐藤"))
    assert slug(await desk.render("nothing", "nobody", 404)) == "not-found"
    assert "nobody" in (await desk.render("inquiry-reply", "nobody", 404))["detail"]
    assert slug(await desk.render("inquiry-reply", "erased", 410)) == "lead-erased"
    refused = await desk.render("inquiry-reply", "silent", 409, values={"unknown": "x"})
    assert slug(refused) == "contact-not-allowed", "before anything about values"
    assert "/consent" in refused["reason"]["ja"]
    assert "/consent" in refused["reason"]["en"]
    await desk.deliver(consent("silent", "published"))
    unknown = await desk.render("inquiry-reply", "silent", 422, values={"unknown": "x"})
    assert unknown["errors"][0]["pointer"] == "/values/unknown"
    unknown = await desk.render("inquiry-reply", "silent", 422, values={"a/b~": "x"})
    assert unknown["errors"][0]["pointer"] == "/values/a~1b~0"
    missing = await desk.render("inquiry-reply", "silent", 422)
    assert missing["missing"] == ["answer"]
    assert "ご質問への回答" in missing["errors"][0]["detail"]
    await desk.render("inquiry-reply", "silent", values=ANSWER)


async def test_every_missing_required_name_is_told(desk: Desk) -> None:
    await desk.lead(company_name="株式会社例")
    for blank in ({}, {"answer": ""}, {"answer": " \n　"}):
        problem = await desk.render("inquiry-reply", status=422, values=blank)
        assert problem["missing"] == ["last_name", "answer"]
        assert [e["pointer"] for e in problem["errors"]] == ["/values/last_name", "/values/answer"]


async def test_the_text_in_both_languages(desk: Desk) -> None:
    await desk.lead(last_name="山田", company_name="株式会社例", employees=2500, usage="展示会の集計")
    ja = await desk.render("inquiry-reply", values=ANSWER | {"meeting_at": "11月24日 10時"})
    assert ja["subject"] == "株式会社例様のお問い合わせ"
    assert ja["body"] == (
        "株式会社例\n山田 様（従業員数 2,500名）\n\n株式会社たすきの田中です。\n\n"
        "「展示会の集計」のご相談と承りました。\n\n"
        "はい、できます。\n面談: 11月24日 10時"
    )
    assert (ja["missing"], ja["headers"], ja["language"], ja["channel"]) == ([], {}, "ja", "email")
    en = await desk.render("inquiry-reply", values={"answer": "Yes."}, language="en", rep="nobody")
    assert en["body"].endswith("I am nobody of Tasuki Inc..\n\nYes.\nMeeting: [Time of the meeting]")
    assert en["missing"] == ["meeting_at"]


async def test_the_language_is_negotiated(desk: Desk) -> None:
    await desk.lead(last_name="山田")
    body = {"lead_id": "L1", "rep": "tanaka", "values": ANSWER}
    for accept, asked, expected in [
        ("en", None, "en"),
        ("fr, en;q=0.5, ja;q=0.4", None, "en"),
        ("en;q=0.1, ja-JP", None, "ja"),
        ("fr", None, "ja"),
        ("en;q=x", None, "ja"),
        ("en", "ja", "ja"),
        ("ja", "en", "en"),
    ]:
        sent = body | ({"language": asked} if asked else {})
        headers = {"Accept-Language": accept}
        answer = await desk.call("POST", "/v1/templates/inquiry-reply/render", sent, headers=headers)
        assert answer.body["language"] == expected, accept


async def test_what_is_not_known_is_marked_and_listed(desk: Desk) -> None:
    await desk.lead(last_name="山田")
    ja = await desk.render("inquiry-reply", values=ANSWER)
    assert ja["subject"] == "【会社名】様のお問い合わせ"
    assert "従業員数 【従業員数】名" in ja["body"]
    assert "ご相談と承りました" not in ja["body"], "what is only asked for shows no mark"
    assert ja["missing"] == ["company_name", "employees", "meeting_at"]
    en = await desk.render("inquiry-reply", values=ANSWER, language="en")
    assert en["subject"] == "Your inquiry, [Company]"


async def test_a_field_is_text_and_never_a_template_or_a_header(desk: Desk) -> None:
    evil = "{{ sender.email }}{% for x in y %}<b>&amp;\r\nBcc: all@example.jp\x0b\x85\u2028X"
    await desk.lead(last_name="山田", company_name=evil, email="yamada@example.co.jp")
    text = await desk.render("inquiry-reply", values=ANSWER)
    assert "{{ sender.email }}{% for x in y %}<b>&amp;" in text["body"]
    assert "sales@tasuki" not in text["body"]
    assert len(text["subject"].splitlines()) == 1
    message = EmailMessage()
    message["Subject"] = text["subject"]  # refuses CR and LF itself
    assert message.keys() == ["Subject"]


async def test_promotional_mail_says_who_sends_and_how_to_opt_out(desk: Desk) -> None:
    await desk.lead("a b", last_name="山田", email="yamada+x@example.co.jp")
    ja = await desk.render("first-mail", "a b")
    for said in (
        "株式会社たすき",
        "〒100-0000 東京都千代田区",
        "03-0000-0000",
        "sales@tasuki.example.co.jp",
        "配信停止",
    ):
        assert said in ja["body"]
    assert ja["headers"] == {
        "List-Unsubscribe": "<https://tasuki.example.co.jp/opt-out?lead_id=a%20b>, "
        "<mailto:opt-out@tasuki.example.co.jp?subject=unsubscribe%20a%20b>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    en = await desk.render("first-mail", "a b", language="en")
    assert "Unsubscribe: https://tasuki.example.co.jp/opt-out?lead_id=a%20b or opt-out@" in en["body"]
    link = urlsplit(en["mailto"])
    assert (link.scheme, unquote(link.path)) == ("mailto", "yamada+x@example.co.jp")
    assert "+" not in link.query, "a plus would stay one in the mail (RFC 6068)"
    query = parse_qs(link.query, strict_parsing=True)
    assert query == {"subject": [en["subject"]], "body": [en["body"].replace("\n", "\r\n")]}


async def test_a_letter_is_no_mail(desk: Desk) -> None:
    await desk.lead(last_name="山田", title="代表取締役", company_name="株式会社例")
    letter = await desk.render("cxo-letter")
    assert letter["body"] == "株式会社例\n代表取締役 山田 様"
    assert (letter["subject"], letter["mailto"], letter["headers"]) == (None, None, {})


async def test_defaults_take_the_place_of_marks(desk: Desk) -> None:
    await desk.lead(company_name="株式会社例")
    text = await desk.render("first-mail")
    assert text["body"].startswith("ご担当者 様")
    assert text["missing"] == []


async def test_a_snippet_for_a_lead(desk: Desk) -> None:
    await desk.lead(last_name="山田")
    answer = await desk.call("POST", "/v1/snippets/schedule/render", {"lead_id": "L1", "rep": "tanaka"})
    assert answer.body["body"] == "山田様のご都合はいかがでしょうか。"
    await desk.deliver(consent("L1", out=True, channels=("sns_dm",), minutes=3))
    for channel, status in (("sns_dm", 409), ("email", 200)):
        body = {"lead_id": "L1", "rep": "tanaka", "channel": channel}
        assert (await desk.call("POST", "/v1/snippets/schedule/render", body)).status == status


@pytest.mark.parametrize("value", [["x"], {"a": 1}, None, True])
async def test_values_are_texts_and_numbers(desk: Desk, value: object) -> None:
    await desk.lead(last_name="山田")
    await desk.render("inquiry-reply", status=422, values={"answer": value})


async def test_text_that_grows_without_measure_is_refused(desk: Desk) -> None:
    path = desk.content / "templates" / "long.md"
    head = "---\nlabel: {ja: 長い, en: Long}\noccasion: x\nchannel: email\npromotional: false\n---\n"
    body = "{{ company_name }}" * 20
    path.write_text(f"{head}<!-- ja -->\nSubject: x\n\n{body}\n<!-- en -->\nSubject: x\n\n{body}\n")
    desk.folder.look()
    await desk.lead(company_name="あ" * 19_000)
    assert slug(await desk.render("long", status=422)) == "text-too-long"


async def test_who_was_written_to_is_on_record(desk: Desk) -> None:
    await desk.lead(last_name="山田")
    await desk.render("inquiry-reply", values=ANSWER)
    await desk.get("/v1/case-studies?lead_id=L1")
    rows = await desk.rows("select operation, lead_ids from access.audit order by number")
    assert [(r["operation"], list(r["lead_ids"])) for r in rows] == [
        ("POST /v1/templates/{id}/render", ["L1"]),
        ("GET /v1/case-studies", ["L1"]),
    ]


@pytest.mark.parametrize(
    ("said", "ja", "en"),
    [
        ("2026-11-24", "2026年11月24日", "November 24, 2026"),
        ("来月の中ごろ", "来月の中ごろ", "来月の中ごろ"),
        (3, "3", "3"),
    ],
)
def test_a_date_is_written_out_and_what_was_said_before_it_was_one_as_it_is(said: str | int, ja: str, en: str) -> None:
    """A field's type may change in fields.yaml; what leads have said stays."""
    label = Words(ja="開始日", en="Start")
    field = Field(id="starts_on", type="date", scope="lead", precedence=("hearing",), label=label)
    observation = Observation(
        observation_id="o", field="starts_on", method="hearing", source="test", observed_at=NOW, value=said
    )
    assert (shown(field, observation, "ja"), shown(field, observation, "en")) == (ja, en)
