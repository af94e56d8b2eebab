"""Keys that expire, are rotated, and tell when they were last used."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, connect, transaction
from shared.rates import Rate
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web import (
    Access,
    Answer,
    Call,
    Endpoint,
    Problem,
    auth,
    create_app,
    create_key,
    ensure_admin_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from shared.web.endpoint import EVENTS
from shared.web.key_uses import KeyUses
from shared.web.keys import KeyInfo, KeyRefused
from tests.web.conftest import Site, problem, serving

DAY = timedelta(days=1)
LATER = datetime.now(UTC) + 30 * DAY


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = connect(Settings(database_url=database_url), "test")
    yield made
    await made.dispose()


async def sql(engine: AsyncEngine, statement: str, **values: Any) -> None:
    async with transaction(engine) as conn:
        await conn.execute(text(statement), values)


async def let_pass(engine: AsyncEngine, passed: timedelta) -> None:
    """As if so much time had passed for all keys."""
    columns = ("created_at", "expires_at", "last_used_at", "previous_until")
    moved = ", ".join(f"{column} = {column} - cast(:passed as interval)" for column in columns)
    await sql(engine, f"update access.keys set {moved}", passed=passed)  # noqa: S608


async def refusal(access: Access, key: str) -> str:
    with pytest.raises(Problem) as caught:
        await access.caller(f"Bearer {key}")
    assert caught.value.status == 401
    return caught.value.detail


async def shown(engine: AsyncEngine, name: str) -> KeyInfo:
    return next(key for key in await list_keys(engine) if key.name == name)


async def test_an_expired_key_says_so_and_nothing_else(engine: AsyncEngine) -> None:
    key = await create_key(engine, "short", ["leads:read"], expires_at=LATER)
    assert (await Access(engine).caller(f"Bearer {key}")).name == "short"
    assert (await shown(engine, "short")).expires_at == LATER
    await let_pass(engine, 30 * DAY + timedelta(seconds=1))
    assert await refusal(Access(engine), key) == "The API key has expired."
    await revoke_key(engine, "short")
    assert await refusal(Access(engine), key) == "The API key is not known or was revoked."


async def test_an_end_is_kept_to_by_what_is_remembered(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "CACHE_S", 365 * DAY.total_seconds())
    key = await create_key(engine, "soon", ["leads:read"], expires_at=LATER)
    access = Access(engine)
    await access.caller(f"Bearer {key}")
    ((_, until),) = access._known.values()
    assert until <= time.monotonic() + 30 * DAY.total_seconds()


async def test_a_key_that_is_over_already_is_not_made(engine: AsyncEngine) -> None:
    with pytest.raises(KeyRefused, match="good for nothing"):
        await create_key(engine, "past", ["leads:read"], expires_at=datetime.now(UTC) - DAY)


async def test_a_rotated_key_has_two_secrets_for_the_overlap_and_one_name(engine: AsyncEngine) -> None:
    first = await create_key(engine, "k", ["leads:read"])
    second = await rotate_key(engine, "k", overlap=DAY)
    access = Access(engine)
    callers = [await access.caller(f"Bearer {key}") for key in (first, second)]
    assert callers[0] == callers[1], "whose key it is does not change, so Idempotency-Key goes on to hold"
    await let_pass(engine, DAY + timedelta(seconds=1))
    assert await refusal(Access(engine), first) == "The API key has expired."
    assert (await Access(engine).caller(f"Bearer {second}")).name == "k"
    third = await rotate_key(engine, "k", overlap=DAY)
    assert "not known" in await refusal(Access(engine), first)
    await revoke_key(engine, "k")
    for key in (first, second, third):
        assert "not known" in await refusal(Access(engine), key)
    fourth = await create_key(engine, "k", ["kpis:read"])
    assert "not known" in await refusal(Access(engine), second), "what was revoked does not come back with the name"
    assert (await Access(engine).caller(f"Bearer {fourth}")).scopes == {"kpis:read"}


async def test_a_rotation_reaches_those_who_remember_the_old_secret(engine: AsyncEngine) -> None:
    old = await create_key(engine, "k", ["leads:read"])
    warm = Access(engine)
    await warm.caller(f"Bearer {old}")
    new = await rotate_key(engine, "k", overlap=timedelta(0))
    assert (await warm.caller(f"Bearer {new}")).name == "k", "at once"
    warm._known = {digest: (caller, 0.0) for digest, (caller, _) in warm._known.items()}  # as if CACHE_S had passed
    assert await refusal(warm, old) == "The API key has expired."


async def test_the_end_of_a_key_stays_unless_another_is_given(engine: AsyncEngine) -> None:
    first = await create_key(engine, "k", ["leads:read"], expires_at=LATER)
    await rotate_key(engine, "k", overlap=365 * DAY)
    assert (await shown(engine, "k")).expires_at == LATER
    await rotate_key(engine, "k", overlap=365 * DAY, expires_at=LATER + DAY)
    assert (await shown(engine, "k")).expires_at == LATER + DAY
    second = await rotate_key(engine, "k", overlap=365 * DAY, expires_at=LATER + 2 * DAY)
    await let_pass(engine, 33 * DAY)
    assert await refusal(Access(engine), second) == "The API key has expired."
    assert "not known" in await refusal(Access(engine), first)
    with pytest.raises(KeyRefused, match="until when"):
        await rotate_key(engine, "k", overlap=DAY)
    fresh = await rotate_key(engine, "k", overlap=DAY, expires_at=LATER)
    assert (await Access(engine).caller(f"Bearer {fresh}")).name == "k"
    assert await refusal(Access(engine), second) == "The API key has expired.", "no overlap brings it back"


async def test_what_cannot_be_rotated(engine: AsyncEngine) -> None:
    await ensure_admin_key(engine, "an-admin-key-000")
    with pytest.raises(KeyRefused, match="TASUKI_ADMIN_KEY"):
        await rotate_key(engine, "admin", overlap=DAY)
    for name in ("nobody", "revoked"):
        with pytest.raises(KeyRefused, match="no key named"):
            await rotate_key(engine, name, overlap=DAY)
        await create_key(engine, "revoked", ["leads:read"])
        await revoke_key(engine, "revoked")


async def test_no_key_passes_for_somebody_of_an_openid_provider(engine: AsyncEngine) -> None:
    with pytest.raises(KeyRefused, match="oidc:"):
        await create_key(engine, "oidc:tanaka", ["leads:read"])


async def test_an_answer_is_repeated_for_the_new_secret(site: Site) -> None:
    before = await site.key("repeats", "leads:write")
    headers = {"idempotency-key": "rotated-between"}
    first = await site.client.post("/v1/things", json={"name": "x"}, headers=before | headers)
    after = {"authorization": f"Bearer {await rotate_key(site.engine, 'repeats', overlap=DAY)}"}
    again = await site.client.post("/v1/things", json={"name": "x"}, headers=after | headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()


async def test_last_use_is_written_beside_the_requests(engine: AsyncEngine) -> None:
    keys = [await create_key(engine, name, ["leads:read"]) for name in ("used", "unused")]
    old = await rotate_key(engine, "used", overlap=DAY)
    access = Access(engine)
    for key in (keys[0], old, keys[0]):
        await access.caller(f"Bearer {key}")
    assert (await shown(engine, "used")).last_used_at is None, "no request waits for it"
    await access.uses.write()
    first = (await shown(engine, "used")).last_used_at
    assert first is not None
    assert abs(datetime.now(UTC) - first) < DAY
    assert (await shown(engine, "unused")).last_used_at is None


async def test_last_use_is_written_once_a_minute_by_whoever_comes_first(engine: AsyncEngine) -> None:
    await create_key(engine, "k", ["leads:read"])
    at = datetime(2026, 11, 20, 1, tzinfo=UTC)
    replicas = KeyUses(engine), KeyUses(engine)
    for seconds, uses, written in ((0, 0, 0), (59, 1, 0), (60, 0, 60), (30, 1, 60), (150, 1, 150)):
        replicas[uses].note("k", at + timedelta(seconds=seconds))
        await replicas[uses].write()
        assert (await shown(engine, "k")).last_used_at == at + timedelta(seconds=written)


async def test_uses_wait_for_nobody(engine: AsyncEngine) -> None:
    """A row that is locked, here by a rotation that does not end, is left out; the others are written."""
    for name in ("locked", "free"):
        await create_key(engine, name, ["leads:read"])
    uses, at = KeyUses(engine), datetime(2026, 11, 20, 1, tzinfo=UTC)
    uses.note("locked", at)
    uses.note("free", at)
    async with transaction(engine) as conn:
        await conn.execute(text("select 1 from access.keys where name = 'locked' for update"))
        await uses.write()
    assert (await shown(engine, "free")).last_used_at == at
    assert (await shown(engine, "locked")).last_used_at is None


async def test_the_last_uses_are_written_at_the_end(engine: AsyncEngine) -> None:
    await create_key(engine, "k", ["leads:read"])
    uses, at, stop = KeyUses(engine), datetime(2026, 11, 20, 1, tzinfo=UTC), asyncio.Event()
    running = asyncio.create_task(uses.run(stop, Telemetry("test", stream=io.StringIO()).log))
    uses.note("k", at)
    stop.set()
    await running
    assert (await shown(engine, "k")).last_used_at == at


async def test_uses_outlive_an_outage_of_the_database() -> None:
    away = connect(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"), "test")
    uses, logged, stop = KeyUses(away), io.StringIO(), asyncio.Event()
    uses.note("k", datetime(2026, 11, 20, 1, tzinfo=UTC))
    with pytest.raises(DatabaseUnavailable):
        await uses.write()
    assert uses._noted, "to be written later"
    stop.set()
    await uses.run(stop, Telemetry("test", stream=logged).log)
    assert "key_uses_put_off" in logged.getvalue()
    await away.dispose()


async def test_each_key_has_its_own_limit(site: Site) -> None:
    access = Access(site.engine, rate=Rate(3, 3600))
    app = create_app(title="t", endpoints=site.sample.table(), access=access, telemetry=site.telemetry)
    eager, calm = await site.key("eager", "leads:read"), await site.key("calm", "leads:read", "leads:write")
    async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for _ in range(3):
            assert (await client.get("/v1/things", headers=eager)).status_code == 200
        told = await client.get("/v1/things", headers=eager)
        assert problem(told, 429)["type"] == "urn:tasuki:problem:too-many-requests"
        assert 1 <= int(told.headers["retry-after"]) <= 1200
        await rotate_key(site.engine, "eager", overlap=DAY)
        assert (await client.get("/v1/things", headers=eager)).status_code == 429
        new = {"authorization": f"Bearer {await rotate_key(site.engine, 'eager', overlap=DAY)}"}
        assert (await client.get("/v1/things", headers=new)).status_code == 429, "a new secret is no new bucket"
        assert (await client.get("/v1/things", headers=calm)).status_code == 200
        assert (await client.post("/v1/webhooks/x", content=b"x")).status_code == 202
        assert (await client.get("/livez")).status_code == 200


async def test_events_without_an_end_are_for_whom_they_are_as_long_as_the_key_is_good(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "CACHE_S", 0.0)
    told, closed = asyncio.Queue[bytes](), asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        try:
            while True:
                yield await told.get()
        finally:
            closed.set()

    async def follow(_call: Call) -> Answer:
        return Answer(events(), media_type=EVENTS)

    endpoint = Endpoint(
        method="GET",
        path="/v1/told",
        handler=follow,
        scope="kpis:read",
        summary="What is told",
        answers={200: str},
        answer_media_type=EVENTS,
    )
    access = Access(engine, rate=Rate(1, 3600))  # what was let in once is not counted again
    app = create_app(
        title="Told", endpoints=[endpoint], access=access, telemetry=Telemetry("told", stream=io.StringIO())
    )
    headers = {"authorization": f"Bearer {await create_key(engine, 'follower', ['kpis:read'])}"}
    async with serving(app) as url, httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        await told.put(b"data: 1\n\n")
        async with client.stream("GET", "/v1/told") as followed:
            lines = followed.aiter_lines()
            assert [await anext(lines), await anext(lines)] == ["data: 1", ""]
            await told.put(b"data: 2\n\n")
            assert [await anext(lines), await anext(lines)] == ["data: 2", ""]
            await revoke_key(engine, "follower")
            await told.put(b"data: 3\n\n")
            async with asyncio.timeout(5):
                assert [line async for line in lines] == []
                await closed.wait()
