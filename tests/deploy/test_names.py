"""What deploy/ sets is there to be set: a name with a slip in it would be passed over in silence."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.cli import app
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
TAKEN = {f"TASUKI_{name.upper()}" for name in Settings.model_fields}
FILES = sorted(
    path
    for path in [*(ROOT / "deploy").rglob("*"), ROOT / "docs/deployment.md"]
    if path.is_file() and path.suffix not in (".json", ".tpl", ".sh") and not path.is_symlink()
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_setting_that_is_named_is_one(path: Path) -> None:
    named = set(re.findall(r"\bTASUKI_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))
    of_the_owner = {name for name in named if name.startswith(("TASUKI_SECRET_", "TASUKI_TOKEN_", "TASUKI_URL_"))}
    of_make = {name for name in named if name.startswith("TASUKI_REQUIRE_")}
    assert named - of_the_owner - of_make <= TAKEN


@pytest.mark.parametrize("command", [["migrate"], ["topics", "apply"], ["keys", "create"], ["log", "migrate"]])
def test_the_commands_that_are_named_are_there(command: list[str]) -> None:
    assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0
