"""The README's calls, run as they stand there against a running system: the answers must be those that it shows."""

from pathlib import Path

from tests.docs.snippets import Story, snippets_of
from tests.system import ROOT, System

SNIPPETS = snippets_of(ROOT / "README.md")


def test_there_are_five_calls() -> None:
    assert sum(len(snippet.calls()) for snippet in SNIPPETS) == 5


def test_every_snippet_does_what_the_readme_says(system: System, tmp_path: Path) -> None:
    story = Story(system, tmp_path)
    for snippet in SNIPPETS:
        if snippet.language:  # the others are drawings
            story.run(snippet)


def test_little_is_not_run() -> None:
    assert [str(snippet) for snippet in SNIPPETS if snippet.not_run] == ["README.md:11"]
