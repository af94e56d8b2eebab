"""contract/http.md "Auth": who gets in, with which scope, and what is kept of keys."""

import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, connect, transaction
from shared.settings import Settings
from shared.web import SCOPES, Access, Problem, create_key, ensure_admin_key, list_keys, revoke_key
from shared.web.keys import KeyRefused
from tests.web.conftest import Site, problem


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer wrong",
        "Bearer \xe9",
        "bearer  x y",
        "an-admin-key-of-the-tests",
    ],
)
async def test_missing_or_wrong_key_gets_401(site: Site, header: str | None) -> None:
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
        headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
        response = await client.get("/v1/things", headers=headers)
    problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scope", SCOPES)
async def test_scope_matrix(site: Site, scope: str) -> None:
    """Every endpoint of the table with a key of every single scope: in exactly where the scope is the one needed."""
    headers = await site.key(f"matrix {scope}", scope)
    for endpoint in site.sample.table():
        if endpoint.path in ("/v1/slow", "/v1/failing"):
            continue
        path = endpoint.path.replace("{id}", "1").replace("{source}", "x")
        response = await site.client.request(endpoint.method, path, headers=headers)
        if endpoint.scope in (None, scope) or scope == "admin":
            assert response.status_code not in (401, 403), endpoint.path
        else:
            assert problem(response, 403)["scope"] == endpoint.scope


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs"])
async def test_open_paths_need_no_key(site: Site, path: str) -> None:
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
        assert (await client.get(path)).status_code == 200


async def test_keys_are_random_and_only_their_digest_is_stored(site: Site) -> None:
    key = await create_key(site.engine, "stored", ["leads:read"])
    assert len(key) >= 4 + 43
    assert key != await create_key(site.engine, "stored 2", ["leads:read"])
    async with transaction(site.engine) as conn:
        row = (
            await conn.execute(text("select keys::text as whole, digest from access.keys where name = 'stored'"))
        ).one()
    assert row.digest == hashlib.sha256(key.encode()).digest()
    assert key not in row.whole


async def test_names_are_taken_until_revoked(site: Site) -> None:
    await create_key(site.engine, "twice", ["leads:read"])
    with pytest.raises(KeyRefused, match="already"):
        await create_key(site.engine, "twice", ["leads:read"])
    assert await revoke_key(site.engine, "twice")
    assert not await revoke_key(site.engine, "twice")
    await create_key(site.engine, "twice", ["kpis:read"])
    listed = {key.name: key for key in await list_keys(site.engine)}
    assert listed["twice"].scopes == ("kpis:read",)
    assert listed["twice"].revoked_at is None


@pytest.mark.parametrize(
    ("name", "scopes"), [("x", ["leads"]), ("x", []), ("admin", ["admin"]), ("", ["admin"]), ("a\n", ["admin"])]
)
async def test_keys_that_make_no_sense_are_refused(site: Site, name: str, scopes: list[str]) -> None:
    with pytest.raises(KeyRefused):
        await create_key(site.engine, name, scopes)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = connect(Settings(database_url=database_url), "test")
    yield made
    await made.dispose()


async def test_a_new_admin_key_replaces_the_old_one(engine: AsyncEngine) -> None:
    await ensure_admin_key(engine, "first-admin-key-0001")
    await ensure_admin_key(engine, "second-admin-key-002")
    await ensure_admin_key(engine, "second-admin-key-002")
    access = Access(engine)
    assert (await access.caller("Bearer second-admin-key-002")).may("leads:read")
    with pytest.raises(Problem, match="401"):
        await access.caller("Bearer first-admin-key-0001")
    assert len(await list_keys(engine)) == 1


async def test_revoked_key_is_good_no_longer_than_the_cache(engine: AsyncEngine) -> None:
    key = await create_key(engine, "gone", ["leads:read"])
    warm = Access(engine)
    await warm.caller(f"Bearer {key}")
    await revoke_key(engine, "gone")
    with pytest.raises(Problem, match="401"):
        await Access(engine).caller(f"Bearer {key}")
    warm._known = {digest: (caller, 0.0) for digest, (caller, _) in warm._known.items()}  # as if CACHE_S had passed
    with pytest.raises(Problem, match="401"):
        await warm.caller(f"Bearer {key}")


async def test_database_that_is_away_is_not_a_wrong_key() -> None:
    engine = connect(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"), "test")
    with pytest.raises(DatabaseUnavailable):
        await Access(engine).caller("Bearer some-key")
    await engine.dispose()
