"""The pages in a real Chromium, as people use them."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from shared.client import handoff, ingest
from tests.console.conftest import RUNS, Team, until_ready, until_ready_or_not
from tests.needs import chromium
from tests.system import tasuki

__all__ = ["RUNS"]

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PATHS = ["/", "/leads", "/handoffs", "/policies", "/kpis", "/kpis/calls?by=rep", "/review", "/operation"]
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
IMAGE_HEIGHT = 1300
KEEP_IMAGES = "TASUKI_KEEP_IMAGES"
"""Set, the screenshots go to docs/images."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def person(browser: Browser, team: Team) -> Iterator[Callable[..., Page]]:
    """Opens a page as somebody who is signed in; fails when a page says anything on the console."""
    said: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"{message.location.get('url')}: {message.text}")

    def open_page(*, language: str = "en", viewport: dict[str, int] = WIDE, rep: str = "tanaka") -> Page:
        context = browser.new_context(
            locale=language,
            viewport={"width": viewport["width"], "height": viewport["height"]},
            base_url=team.system.console,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto("/sign-in")
        page.locator("#key").fill(team.system.key)
        page.locator("#rep").select_option(rep)
        page.locator("main button").click()
        page.wait_for_url("**/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def all_paths(team: Team) -> list[str]:
    return [*PATHS, f"/leads/{team.handed_over}", f"/handoffs/{team.handoff_id}"]


def test_a_rep_records_a_hearing_and_sees_the_lead_become_ready(team: Team, person: Callable[..., Page]) -> None:
    page = person()
    page.goto(f"/leads/{team.open_lead}")
    expect(page.locator("[data-decision]")).to_have_attribute("data-decision", "needs_information")
    page.locator("#status-needs").select_option("confirmed")
    page.locator('[name="quote.needs"]').fill("来期までに必要です")
    page.locator("#status-authority").select_option("confirmed")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("[data-decision]")).to_have_attribute("data-decision", "ready", timeout=15_000)
    expect(page.locator("#decision")).to_contain_text("来期までに必要です")
    page.locator("#why").fill("決裁者が困っている\n年内に要る")
    page.get_by_role("button", name="Hand over to sales").click()
    page.wait_for_url("**/handoffs/*")
    assert page.locator("article blockquote").inner_text() == "決裁者が困っている\n年内に要る", "on lines as written"


def test_sales_accepts_in_two_clicks(team: Team, person: Callable[..., Page]) -> None:
    lead = team.client.send(
        ingest.submit_lead({"email": "two@example.co.jp", "company_name": "二押し", "employees": 30})
    )
    answers = {name: {"status": "confirmed"} for name in ("needs", "authority")}
    now = datetime.now(UTC)
    team.client.send(ingest.hearing(lead.lead_id, rep="ito", heard_at=now, channel="call", answers=answers))
    until_ready(team.client, lead.lead_id)
    made = team.client.send(handoff.hand_over(lead.lead_id, rep="ito", reason="二回押すだけ"))
    page = person(language="ja", rep="sato")
    page.get_by_role("link", name="パス", exact=True).click()
    row = page.locator(f"#handoff-{made.handoff_id}")
    row.get_by_role("button", name="受諾する").click()
    expect(row).to_have_attribute("data-status", "accepted")
    expect(row).to_be_focused()
    accepted = team.client.send(handoff.handoff(made.handoff_id))
    assert (accepted.status, accepted.owner) == ("accepted", made.owner)


def test_a_call_moves_the_board_without_a_reload(team: Team, person: Callable[..., Page]) -> None:
    page = person()
    expect(page.locator("#live-state")).to_have_class("state live")
    tile = page.locator('[data-kpi="calls"] b')
    before = int(tile.inner_text().replace(",", ""))
    page.evaluate("window.sameDocument = true")
    page.locator('[data-kpi="connects"] a').focus()
    call = {"id": f"live-{before}", "source": "dialer", "type": "call", "occurred_at": datetime.now(UTC).isoformat()}
    call |= {"lead_id": team.handed_over, "rep": "tanaka", "direction": "outbound", "outcome": "no_answer"}
    team.client.send(ingest.activities([call | {"duration_s": 0}]))
    expect(tile).to_have_text(f"{before + 1:,}", timeout=15_000)
    assert page.evaluate("window.sameDocument") is True
    assert page.evaluate("document.activeElement.href").endswith("/kpis/connects"), "the keyboard is where it was"
    expect(page.locator('tr[data-member="tanaka"]')).to_have_class("own")
    expect(page.locator("[data-chart] canvas")).to_have_count(3)


def test_the_search_shows_what_is_typed(team: Team, person: Callable[..., Page]) -> None:
    page = person()
    page.goto("/leads")
    page.locator("#q").fill("しらなみ")
    expect(page.locator("#found tbody tr")).to_have_count(1)
    expect(page.locator("#found")).to_contain_text("株式会社しらなみ")
    page.get_by_role("link", name="日本語").click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("#q")).to_have_value("しらなみ")


