"""Lists, search, what fits a lead."""

import pytest

from services.outreach import fit, vocabulary
from services.outreach.search import Index, Searched, plain, terms_of
from shared.web import SCOPES
from tests.outreach.desk import Desk, created, fields

LISTS = ("/v1/templates", "/v1/snippets", "/v1/talks", "/v1/case-studies")


async def test_filters(desk: Desk) -> None:
    assert await desk.ids("/v1/templates") == ["cxo-letter", "first-mail", "inquiry-reply"]
    assert await desk.ids("/v1/templates?occasion=first_mail") == ["cxo-letter", "first-mail"]
    assert await desk.ids("/v1/templates?occasion=first_mail&channel=email") == ["first-mail"]
    assert await desk.ids("/v1/templates?occasion=nothing") == []
    assert await desk.ids("/v1/talks?product=platform") == ["platform-executive", "platform-user"]
    assert await desk.ids("/v1/case-studies?usage=lead_management") == ["builder", "parts"]
    assert await desk.ids("/v1/case-studies?usage=lead_management&industry=manufacturing") == ["parts"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("自動車部品メーカー", ["parts"]),
        ("住宅メーカー", ["builder"]),
        ("住宅メーカーと、部品のメーカー", ["builder", "parts"]),
        ("Warehouses", ["warehouse"]),
    ],
)
async def test_an_industry_may_be_told_in_other_words(desk: Desk, text: str, found: list[str]) -> None:
    assert await desk.ids(f"/v1/case-studies?industry={text}") == found


@pytest.mark.parametrize(
    ("path", "q", "first"),
    [
        ("/v1/snippets", ";schedule", "schedule"),
        ("/v1/snippets", "sched", "schedule"),
        ("/v1/snippets", "ＳＣＨＥＤＵＬＥ", "schedule"),
        ("/v1/snippets", "日程", "schedule"),
        ("/v1/snippets", "礼", "thanks"),
        ("/v1/snippets", "見積", "price"),
        ("/v1/snippets", "CAL", "schedule"),
        ("/v1/case-studies", "ﾒｰｶｰ", "parts"),
        ("/v1/case-studies", "めーかー", "parts"),
        ("/v1/case-studies", "精機", "parts"),
        ("/v1/case-studies", "工務店 見込み客", "builder"),
        ("/v1/case-studies", "展示会の名刺の集計", "parts"),
        ("/v1/case-studies", "hand over", "warehouse"),
        ("/v1/templates", "inquiry", "inquiry-reply"),
        ("/v1/templates", "letter to executive", "cxo-letter"),
        ("/v1/talks", "電話", "connect-user"),
        ("/v1/talks", "telephone", "connect-user"),
    ],
)
async def test_search(desk: Desk, path: str, q: str, first: str) -> None:
    assert (await desk.ids(f"{path}?q={q}"))[0] == first


@pytest.mark.parametrize("q", ["zzz", "存在しない言葉", ";", "%00x"[3:] * 3])
async def test_what_is_nowhere_is_not_found(desk: Desk, q: str) -> None:
    assert await desk.ids(f"/v1/snippets?q={q}") == []


@pytest.mark.parametrize(
    ("blank", "path"),
    [
        ("/v1/talks?product=&q=", "/v1/talks"),
        ("/v1/templates?occasion=&channel=%20", "/v1/templates"),
        ("/v1/case-studies?industry=&usage=", "/v1/case-studies"),
        ("/v1/case-studies?industry=&usage=&q=&lead_id=", "/v1/case-studies"),
    ],
)
async def test_a_filter_that_is_left_empty_asks_nothing(desk: Desk, blank: str, path: str) -> None:
    assert await desk.ids(blank) == await desk.ids(path) != []


async def test_a_filter_may_be_written_in_other_letters(desk: Desk) -> None:
    assert await desk.ids("/v1/talks?product=Platform") == ["platform-executive", "platform-user"]
    assert await desk.ids("/v1/talks?product=ＰＬＡＴＦＯＲＭ") == ["platform-executive", "platform-user"]
    assert await desk.ids("/v1/templates?channel=Email&occasion=First_Mail") == ["first-mail"]


async def test_a_blank_question_asks_nothing(desk: Desk) -> None:
    assert await desk.ids("/v1/snippets?q=%20") == ["price", "schedule", "thanks"]


async def test_the_name_counts_for_more_than_the_text(desk: Desk) -> None:
    assert await desk.ids("/v1/snippets?q=schedule") == ["schedule", "thanks"]
    assert await desk.ids("/v1/snippets?q=面談") == ["schedule", "thanks"]


async def test_pages(desk: Desk) -> None:
    for path in ("/v1/snippets?", "/v1/snippets?q=の&", "/v1/case-studies?"):
        whole = await desk.ids(f"{path}limit=200")
        seen: list[str] = []
        cursor = ""
        while True:
            page = await desk.get(f"{path}limit=1{cursor}")
            seen += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == whole


