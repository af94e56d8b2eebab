"""Generated files are committed and current, and a mistake in them is noticed."""

from pathlib import Path

import pytest

from docs import generate
from shared.config import load_config


@pytest.mark.parametrize("path", generate.GENERATED)
def test_is_current(path: str) -> None:
    assert (generate.ROOT / path).read_text(encoding="utf-8") == generate.GENERATED[path](), "run `make generate`"


def test_an_old_file_fails_the_check_and_is_written_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "GENERATED", {"page.md": lambda: "new\n"})
    (tmp_path / "page.md").write_text("old\n")
    assert generate.main(["--check"]) == 1
    assert "make generate" in capsys.readouterr().err
    assert (tmp_path / "page.md").read_text() == "old\n"
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_each_kpi_has_its_heading_and_the_query_and_series_of_its_own() -> None:
    page = (generate.ROOT / "docs/kpis.md").read_text(encoding="utf-8")
    config = load_config(generate.ROOT / "config")
    sections = {section.split("\n", 1)[0]: section for section in page.split("\n## ")[1:]}
    assert list(sections) == [kpi["id"] for kpi in config.kpis.data["kpis"]]
    for kpi, section in sections.items():
        assert f"/v1/kpis/{kpi}/values?grain=month" in section
        assert f'tasuki_kpi_value{{kpi="{kpi}", period="this_month", dimension="' in section


def test_a_formula_names_the_facts_and_the_parts() -> None:
    page = (generate.ROOT / "docs/kpis.md").read_text(encoding="utf-8")
    assert "Formula: number of calls and touches with type `call` and direction `outbound`.\n" in page
    assert "Formula: [connects](#connects) / [calls](#calls); null where the denominator is 0.\n" in page
