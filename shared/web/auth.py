"""API keys: random, stored as SHA-256, each with scopes. Schema `access`."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import transaction
from shared.web.endpoint import Caller
from shared.web.problems import unauthorized

SCOPES = (
    "leads:write",
    "leads:read",
    "activities:write",
    "handoffs:write",
    "handoffs:decide",
    "handoffs:override",
    "kpis:read",
    "outreach:read",
    "admin",
)
ADMIN = "admin"
CACHE_S = 3.0
"""How long a revoked key may still be good, and how often a key in use is looked up."""
_CACHE_MAX = 10_000

_LOOK_UP = text("select name, digest, scopes from access.keys where digest = :digest and revoked_at is null")
_PUT = text(
    "insert into access.keys (name, digest, scopes) values (:name, :digest, :scopes)"
    " on conflict (name) do update set digest = excluded.digest, scopes = excluded.scopes, created_at = now(),"
    " revoked_at = null where :replace and keys.digest <> excluded.digest or keys.revoked_at is not null"
    " returning name"
)
_REVOKE = text("update access.keys set revoked_at = now() where name = :name and revoked_at is null returning name")
_LIST = text("select name, scopes, created_at, revoked_at from access.keys order by created_at, name")


class KeyRefused(ValueError):
    """A key that cannot be made or revoked; the message says why."""


class KeyInfo(msgspec.Struct, frozen=True):
    """What may be shown of a key."""

    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


class Access:
    """Tells who calls. Keys in use are remembered for a few seconds, so the hot path asks no database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._asking: dict[bytes, asyncio.Task[Caller | None]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """Who sends this `Authorization` header. Raises Problem 401, DatabaseUnavailable."""
        digest = _digest_of_header(authorization)
        known = self._known.get(digest)
        if known and known[1] > time.monotonic():
            return known[0]
        # Requests that wait for the same key share one query, and it outlives a client that goes away.
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._look_up(digest))
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        caller = await asyncio.shield(task)
        if caller is None:
            raise unauthorized("The API key is not known or was revoked.")
        return caller

    async def _look_up(self, digest: bytes) -> Caller | None:
        async with transaction(self.engine) as conn:
            row = (await conn.execute(_LOOK_UP, {"digest": digest})).one_or_none()
        if row is None or not hmac.compare_digest(row.digest, digest):
            self._known.pop(digest, None)
            return None
        if len(self._known) >= _CACHE_MAX:
            self._known.clear()
        caller = Caller(row.name, frozenset(row.scopes))
        self._known[digest] = (caller, time.monotonic() + CACHE_S)
        return caller


def _digest_of_header(authorization: str | None) -> bytes:
    if not authorization:
        raise unauthorized("Send the header `Authorization: Bearer <api key>`.")
    kind, _, key = authorization.partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise unauthorized("The header must have the form `Authorization: Bearer <api key>`.")
    return digest_of(key.strip())


def digest_of(key: str) -> bytes:
    """What is stored of a key. SHA-256 alone is enough: keys are random, so there is nothing to guess from a list."""
    return hashlib.sha256(key.encode()).digest()


def new_key() -> str:
    """A new random key of 256 bits; its prefix lets log scrubbers and secret scanners find it."""
    return f"tsk_{secrets.token_urlsafe(32)}"


async def create_key(engine: AsyncEngine, name: str, scopes: Sequence[str]) -> str:
    """Make a key and return it: it can be shown only now. Raises KeyRefused, DatabaseUnavailable."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise KeyRefused(f"Unknown scope {', '.join(unknown) or '(none given)'}; there are: {', '.join(SCOPES)}.")
    if name == ADMIN or not 1 <= len(name) <= 100 or not name.isprintable():
        raise KeyRefused(f"{name!r} cannot be the name of a key: 1 to 100 printable characters, not {ADMIN!r}.")
    key = new_key()
    if not await _put(engine, name, key, scopes, replace=False):
        raise KeyRefused(f"There is a key named {name!r} already; revoke it first or take another name.")
    return key


async def ensure_admin_key(engine: AsyncEngine, key: str) -> None:
    """Make `key` the one admin key; an older one is good no longer. Raises DatabaseUnavailable."""
    await _put(engine, ADMIN, key, [ADMIN], replace=True)


async def _put(engine: AsyncEngine, name: str, key: str, scopes: Sequence[str], *, replace: bool) -> bool:
    values = {"name": name, "digest": digest_of(key), "scopes": list(dict.fromkeys(scopes)), "replace": replace}
    async with transaction(engine) as conn:
        return (await conn.execute(_PUT, values)).one_or_none() is not None


async def revoke_key(engine: AsyncEngine, name: str) -> bool:
    """Revoke a key, effective everywhere within CACHE_S seconds. False when there is no such key in use."""
    async with transaction(engine) as conn:
        return (await conn.execute(_REVOKE, {"name": name})).one_or_none() is not None


async def list_keys(engine: AsyncEngine) -> list[KeyInfo]:
    """All keys ever made, oldest first; never the keys themselves."""
    async with transaction(engine) as conn:
        rows = (await conn.execute(_LIST)).all()
    return [KeyInfo(row.name, tuple(row.scopes), row.created_at, row.revoked_at) for row in rows]