@pytest.mark.parametrize(("language", "million"), [("ja", "3000万"), ("en", "30M")])
def test_an_axis_has_room_for_its_figures(person: Callable[..., Page], language: str, million: str) -> None:
    page = person(language=language)
    assert page.evaluate("[30_000_000, 200, 0.325].map(short)") == [million, "200", "0.325"]


def test_the_keyboard_reaches_everything(team: Team, person: Callable[..., Page]) -> None:
    page = person()
    page.goto("/handoffs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.locator("#status").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "owner"


@pytest.fixture
def patient(browser: Browser, team: Team) -> Iterator[Page]:
    """A page of somebody who is signed in, on which things may go wrong."""
    context = browser.new_context(locale="en", base_url=team.system.console)
    page = context.new_page()
    page.goto("/sign-in")
    page.locator("#key").fill(team.system.key)
    page.locator("#rep").select_option("tanaka")
    page.locator("main button").click()
    page.wait_for_url("**/")
    yield page
    context.close()


def test_what_was_filled_in_stays_when_a_service_is_away_and_can_be_sent_again(team: Team, patient: Page) -> None:
    form = {"email": "stays@example.co.jp", "company_name": "残る株式会社", "employees": 20}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    until_ready_or_not(team.client, lead_id)
    patient.goto(f"/leads/{lead_id}")
    patient.locator("#status-needs").select_option("confirmed")
    patient.locator('[name="quote.needs"]').fill("二度は聞けない話")
    record = patient.get_by_role("button", name="Record")
    patient.context.set_offline(True)
    record.click()
    expect(patient.locator("#notice")).to_contain_text("A service cannot be reached.")
    patient.context.set_offline(False)
    (process,) = team.system.processes("services.ingest")
    os.kill(process, signal.SIGSTOP)
    try:
        record.click()
        expect(patient.locator("#notice")).to_be_empty()
        expect(patient.locator("#notice")).to_contain_text("A service cannot be reached.", timeout=60_000)
    finally:
        os.kill(process, signal.SIGCONT)
    expect(patient.locator("main")).to_have_count(1)
    expect(patient.locator('[name="quote.needs"]')).to_have_value("二度は聞けない話")
    record.click()
    expect(patient.locator("#decision")).to_contain_text("二度は聞けない話", timeout=30_000)
    expect(patient.locator("#notice")).to_be_empty()


def test_a_hearing_shows_wherever_the_lead_is_told_of(team: Team, person: Callable[..., Page]) -> None:
    """And the reason that is being written, stays; what was recorded, is not recorded again by the next click."""
    form = {"email": "everywhere@example.co.jp", "company_name": "どこでも株式会社", "employees": 20}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    until_ready_or_not(team.client, lead_id)
    page = person()
    page.goto(f"/leads/{lead_id}")
    page.locator("#why").fill("書きかけの理由")
    page.locator("#status-needs").select_option("confirmed")
    page.locator('[name="quote.needs"]').fill("年内に要る")
    page.get_by_role("button", name="Record").click()
    for part in ("#decision", "#known"):
        expect(page.locator(part)).to_contain_text("年内に要る", timeout=15_000)
    expect(page.locator("#decision")).to_be_focused()
    expect(page.locator("#timeline")).to_contain_text("hearing")
    expect(page.locator('[name="quote.needs"]')).to_have_value("")
    expect(page.locator("#why")).to_have_value("書きかけの理由")


def test_what_is_refused_is_told_in_sight_and_nothing_is_lost(team: Team, patient: Page) -> None:
    form = {"email": "insight@example.co.jp", "company_name": "みえる株式会社"}
    lead_id = team.client.send(ingest.submit_lead(form)).lead_id
    until_ready_or_not(team.client, lead_id)
    patient.set_viewport_size({"width": NARROW["width"], "height": NARROW["height"]})
    patient.goto(f"/leads/{lead_id}")
    patient.locator("#employees").fill("many")
    patient.get_by_role("button", name="Record").click()
    expect(patient.locator("#decision .wrong")).to_be_in_viewport()
    expect(patient.locator("#employees")).to_have_value("many")
    patient.locator("#why").fill("急ぎ")
    patient.get_by_role("button", name="Hand over to sales").click()
    expect(patient.locator("#decision .wrong")).to_contain_text("not ready")
    expect(patient.locator("#decision .wrong")).to_be_in_viewport()
    expect(patient.locator("#why")).to_have_value("急ぎ")


def test_what_a_proxy_says_while_we_are_away_takes_the_place_of_nothing(team: Team, patient: Page) -> None:
    patient.goto(f"/leads/{team.open_lead}")
    patient.locator("#why").fill("急ぎ")
    refused = {"status": 503, "content_type": "text/html", "body": "<h1>a proxy's own words</h1>"}
    patient.route("**/handoff", lambda route: route.fulfill(**refused), times=1)
    patient.get_by_role("button", name="Hand over to sales").click()
    expect(patient.locator("#notice")).to_contain_text("A service cannot be reached.")
    expect(patient.locator("#why")).to_have_value("急ぎ")
    expect(patient.get_by_text("a proxy's own words")).to_have_count(0)


def test_the_board_says_when_it_stands_still(team: Team, patient: Page) -> None:
    """A stream that was refused is asked for again; a browser alone would never do so."""
    refused = {"status": 502, "content_type": "text/html", "body": "a proxy's own words"}
    patient.route("**/live", lambda route: route.fulfill(**refused), times=1)
    patient.goto("/")
    expect(patient.locator("#live-state")).to_have_class("state away")
    expect(patient.locator("#live-state")).to_have_class("state live", timeout=15_000)


ODD = {"long": "W" * 200, "turned": "\u202egnitnirP nrehtuoS"}


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_odd_names_neither_widen_a_page_nor_turn_it_around(
    team: Team, person: Callable[..., Page], viewport: dict[str, int]
) -> None:
    page = person(viewport=viewport)
    for kind, name in ODD.items():
        form = {"email": f"{kind}@example.co.jp", "company_name": name, "last_name": name, "title": name}
        lead_id = team.client.send(ingest.submit_lead(form | {"usage": name})).lead_id
        said = {"needs": {"status": "confirmed", "quote": name}}
        heard = ingest.hearing(lead_id, rep="tanaka", heard_at=datetime.now(UTC), channel="call", answers=said)
        team.client.send(heard)
        until_ready_or_not(team.client, lead_id)
        made = team.client.send(handoff.hand_over(lead_id, rep="tanaka", reason=name, override=name))
        team.client.send(handoff.give_back(made.handoff_id, sales_rep=name, reason="no_need", comment=name))
        for path in (f"/leads/{lead_id}", f"/leads?q={kind}@example.co.jp", f"/handoffs/{made.handoff_id}"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], (kind, path)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"/leads/{lead_id}")
    company, stage = page.locator("h1 > bdi").bounding_box(), page.locator("h1 > small").bounding_box()
    assert company is not None
    assert stage is not None
    assert stage["x"] >= company["x"] + company["width"] - 1, "the stage stands behind the name"


