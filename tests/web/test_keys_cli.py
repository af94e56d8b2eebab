"""`tasuki keys` as an operator uses it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from shared.cli import app
from shared.db import connect
from shared.settings import Settings
from shared.web import list_keys
from shared.web.keys import KeyInfo, KnownKey, digest_of, find_key

Keys = Callable[..., Result]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Keys:
    """Runs the command on a database of its own."""
    monkeypatch.setenv("TASUKI_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(app, ["keys", *words])


def listed(database_url: str) -> dict[str, KeyInfo]:
    async def ask() -> list[KeyInfo]:
        engine = connect(Settings(database_url=database_url), "test")
        try:
            return await list_keys(engine)
        finally:
            await engine.dispose()

    return {key.name: key for key in asyncio.run(ask())}


def found(database_url: str, key: str) -> KnownKey | None:
    async def ask() -> KnownKey | None:
        engine = connect(Settings(database_url=database_url), "test")
        try:
            return await find_key(engine, digest_of(key))
        finally:
            await engine.dispose()

    return asyncio.run(ask())


def test_the_life_of_a_key(keys: Keys, database_url: str) -> None:
    made = keys("create", "dialer", "--scope", "activities:write", "--expires-in", "90d")
    assert made.exit_code == 0, made.output
    first = made.stdout.strip()
    end = listed(database_url)["dialer"].expires_at
    assert end is not None
    assert timedelta(days=89) < end - datetime.now(UTC) <= timedelta(days=90)

    second = keys("rotate", "dialer", "--overlap", "2h").stdout.strip()
    before, now = found(database_url, first), found(database_url, second)
    assert before is not None
    assert now is not None
    assert before.name == now.name == "dialer"
    assert 0 < before.good_for_s <= 7200 < now.good_for_s

    said = keys("list").stdout
    assert [
        word for word in ("dialer", "activities:write", "expires", "last used", "revoked") if word not in said
    ] == []
    assert first not in said
    assert second not in said
    (row,) = [line for line in said.splitlines() if "dialer" in line]
    assert end.isoformat(timespec="seconds") in row

    assert keys("revoke", "dialer").exit_code == 0
    assert found(database_url, first) is None
    assert found(database_url, second) is None
    assert keys("rotate", "dialer").exit_code == 1


def test_a_day_is_good_to_its_end_where_the_business_is(keys: Keys, database_url: str) -> None:
    assert keys("create", "k", "--scope", "admin", "--expires", "2199-01-31").exit_code == 0
    assert listed(database_url)["k"].expires_at == datetime(2199, 1, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["create", "k", "--scope", "admin", "--expires", "2020-01-31"], "good for nothing"),
        (["create", "k", "--scope", "admin", "--expires-in", "0s"], "good for nothing"),
        (["create", "k", "--scope", "admin", "--expires", "tomorrow"], "write it as 2027-01-31"),
        (["create", "k", "--scope", "admin", "--expires", "9999-12-31"], "is no day"),
        (["create", "k", "--scope", "admin", "--expires-in", "90"], "as in 90d or 24h"),
        (["create", "k", "--scope", "admin", "--expires-in", "999999999d"], "as in 90d or 24h"),
        (["create", "k", "--scope", "admin", "--expires-in", "1d", "--expires", "2199-01-31"], "not both"),
        (["create", "k", "--scope", "everything"], "Unknown scope everything"),
        (["rotate", "nobody"], "no key named 'nobody' in use"),
        (["rotate", "nobody", "--overlap", "long"], "as in 90d or 24h"),
        (["revoke", "nobody"], "no key named 'nobody' in use"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(keys: Keys, words: list[str], reason: str) -> None:
    refused = keys(*words)
    assert refused.exit_code == 1
    assert reason in refused.stderr
    assert refused.stdout == ""
