"""The pages for users, in both languages, and the configuration that they tell their readers to write."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.docs.snippets import Snippet, snippets_of
from tests.system import ROOT

DOCS = ROOT / "docs"
PAGES = tuple(
    DOCS / f"{name}.md"
    for name in (
        *("index", "start", "concepts", "sources", "define-a-kpi", "write-a-policy", "console", "operate", "scale"),
        *("security", "faq"),
    )
)
"""In English; `translation` has the Japanese."""


def translation(page: Path) -> Path:
    """The same page in Japanese."""
    return page.with_suffix(".ja.md")


def configuration(snippets: Iterable[Snippet], folder: Path) -> Path:
    """The shipped configuration with what the snippets that are titled `config/...` add to it."""
    shutil.copytree(ROOT / "config", folder)
    for snippet in snippets:
        if snippet.title.startswith("config/"):
            file = folder / snippet.title.removeprefix("config/")
            shipped = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
            merged = _merged(shipped, yaml.safe_load(snippet.text))
            file.write_text(yaml.safe_dump(merged, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return folder


def configured(page: Path) -> list[Snippet]:
    """The snippets of a page that are part of a configuration."""
    return [snippet for snippet in snippets_of(page) if snippet.title.startswith("config/")]


def secrets_of(folder: Path) -> dict[str, str]:
    """A value for each variable with a secret or token that sources.yaml names."""
    sources = yaml.safe_load((folder / "sources.yaml").read_text(encoding="utf-8"))["sources"]
    return {value: "a-secret-of-the-tests" for source in sources for key, value in source.items() if key[-4:] == "_env"}


def _merged(shipped: Any, added: Any) -> Any:
    """Lists grow, entries of the same id are replaced, all else is what was added."""
    if isinstance(shipped, list) and isinstance(added, list):
        ids = {entry["id"] for entry in added if "id" in entry}
        return [entry for entry in shipped if entry.get("id") not in ids or "id" not in entry] + added
    if isinstance(shipped, dict) and isinstance(added, dict):
        return shipped | {key: _merged(shipped.get(key), value) for key, value in added.items()}
    return added
