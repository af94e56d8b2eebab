"""The documentation as a site: it builds without a warning, leads nowhere into the void, and asks no other server."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from xml.etree import ElementTree

import pytest

from tests.docs.pages import DOCS, PAGES, translation
from tests.system import ROOT

HOST = "https://site.example"
LOADED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("object", "data"), ("video", "src")}
LINKS_THAT_LOAD = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest"}
IN_STYLES = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])(?!data:)([^'")]+)""")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SHAPE = re.compile(r"^#+(?= )|!\[|^\|(?=-)", re.MULTILINE)
"""Headings, pictures and tables."""
JAPANESE = r"[ぁ-んァ-ヶ一-龠。、）」]"


class Page(HTMLParser):
    """What a page holds: ids that may be led to, links, and what a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids = {""}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.ids |= {said.get("id", "")}
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        if tag == "link" and LINKS_THAT_LOAD & set(said.get("rel", "").split()):
            self.loaded.append(said["href"])
        self.loaded += [value for name, value in said.items() if (tag, name) in LOADED]
        self.loaded += IN_STYLES.findall(said.get("style", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Every page by its address."""
    found = {}
    for file in site.rglob("*.html"):
        path = file.relative_to(site).as_posix()
        address = f"{HOST}/{path.removesuffix('index.html')}"
        found[address] = Page(file.read_text(encoding="utf-8"))
    return found


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    lost = []
    for address, page in pages.items():
        for link in page.links + page.loaded:
            target, anchor = urldefrag(urljoin(address, link))
            if not target.startswith(HOST) or address.endswith("/404.html"):  # which may stand for any address
                continue
            if target in pages:
                found = unquote(anchor) in pages[target].ids
            else:
                found = (site / unquote(urlsplit(target).path).lstrip("/")).is_file()
            if not found:
                lost.append((address, link))
    assert lost == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    loaded = [(address, urljoin(address, one)) for address, page in pages.items() for one in page.loaded]
    assert len(loaded) > len(pages)
    for style in (*site.rglob("*.css"), *site.rglob("*.svg")):
        address = f"{HOST}/{style.relative_to(site)}"
        text = style.read_text(encoding="utf-8")
        loaded += [(address, urljoin(address, one)) for one in IN_STYLES.findall(text)]
    assert [(address, one) for address, one in loaded if not one.startswith((HOST, "data:"))] == []
    mermaid = "material's script fetches mermaid from elsewhere where a page has such a drawing"
    assert [a for a in site.rglob("*.html") if 'class="mermaid"' in a.read_text(encoding="utf-8")] == [], mermaid


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_both_languages_have_the_same_headings_and_pictures(page: Path) -> None:
    """And a Japanese paragraph is one line: a line's end would show as a space between letters."""
    english, japanese = (
        SHAPE.findall(CODE.sub("", file.read_text(encoding="utf-8"))) for file in (page, translation(page))
    )
    assert english == japanese
    assert not re.findall(rf"{JAPANESE}\n *{JAPANESE}", translation(page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("picture", sorted(DOCS.glob("img/*.svg")), ids=lambda picture: picture.name)
def test_a_picture_says_what_it_shows_and_is_there_in_both_languages(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()  # noqa: S314 - our own file
    words = {child.tag.rpartition("}")[2]: child.text or "" for child in root if child.get("id") in ("title", "desc")}
    assert root.get("role") == "img"
    assert len(words["title"]) > 3
    assert len(words["desc"]) > 30
    name = picture.name.removesuffix(".svg").removesuffix(".ja")
    assert {f"{name}.svg", f"{name}.ja.svg"} <= {other.name for other in picture.parent.iterdir()}


def test_every_page_for_users_is_there_in_japanese(pages: dict[str, Page]) -> None:
    for page in PAGES:
        path = "" if page.stem == "index" else f"{page.stem}/"
        assert f"{HOST}/{path}" in pages
        assert f"{HOST}/ja/{path}" in pages
