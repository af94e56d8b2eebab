"""The package on one page: everything that sales needs, in both languages, and nothing of it can run."""

from html.parser import HTMLParser

import pytest

from shared.events import Language
from tests.handoff.desk import Desk, at, call, created, fields, hearing, observed, said
from tests.handoff.test_package import APPOINTMENT, as_set

HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """The texts of a page, and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href", "style")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


async def page_of(desk: Desk, handoff_id: str, query: str = "", accept: str = "") -> Page:
    headers = {"Authorization": f"Bearer {desk.key}", "Accept-Language": accept}
    answer = await desk._http.get(f"/v1/handoffs/{handoff_id}/page{query}", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return Page(answer.text)


@pytest.fixture
async def handoff_id(desk: Desk) -> str:
    when = at("2026-11-20 09:00")
    confirmed = observed("needs", "hearing", when, status="confirmed", by="tanaka", quote=f"要る{HOSTILE}")
    await desk.deliver(
        created("L1"),
        fields("L1", "form", employees=5000, company_name=f"株式会社{HOSTILE}"),
        hearing("L1", at("2026-11-19 09:00"), by="sato", needs="denied"),
        said("L1", [confirmed], when),
        call("L1", "c1", at("2026-11-20 09:30")),
    )
    made = await desk.hand_over("L1", appointment=APPOINTMENT, reason=f"時期が合う{HOSTILE}")
    return str(made["handoff_id"])


async def test_all_of_it_is_there_in_japanese(desk: Desk, handoff_id: str) -> None:
    found = await page_of(desk, handoff_id)
    assert "script" not in found.elements
    for text in (
        f"株式会社{HOSTILE}",
        f"時期が合う{HOSTILE}",
        f"要る{HOSTILE}",
        "回答待ち",
        "2026-11-20 14:00",  # due, in Tokyo
        "ニーズ確認済み",
        "満たす",
        "異なる発言: 否定 sato, 2026-11-19 09:00",
        "予算 不明",
        "佐々木（部長）、決裁権: 不明",
        "電話、断り切れずに承諾: はい",
        "call rep: tanaka, direction: outbound, outcome: conversation",
    ):
        assert text in found.text, text


async def test_english_by_query_or_by_what_the_reader_accepts(desk: Desk, handoff_id: str) -> None:
    for query, accept in (("?language=en", ""), ("", "en-GB,en;q=0.9,ja;q=0.5")):
        found = await page_of(desk, handoff_id, query, accept)
        for text in ("Why this lead", "Needs confirmed met", "Others said otherwise: denied", "Budget unknown",
                     "call, accepted under pressure: yes", "Open questions None"):  # fmt: skip
            assert text in found.text, text


async def test_what_a_customer_an_appointment_and_each_stage_is_stands_on_it(desk: Desk, handoff_id: str) -> None:
    agreed, stages = desk.config.definitions, desk.config.stages
    assert agreed is not None
    asked: tuple[tuple[str, str, Language], ...]
    asked = (("", "誰が承諾できるか", "ja"), ("?language=en", "Who may accept it", "en"))
    for query, question, language in asked:
        found = (await page_of(desk, handoff_id, query)).text
        assert question in found
        for words in (agreed.customer.needs.executives, agreed.appointment.who_may_accept, stages[3].definition):
            assert words.to(language) in found


async def test_who_told_of_the_appointment_stands_on_it(desk: Desk, handoff_id: str) -> None:
    assert "tanaka, 2026-11-20 10:00, 引き渡し時" in (await page_of(desk, handoff_id)).text
    await desk.ready_lead("L2")
    await desk.deliver(as_set("L2"))
    made = await desk.hand_over("L2")
    found = (await page_of(desk, made["handoff_id"], "?language=en")).text
    assert "佐々木 (部長), can decide: unknown" in found
    assert "ito, 2026-11-20 09:00, from activities" in found


async def test_a_return_and_what_changed_since_are_on_it(desk: Desk, handoff_id: str) -> None:
    returned = {"sales_rep": "suzuki", "reason": "bad_timing", "comment": f"来期{HOSTILE}"}
    await desk.post(f"/v1/handoffs/{handoff_id}/return", returned, 200)
    assert f"差し戻し: 時期が合わない suzuki, 2026-11-20 10:00 来期{HOSTILE}" in (await page_of(desk, handoff_id)).text
    await desk.deliver(fields("L1", "form", at("2026-11-20 10:01"), employees=6000))
    again = await desk.hand_over("L1")
    found = await page_of(desk, again["handoff_id"])
    assert "従業員数: 5000 → 6000" in found.text
    assert "アポイントの実際" in found.text
    assert found.text.count("不明") > 5, "nothing was told of an appointment, and it says so"


async def test_an_unknown_handoff_or_language_is_refused(desk: Desk, handoff_id: str) -> None:
    headers = {"Authorization": f"Bearer {desk.key}"}
    for path, status in (("nothing/page", 404), (f"{handoff_id}/page?language=fr", 422)):
        assert (await desk._http.get(f"/v1/handoffs/{path}", headers=headers)).status_code == status