async def test_the_best_fit_comes_first_and_says_why(desk: Desk) -> None:
    lead = await desk.lead(industry="倉庫業", employees=900, usage="営業への引き渡しの記録")
    items = (await desk.get(f"/v1/case-studies?lead_id={lead}"))["items"]
    assert [item["id"] for item in items] == ["warehouse", "parts", "builder"]
    ja, en = ([why[language] for why in items[0]["why"]] for language in ("ja", "en"))
    assert ja == [
        "同じ業種（物流・運輸）",
        "同じ用途（営業への引き渡し）",
        "従業員数が近い（事例1,200名、リード900名）",
        "同じ言葉がある（営業）",
    ]
    assert en[:2] == ["Same industry (Logistics and transport)", "Same usage (Handing over to sales)"]
    assert items[2]["why"] == []


async def test_a_lead_may_want_several_usages(desk: Desk) -> None:
    lead = await desk.lead(usage="リード管理, 集計, パス")
    items = (await desk.get(f"/v1/case-studies?lead_id={lead}"))["items"]
    common = {item["id"]: why["ja"] for item in items for why in item["why"] if "用途" in why["ja"]}
    assert common == {
        "parts": "同じ用途（集計・報告、リード管理）",
        "warehouse": "同じ用途（営業への引き渡し）",
        "builder": "同じ用途（リード管理）",
    }


async def test_a_word_may_be_written_as_its_id(desk: Desk) -> None:
    """As forms send it whose choices are the words themselves."""
    lead = await desk.lead(usage="lead_management, handoff")
    items = (await desk.get(f"/v1/case-studies?lead_id={lead}"))["items"]
    common = {item["id"]: why["en"] for item in items for why in item["why"] if "usage" in why["en"]}
    assert common == {
        "parts": "Same usage (Lead management)",
        "warehouse": "Same usage (Handing over to sales)",
        "builder": "Same usage (Lead management)",
    }
    for asked in ("Lead_Management", "%20lead_management%20", "ＬＥＡＤ_ＭＡＮＡＧＥＭＥＮＴ"):
        assert await desk.ids(f"/v1/case-studies?usage={asked}") == ["builder", "parts"], asked


async def test_needs_in_the_leads_own_words(desk: Desk) -> None:
    await desk.deliver(created("L1"), fields("L1", "hearing", status="confirmed", needs="展示会の名刺を数えるのが大変"))
    items = (await desk.get("/v1/case-studies?lead_id=L1"))["items"]
    assert items[0]["id"] == "parts"
    assert any("展示会" in why["ja"] for why in items[0]["why"])


async def test_a_lead_of_whom_nothing_is_known_gets_the_whole_list(desk: Desk) -> None:
    await desk.deliver(created("L1"))
    page = await desk.get("/v1/case-studies?lead_id=L1")
    assert [(i["id"], i["why"]) for i in page["items"]] == [("builder", []), ("parts", []), ("warehouse", [])]
    assert page["lead_id"] == "L1"
    assert (await desk.call("GET", "/v1/case-studies?lead_id=nobody")).status == 404


async def test_one_piece_in_the_asked_language(desk: Desk) -> None:
    assert (await desk.get("/v1/talks/connect-user"))["text"] == "電話と記録は別々ですか。"
    assert (await desk.get("/v1/talks/connect-user?language=en"))["text"] == "Are telephone and records apart?"
    assert (await desk.get("/v1/case-studies/parts", **{"Accept-Language": "en"}))["text"].startswith("Business cards")
    template = await desk.get("/v1/templates/inquiry-reply?language=en")
    assert (template["subject"], template["required"]) == ("Your inquiry, {{ company_name }}", ["last_name", "answer"])
    assert (await desk.get("/v1/snippets/schedule"))["key"] == ";schedule"
    assert "{{ この行は埋められません }}" in (await desk.get("/v1/talks/platform-executive"))["text"]
    for path in LISTS:
        assert (await desk.call("GET", f"{path}/nothing")).status == 404


async def test_only_the_scope_of_outreach_opens_it(desk: Desk) -> None:
    for scope in SCOPES:
        key = await desk.new_key(scope) if scope != "admin" else desk.key
        expected = 200 if scope in ("outreach:read", "admin") else 403
        for path in LISTS:
            assert (await desk.call("GET", path, key=key)).status == expected


def test_terms() -> None:
    assert terms_of("ＳaaS導入 3社、SaaS") == ["saas", "導入", "3", "社"]
    assert plain("ﾒｰﾙ①") == "メール1"


def test_a_question_that_no_piece_answers_whole_is_answered_by_half() -> None:
    index = Index({"a": [Searched(1, "seminar thanks")], "b": [Searched(1, "seminar")], "c": [Searched(1, "other")]})
    assert list(index.find("seminar thanks")) == ["a"]
    assert set(index.find("seminar nowhere")) == {"a", "b"}
    assert index.find("nowhere neither seminar") == {}


async def test_what_is_said_of_a_lead_is_read_once_and_not_without_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote of 20,000 marks takes a third of a second to be read: it was read four times for each case study."""
    read: list[str] = []

    def noted(text: str) -> str:
        read.append(text)
        return plain(text)

    monkeypatch.setattr(fit, "plain", noted)
    monkeypatch.setattr(vocabulary, "plain", noted)
    await desk.deliver(created("L1"), fields("L1", usage="集計を " * 5_000))
    assert len(await desk.ids("/v1/case-studies?lead_id=L1")) > 1
    of_lead = [len(text) for text in read if "集計を 集計を" in text]
    assert len(of_lead) <= 3
    assert max(of_lead) <= 2 * fit.SAID_MAX + 1