@pytest.fixture(scope="module")
def week(team: Team) -> None:
    """With a week of work in it where images are kept: an empty board shows nothing."""
    if os.environ.get(KEEP_IMAGES):
        told = tasuki(team.system, "demo", "--exit")
        assert told.returncode == 0, told.stderr


def keep_image(page: Page, path: str, name: str) -> None:
    """The page from its top, as far as one looks."""
    IMAGES.mkdir(exist_ok=True)
    kind = path.strip("/").partition("?")[0].partition("/")
    width, height = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    page.screenshot(
        path=IMAGES / f"{(kind[0] or 'board') + ('-one' if kind[1] else '')}-{name}.png",
        full_page=True,
        clip={"x": 0, "y": 0, "width": width, "height": min(height, IMAGE_HEIGHT)},
    )


@pytest.mark.usefixtures("week")
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(("name", "viewport"), [("1440", WIDE), ("390", NARROW)])
def test_every_page_can_be_read_by_everybody(
    team: Team, person: Callable[..., Page], language: str, name: str, viewport: dict[str, int]
) -> None:
    """No finding of axe-core that is serious, and nothing that runs out of the screen."""
    page = person(language=language, viewport=viewport)
    for path in all_paths(team):
        page.goto(path)
        page.wait_for_load_state("load")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        serious = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
        told = [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in serious]
        assert serious == [], f"{path}: {json.dumps(told, ensure_ascii=False)}"
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], f"{path} is too wide"
        if os.environ.get(KEEP_IMAGES) and language == "ja":
            keep_image(page, path, name)
