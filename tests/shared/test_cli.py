"""The command line: what it prints, and what it must never print."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from typer.testing import CliRunner

from shared import terminal
from shared.cli import app, main
from tests.system import ROOT


def test_version() -> None:
    assert CliRunner().invoke(app, ["version"]).stdout.strip() == version("tasuki")


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_ADMIN_KEY", "short-secret")
    monkeypatch.setenv("TASUKI_TIMEZONE", "Asia/Nowhere")
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 1
    assert "TASUKI_ADMIN_KEY" in result.stderr
    assert "TASUKI_TIMEZONE" in result.stderr
    assert "short-secret" not in result.output


def test_migrate_brings_a_given_database_up_to_date(monkeypatch: pytest.MonkeyPatch, empty_database_url: str) -> None:
    monkeypatch.setenv("TASUKI_DATABASE_URL", empty_database_url)
    first = CliRunner().invoke(app, ["migrate"])
    assert first.exit_code == 0, first.output
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    assert asyncio.run(_has_table(empty_database_url, "metrics"))


async def _has_table(url: str, schema: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("select to_regclass($1) is not null", f"{schema}.alembic_version"))
    finally:
        await connection.close()


def test_services_bring_commands_of_their_own() -> None:
    result = CliRunner().invoke(app, ["kpi", "--help"])
    assert result.exit_code == 0, result.output
    assert "verify" in result.stdout
    assert "rebuild" in result.stdout


Command = Callable[..., str]
"""Gives what a command says when it has failed by what its user may mend."""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["tasuki", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        out, err = capsys.readouterr()
        assert out == ""
        return err

    return run


ON_DATABASE = [
    *(("migrate",), ("kpi", "verify"), ("keys", "list"), ("log", "positions")),
    ("log", "seek", "metrics", "0"),
]


@pytest.mark.parametrize("words", ON_DATABASE)
def test_a_database_that_is_away_is_told(said: Command, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("TASUKI_DATABASE_URL", "postgresql://tasuki:hidden-password@127.0.0.1:1/tasuki")
    told = said(*words)
    assert told.startswith("tasuki: the database cannot be reached")
    assert "hidden-password" not in told


@pytest.mark.parametrize("words", ON_DATABASE)
def test_a_database_that_refuses_us_is_told(
    said: Command, monkeypatch: pytest.MonkeyPatch, empty_database_url: str, words: list[str]
) -> None:
    parts = urlsplit(empty_database_url)
    monkeypatch.setenv("TASUKI_DATABASE_URL", parts._replace(path="/nowhere").geturl())
    assert (
        said(*words) == 'tasuki: the database refuses: database "nowhere" does not exist; look at TASUKI_DATABASE_URL\n'
    )


@pytest.mark.parametrize("words", ON_DATABASE[1:])
def test_a_database_that_was_not_migrated_is_told(
    said: Command, monkeypatch: pytest.MonkeyPatch, empty_database_url: str, words: list[str]
) -> None:
    monkeypatch.setenv("TASUKI_DATABASE_URL", empty_database_url)
    assert "run `tasuki migrate`" in said(*words)


def test_a_system_that_does_not_run_is_told(
    said: Command, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    monkeypatch.setenv("TASUKI_METRICS_PORT", str(free_port()))
    monkeypatch.setenv("TASUKI_ADMIN_KEY", "0" * 16)
    assert "does Tasuki run" in said("kpi", "rebuild")


@pytest.mark.parametrize("command", ["run", "up", "migrate"])
def test_a_data_folder_that_cannot_be_used_is_named(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "file" / "data"
    folder.parent.touch()
    told = failed("shared.cli", command, TASUKI_DATA_DIR=str(folder))
    assert told.startswith("tasuki: ")
    assert str(folder) in told
    assert "Not a directory" in told
    assert len(told.splitlines()) == 1


def test_what_prepares_the_start_says_what_to_mend(empty_database_url: str) -> None:
    url = urlsplit(empty_database_url)._replace(path="/nowhere").geturl()
    told = failed("shared.prepare", TASUKI_DATABASE_URL=url, TASUKI_ADMIN_KEY="0" * 16)
    assert told == 'tasuki: the database refuses: database "nowhere" does not exist; look at TASUKI_DATABASE_URL\n'


def test_a_file_of_the_configuration_without_effect_is_told(empty_database_url: str, tmp_path: Path) -> None:
    config = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    (config / "targets.yaml").rename(config / "target.yaml")
    key = {"TASUKI_DATABASE_URL": empty_database_url, "TASUKI_ADMIN_KEY": "0" * 32, "TASUKI_CONFIG_DIR": str(config)}
    command = [sys.executable, "-m", "shared.prepare"]
    ended = subprocess.run(command, cwd=ROOT, env=key, capture_output=True, text=True, check=True, timeout=120)
    said = "target.yaml is no file of the configuration, nobody reads it: did you mean targets.yaml?"
    assert ended.stderr == f"tasuki: {said}\n"


def failed(module: str, *words: str, **environment: str) -> str:
    """What a process says that ends with 1."""
    command = [sys.executable, "-m", module, *words]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    return ended.stderr


@pytest.mark.parametrize("words", [[str(2**63)], ["0", "--partition", str(2**31)]])
def test_a_place_that_no_log_has_is_no_place(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("TASUKI_DATABASE_URL", "postgresql://127.0.0.1:1/tasuki")
    result = CliRunner().invoke(app, ["log", "seek", "metrics", *words])
    assert result.exit_code == 2, result.output
    assert "less than or equal to" in result.output


@pytest.mark.parametrize("defect", [KeyError("a name"), asyncpg.PostgresSyntaxError("a statement of ours")])
def test_a_defect_of_ours_is_not_put_down_to_its_user(defect: Exception) -> None:
    assert terminal.to_mend(defect) is None
