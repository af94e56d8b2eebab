"""Generated files are committed and current, and a mistake in them is noticed."""

from pathlib import Path

import msgspec
import pytest

from docs import generate
from docs.event_examples import EVENT_EXAMPLES
from shared.config import load_config
from shared.events import TYPES, decode_data, encode_data


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


@pytest.mark.parametrize("name", TYPES)
def test_each_event_has_an_example_that_is_one(name: str) -> None:
    example = EVENT_EXAMPLES[name]
    data = decode_data(name, msgspec.json.encode(example))
    assert msgspec.json.decode(encode_data(data)).keys() == example.keys() - _DEFAULTS.get(name, set())


_DEFAULTS = {"lead-created": {"via"}}
"""What an example names although it says what is meant without it: then it is not written."""


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
