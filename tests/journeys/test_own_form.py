"""A company's own form, as its visitors use it: a real browser, a page of another origin, and ingest."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.faults.client import Client
from tests.needs import chromium
from tests.system import ROOT, System
from tests.website import Website, answer

FORM = """<!doctype html><meta charset="utf-8"><title>お問い合わせ</title>
<form method="post" action="{ingest}/v1/webhooks/website">
<input name="メールアドレス"><input name="会社名"><button>送信</button></form>
<output></output>
<script>
async function post(fields) {{
  const said = document.querySelector("output");
  try {{
    const answer = await fetch("{ingest}/v1/webhooks/web-json", {{
      method: "POST", headers: {{"Content-Type": "application/json"}}, body: JSON.stringify(fields)
    }});
    said.textContent = answer.status + " " + ((await answer.json()).lead_id ?? "none");
  }} catch (error) {{ said.textContent = error.name; }}
}}
</script>"""
THANKS = "<!doctype html><meta charset='utf-8'><title>ありがとうございました</title>"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[tuple[System, Website]]:
    """Its website, and the ingest that takes its forms."""
    folder = tmp_path_factory.mktemp("own-form")
    with Website({"/thanks": answer(THANKS, content_type="text/html; charset=utf-8")}) as website:
        config = _configured(folder / "config", website.url)
        environment = {"TASUKI_CONFIG_DIR": str(config)}
        with System(folder / "data", free_port, environment, services=["ingest"]) as system:
            form = FORM.format(ingest=system.url["ingest"])
            website.pages["/form"] = answer(form, content_type="text/html; charset=utf-8")
            yield system, website


def _configured(config: Path, website: str) -> Path:
    shutil.copytree(ROOT / "config", config)
    sources = config / "sources.yaml"
    said = f"    unsigned: true\n    origins: ['{website}']\n    thanks_url: {website}/thanks\n"
    sources.write_text(sources.read_text(encoding="utf-8").replace("    unsigned: true\n", said), encoding="utf-8")
    return config


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_a_visitor_sends_it_with_and_without_a_script(company: tuple[System, Website], page: Page) -> None:
    system, website = company
    client = Client(system)
    page.goto(f"{website.url}/form")
    page.locator("[name=メールアドレス]").fill("mei@acme.co.jp")
    page.locator("[name=会社名]").fill("株式会社アクメ")
    page.locator("button").click()
    expect(page).to_have_title("ありがとうございました")
    assert page.url == f"{website.url}/thanks"
    (lead,) = client.get("ingest", "/v1/leads?email=mei@acme.co.jp")["items"]

    page.goto(f"{website.url}/form")
    page.evaluate("post({email: 'mei@acme.co.jp', title: '部長'})")
    expect(page.locator("output")).to_have_text(f"202 {lead['lead_id']}")
    page.evaluate("post({email: 'no address'})")
    expect(page.locator("output")).to_have_text("422 none")

    page.goto(f"{website.url.replace('127.0.0.1', 'localhost')}/form")  # a page that sources.yaml does not name
    page.evaluate("post({email: 'may@acme.co.jp'})")
    expect(page.locator("output")).to_have_text("TypeError")
    assert client.get("ingest", "/v1/leads?email=may@acme.co.jp")["items"] == []
    client.close()
