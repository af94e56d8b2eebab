"""What `tasuki doctor` finds in a database that is not well: each finding with what to do."""

import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.db import dsn
from shared.doctor.command import examine
from shared.doctor.finding import Finding, State
from shared.settings import Settings

CONFIG = Path(__file__).parents[2] / "config"
Findings = Callable[..., Awaitable[list[Finding]]]


@pytest.fixture
def findings(database_url: str, tmp_path: Path) -> Findings:
    """`await findings(sql, ...)`: what is found once these statements have been run."""

    async def found(*statements: str, **settings: object) -> list[Finding]:
        conn = await asyncpg.connect(dsn(database_url))
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()
        told = Settings(database_url=database_url, data_dir=tmp_path, **settings)  # type: ignore[arg-type]
        return [finding async for finding in examine(told)]

    return found


def of(area: str, found: list[Finding], state: State) -> list[Finding]:
    assert all(finding.do for finding in found if finding.state is not State.OK)
    return [finding for finding in found if finding.area == area and finding.state is state]


async def test_a_fresh_database_has_no_key_and_is_well_otherwise(findings: Findings) -> None:
    found = await findings()
    assert [f.what for f in of("keys", found, State.WRONG)] == ["0 API keys are good"]
    for area in ("database", "schemas", "log", "waiting"):
        assert of(area, found, State.OK)
        assert not of(area, found, State.WRONG) + of(area, found, State.WATCH)


async def test_what_waits_is_told(findings: Findings) -> None:
    found = await findings(
        "insert into ingest.outbox (topic, key, headers, value, created_at)"
        " values ('tasuki.leads.v1', 'k', '', '', now() - interval '1 hour')",
        "insert into ingest.quarantine (source, received_at, content_type, body, errors)"
        " values ('website', now(), 'text/plain', '', '[]')",
        'insert into metrics.dead_letters (id, topic, partition, "offset", headers, appended_at, reason, error, at)'
        " values (gen_random_uuid(), 't', 0, 0, '', now(), 'malformed', 'x', now())",
    )
    watched = " ".join(finding.what for finding in of("waiting", found, State.WATCH))
    assert re.search(r"ingest: 1 events to publish, the oldest 3,6\d\d s old", watched)
    assert "1 webhook bodies in quarantine" in watched
    assert "metrics: 1 dead letters" in watched


async def test_a_key_that_ends_soon_is_told_and_one_that_ended_is_not_counted(findings: Findings) -> None:
    found = await findings(
        "insert into access.keys (name, digest, scopes, expires_at) values"
        " ('soon', sha256('a'), '{admin}', now() + interval '3 days'),"
        " ('later', sha256('b'), '{admin}', now() + interval '90 days'),"
        " ('over', sha256('c'), '{admin}', now() - interval '1 day')"
    )
    assert [f.what for f in of("keys", found, State.OK)] == ["2 API keys are good"]
    (soon,) = of("keys", found, State.WATCH)
    assert soon.what.startswith("soon ends on ")


async def test_a_schema_that_is_too_old_is_told_and_nothing_else_is_asked_of_it(findings: Findings) -> None:
    found = await findings("update handoff.alembic_version set version_num = '0001'")
    (old,) = of("schemas", found, State.WRONG)
    assert "tasuki migrate" in old.what
    assert not of("log", found, State.OK)


async def test_a_log_that_is_older_than_the_positions_is_told(findings: Findings) -> None:
    found = await findings(
        "insert into metrics.positions (topic, partition, next_offset) values ('tasuki.leads.v1', 0, 7)"
    )
    (lost,) = of("log", found, State.WRONG)
    assert "tasuki.leads.v1/0" in lost.what


async def test_a_transaction_without_end_and_lost_durability_are_told(
    findings: Findings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.doctor.database._LONG_S", -1)
    name = urlsplit(database_url).path[1:]
    found = await findings(f'alter database "{name}" set synchronous_commit = off')
    assert any("synchronous_commit off" in f.what for f in of("database", found, State.WRONG))
    assert any("longest transaction" in f.what for f in of("database", found, State.WATCH))


async def test_a_mail_server_and_a_provider_that_do_not_answer_are_told(
    findings: Findings, free_port: Callable[[], int]
) -> None:
    port = free_port()
    found = await findings(
        smtp_url=f"smtp://user:hidden-word@127.0.0.1:{port}",
        oidc_issuer=f"http://127.0.0.1:{port}",
        oidc_audience="tasuki",
    )
    said = " ".join(f.what for f in of("providers", found, State.WRONG))
    assert f"the mail server 127.0.0.1:{port} does not answer" in said
    assert "openid-configuration cannot be used" in said
    assert "hidden-word" not in str(found)


async def test_who_is_named_and_stands_in_no_team_is_told(findings: Findings, tmp_path: Path) -> None:
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    assert "all members that are named stand in team.yaml" in told(await findings(config_dir=config))
    policy = config / "policies" / "default.yaml"
    policy.write_text(policy.read_text().replace("members: [sato]", "members: [stao]"))
    targets = config / "targets.yaml"
    targets.write_text(targets.read_text() + "- {kpi: calls, member: tanaak, period: 2027-01, value: 400}\n")
    said = told(await findings(config_dir=config))
    assert "not in team.yaml: stao (policies/default.yaml, smb), tanaak (targets.yaml)" in said


async def test_a_file_of_the_configuration_that_nobody_reads_is_told(findings: Findings, tmp_path: Path) -> None:
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    (config / "targets.yaml").rename(config / "targets.yml")
    (found,) = of("configuration", await findings(config_dir=config), State.WATCH)
    assert found.what == "targets.yml is no file of the configuration, nobody reads it: did you mean targets.yaml?"


def told(found: list[Finding]) -> list[str]:
    return [finding.what for finding in found if finding.area == "configuration"]
