"""The command line: what it prints, and what it must never print."""

import asyncio
from importlib.metadata import version

import asyncpg
import pytest
from typer.testing import CliRunner

from shared.cli import app


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
