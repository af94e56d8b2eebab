"""Each vendor's tag is found in a page that holds it alone, with its id, and nothing else is."""

from pathlib import Path

import pytest

from services.ingest.tags.find import IDS_MAX, find_tags, read_signatures, shipped_signatures
from shared.config import ConfigError
from shared.config.document import Document
from shared.config.yaml import parse
from tests.system import ROOT

PAGES = Path(__file__).parent / "pages"
HEX32 = "0123456789abcdef0123456789abcdef"
UUID = "01234567-89ab-cdef-0123-456789abcdef"
EXPECTED = {
    "active_campaign": ["active_campaign:123456789"],
    "adobe_analytics": ["adobe_analytics:tasukiprod"],
    "adobe_dtm": ["adobe_dtm:0123456789abcdef0123456789abcdef01234567"],
    "adobe_launch": ["adobe_launch:0a1b2c3d4e5f"],
    "bdash": ["bdash:bd-tsk001"],
    "bing_ads": ["bing_ads:12345678"],
    "bownow": ["bownow:UTC_0123456789abcdef0123"],
    "clarity": ["clarity:tsk0clarity"],
    "cloudflare_web_analytics": [f"cloudflare_web_analytics:{HEX32}"],
    "criteo": ["criteo:12345"],
    "eloqua": ["eloqua:1234567"],
    "floodlight": ["floodlight:DC-1234567"],
    "fullstory": ["fullstory:o-TSK-na1"],
    "ga4": ["ga4:G-TASUKI0001"],
    "google_ads": ["google_ads:987654321", "google_ads:AW-123456789"],
    "google_tag": ["google_tag:GT-TSK00001"],
    "gtm": ["gtm:GTM-TSK0001"],
    "hotjar": ["hotjar:1234567"],
    "hubspot": ["hubspot:1234567"],
    "intercom": ["intercom:tsk00001"],
    "kairos3": ["kairos3:tasuki"],
    "karte": [f"karte:{HEX32}"],
    "line_tag": [f"line_tag:{UUID}"],
    "linkedin_insight": ["linkedin_insight:765432"],
    "list_finder": ["list_finder:LFT-12345-1"],
    "marketo": ["marketo:123-TSK-456"],
    "matomo": ["matomo:7"],
    "meta_pixel": ["meta_pixel:123456789012345"],
    "mixpanel": [f"mixpanel:{HEX32}"],
    "mouseflow": [f"mouseflow:{UUID}"],
    "optimizely": ["optimizely:12345678901"],
    "pardot": ["pardot:123456", "pardot_campaign:7890"],
    "plausible": ["plausible"],
    "salesforce_marketing_cloud": ["salesforce_marketing_cloud:1234567"],
    "satori": ["satori:0a1b2c3d"],
    "tealium": ["tealium:tasuki/main"],
    "tiktok_pixel": ["tiktok_pixel:TSK0123456789ABCDEFG"],
    "universal_analytics": ["universal_analytics:UA-12345-6"],
    "user_heat": ["user_heat:uhTaSuKi01"],
    "vwo": ["vwo:123456"],
    "x_pixel": ["x_pixel:tsk01"],
    "yahoo_japan_ads": ["yahoo_japan_ads:1000123456"],
    "yahoo_japan_tag_manager": ["yahoo_japan_tag_manager:Tsk0001"],
    "zendesk": [f"zendesk:{UUID}"],
}


def found(html: str) -> list[str]:
    return find_tags(html, shipped_signatures())


@pytest.mark.parametrize("vendor", EXPECTED)
def test_a_vendors_page(vendor: str) -> None:
    html = (PAGES / f"{vendor}.html").read_text(encoding="utf-8")
    assert found(html) == EXPECTED[vendor]
    assert found(f"<!doctype html><body><!-- {html.replace('<!--', '')} --></body>") == [], "in a comment"
    assert found(f"<template>{html}</template>") == [], "in a template"
    assert found(f"<pre>{html.replace('<', '&lt;')}</pre>") == [], "as a text to read"


def test_every_vendor_has_its_page() -> None:
    told = {entry.partition(":")[0] for entries in EXPECTED.values() for entry in entries}
    assert told == {signature.id for signature in shipped_signatures()}
    assert {page.stem for page in PAGES.iterdir()} == EXPECTED.keys()


def test_all_pages_together_tell_all_tags() -> None:
    html = "\n".join(page.read_text(encoding="utf-8") for page in PAGES.iterdir())
    assert found(html) == sorted(entry for entries in EXPECTED.values() for entry in entries)


def test_a_page_without_tags_has_none() -> None:
    assert found("<html><body><h1>GTM-ABC123 と UA-1234-5</h1><a href='https://js.hs-scripts.com/1.js'></a>") == []
    assert found("") == []


@pytest.mark.parametrize(
    ("code", "tags"),
    [
        ("src: `//js.hs-scripts.com/${hubspot.accountId}.js`,", []),
        ("window.paAId = '737633'\nwindow.piCId = '1883'", ["pardot_campaign:1883"]),
        (r'{"u":"https:\/\/www.googletagmanager.com\/gtag\/js?id=G-ABCDEF1234"}', ["ga4:G-ABCDEF1234"]),
        ("Munchkin.init('123-ABC-456'); /* Munchkin.init('999-OLD-999') */", ["marketo:123-ABC-456"]),
        ("fbq('init', '{{pixel}}')", []),
        ("var shoe = 'G-SHOCK'; var room = 'AW-12';", []),
    ],
)
def test_code(code: str, tags: list[str]) -> None:
    assert found(f"<script>{code}</script>") == tags


def test_a_page_with_a_million_ids_tells_some() -> None:
    code = ",".join(f"'GTM-{number:07}'" for number in range(1000))
    assert len(found(f"<script>{code}</script>")) == IDS_MAX


def document(text: str) -> Document:
    data, lines = parse(text, "signatures.yaml")
    return Document(data, "signatures.yaml", lines)


@pytest.mark.parametrize(
    ("entry", "line", "reason"),
    [
        (r"{id: a, name: A, find: ['(a)\1']}", 2, "none of RE2"),
        ("{id: a, name: A, find: ['(?=a)']}", 2, "none of RE2"),
        ("{id: A b, name: A, find: [a]}", 2, "id"),
        ("{id: a, name: A, find: [a], more: 1}", 2, "more"),
    ],
)
def test_a_signature_that_is_wrong_is_told_with_its_line(entry: str, line: int, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as told:
        read_signatures(document(f"vendors:\n  - {entry}\n"))
    assert told.value.line == line


def test_a_vendor_stands_once() -> None:
    twice = "vendors:\n  - {id: a, name: A, find: [a]}\n  - {id: a, name: B, find: [b]}\n"
    with pytest.raises(ConfigError, match="twice"):
        read_signatures(document(twice))


def test_the_documentation_lists_every_vendor() -> None:
    page = (ROOT / "docs" / "tags.md").read_text(encoding="utf-8")
    examples = {entry.partition(":")[0]: entry for entries in EXPECTED.values() for entry in reversed(entries)}
    for signature in shipped_signatures():
        assert f"| {signature.name} | `{examples[signature.id]}` |\n" in page


def test_a_number_that_nobody_can_read_hides_no_tag() -> None:
    tag = '<script src="https://www.googletagmanager.com/gtm.js?id=GTM-TSK0001"></script>'
    image = f'<img src="&#{"9" * 5_000};">'
    assert find_tags(image + tag, shipped_signatures()) == ["gtm:GTM-TSK0001"]
