"""What the pages for users tell their readers to write and to run: the loaders take it, and it does what they say."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.metrics.catalogue.compile import compile_catalogue
from shared.client import Client, ingest
from shared.config import load_config
from shared.config.sources import PROVIDERS
from shared.settings import PROCESSES
from tests.conftest import copy_folder, private_folder
from tests.docs.pages import DOCS, PAGES, configuration, configured, secrets_of, translation
from tests.docs.snippets import Snippet, Story, snippets_of
from tests.system import System

COMMENT = re.compile(r"(^|\s+)#.*$", re.MULTILINE)
NOT_RUN_AT_MOST = 6


def name(page: Path) -> str:
    return page.name


@pytest.fixture(scope="module")
def system(prepared_folder: Path, free_port: Callable[[], int]) -> Iterator[System]:
    """One that runs with all that the pages add to the configuration."""
    with private_folder() as folder:
        added = [snippet for page in PAGES for snippet in configured(page)]
        config = configuration(added, folder / "config")
        copy_folder(prepared_folder, folder / "data")
        environment = {"TASUKI_CONFIG_DIR": str(config), **secrets_of(config)}
        with System(folder / "data", free_port, environment, services=PROCESSES) as running:
            yield running


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_shows_does_what_it_says(system: System, page: Path, tmp_path: Path) -> None:
    """The key, and a lead, are at hand, as they are to whoever has been through the quick start."""
    with Client(system.url, system.key) as tasuki:
        lead = tasuki.send(ingest.submit_lead({"email": "reader@example.jp"}))
    story = Story(system, tmp_path, KEY=system.key, LEAD=lead.lead_id)
    for snippet in snippets_of(page):
        story.run(snippet)


@pytest.mark.parametrize("page", [page for page in sorted(DOCS.rglob("*.md")) if configured(page)], ids=name)
def test_what_a_page_adds_to_the_configuration_is_taken(page: Path, tmp_path: Path) -> None:
    config = load_config(configuration(configured(page), tmp_path / "config"))
    assert compile_catalogue(config)


def test_every_piece_of_yaml_says_which_file_it_is_of() -> None:
    fences = [snippet for page in DOCS.rglob("*.md") for snippet in snippets_of(page)]
    assert [str(snippet) for snippet in fences if snippet.language == "yaml" and not snippet.title] == []


def test_every_kpi_can_be_asked_for_as_its_entry_says(system: System, tmp_path: Path) -> None:
    story = Story(system, tmp_path, KEY=system.key)
    asked = [snippet for snippet in snippets_of(DOCS / "kpis.md") if snippet.language == "sh"]
    assert len(asked) > 40
    for snippet in asked:
        story.run(snippet)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_both_languages_show_the_same(page: Path) -> None:
    assert [_bare(one) for one in snippets_of(page)] == [_bare(one) for one in snippets_of(translation(page))]


def _bare(snippet: Snippet) -> tuple[str, str, str]:
    """Without comments, which are translated."""
    return snippet.language, snippet.title, COMMENT.sub("", snippet.text)


def test_little_is_not_run() -> None:
    left_out = [snippet for page in PAGES for snippet in snippets_of(page) if snippet.not_run]
    assert len(left_out) <= NOT_RUN_AT_MOST, [str(snippet) for snippet in left_out]


@pytest.mark.parametrize("page", [DOCS / "sources.md", DOCS / "sources.ja.md"], ids=name)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_kind_of_source_is_told_of(page: Path, provider: str) -> None:
    assert f"`{provider}`" in page.read_text(encoding="utf-8")
