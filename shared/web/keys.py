"""API keys: random, stored as SHA-256, each with a name, scopes and perhaps an end. Schema `access`.

A name has one secret, and after a rotation for a while the one before, too. The times are the database's, so that a key
ends for all replicas at once.
"""

import hashlib
import hmac
import math
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import transaction
from shared.web.scopes import ADMIN, SCOPES

OIDC_PREFIX = "oidc:"
"""How the names of callers begin whom an OpenID provider knows: no key may pass for one of them."""

_LOOK_UP = text(
    "select name, scopes, now() as at,"
    " case when digest = :digest then digest else previous_digest end as digest,"
    " extract(epoch from case when digest = :digest then expires_at else previous_until end - now()) as good_for_s"
    " from access.keys where (digest = :digest or previous_digest = :digest) and revoked_at is null"
    " order by digest = :digest desc limit 1"
)
_PUT = text(
    "insert into access.keys (name, digest, scopes, expires_at) values (:name, :digest, :scopes, :expires_at)"
    " on conflict (name) do update set digest = excluded.digest, scopes = excluded.scopes, created_at = now(),"
    " expires_at = excluded.expires_at, revoked_at = null, last_used_at = null, previous_digest = null,"
    " previous_until = null where :replace and keys.digest <> excluded.digest or keys.revoked_at is not null"
    " returning name"
)
_IN_USE = text(
    "select coalesce(expires_at <= now(), false) as expired from access.keys"
    " where name = :name and revoked_at is null for update"
)
_ROTATE = text(
    "update access.keys set previous_digest = digest, previous_until = least(now() + :overlap, expires_at),"
    " digest = :digest, expires_at = coalesce(:expires_at, expires_at) where name = :name"
)
_REVOKE = text("update access.keys set revoked_at = now() where name = :name and revoked_at is null returning name")
_LIST = text(
    "select name, scopes, created_at, expires_at, last_used_at, revoked_at from access.keys order by created_at, name"
)


class KeyRefused(ValueError):
    """A key that cannot be made, rotated or revoked; the message says why."""


class KeyInfo(msgspec.Struct, frozen=True):
    """What may be shown of a key. `last_used_at` is right to about a minute."""

    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class KnownKey(NamedTuple):
    """A key that is not revoked. It is good for `good_for_s` seconds (not above 0: it has expired) after `at`."""

    name: str
    scopes: frozenset[str]
    good_for_s: float
    at: datetime


def digest_of(key: str) -> bytes:
    """What is stored of a key. SHA-256 alone is enough: keys are random, so there is nothing to guess from a list."""
    return hashlib.sha256(key.encode()).digest()


def new_key() -> str:
    """A new random key of 256 bits; its prefix lets log scrubbers and secret scanners find it."""
    return f"tsk_{secrets.token_urlsafe(32)}"


async def find_key(engine: AsyncEngine, digest: bytes) -> KnownKey | None:
    """The key with that digest, also where it is the secret before a rotation. Raises DatabaseUnavailable."""
    async with transaction(engine) as conn:
        row = (await conn.execute(_LOOK_UP, {"digest": digest})).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    good_for_s = math.inf if row.good_for_s is None else float(row.good_for_s)
    return KnownKey(row.name, frozenset(row.scopes), good_for_s, row.at)


async def create_key(
    engine: AsyncEngine, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
) -> str:
    """Make a key and return it: it can be shown only now. Raises KeyRefused, DatabaseUnavailable."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise KeyRefused(f"Unknown scope {', '.join(unknown) or '(none given)'}; there are: {', '.join(SCOPES)}.")
    if name == ADMIN or name.startswith(OIDC_PREFIX) or not 1 <= len(name) <= 100 or not name.isprintable():
        raise KeyRefused(
            f"{name!r} cannot be the name of a key: 1 to 100 printable characters, not {ADMIN!r} nor {OIDC_PREFIX}..."
        )
    _check_end(expires_at)
    key = new_key()
    if not await _put(engine, name, key, scopes, expires_at=expires_at, replace=False):
        raise KeyRefused(f"There is a key named {name!r} already; rotate or revoke it, or take another name.")
    return key


async def ensure_admin_key(engine: AsyncEngine, key: str) -> None:
    """Make `key` the one admin key; an older one is good no longer. Raises DatabaseUnavailable."""
    await _put(engine, ADMIN, key, [ADMIN], expires_at=None, replace=True)


async def _put(
    engine: AsyncEngine, name: str, key: str, scopes: Sequence[str], *, expires_at: datetime | None, replace: bool
) -> bool:
    values = {"name": name, "digest": digest_of(key), "scopes": list(dict.fromkeys(scopes))}
    async with transaction(engine) as conn:
        put = await conn.execute(_PUT, values | {"expires_at": expires_at, "replace": replace})
        return put.one_or_none() is not None


async def rotate_key(engine: AsyncEngine, name: str, *, overlap: timedelta, expires_at: datetime | None = None) -> str:
    """Give a name a new secret and return it; the one before stays good for `overlap`, one before that no longer.

    expires_at: when the new secret ends; None: when the old one would have. Raises KeyRefused, DatabaseUnavailable.
    """
    if name == ADMIN:
        raise KeyRefused("The admin key is what TASUKI_ADMIN_KEY says: change that and start anew.")
    _check_end(expires_at)
    key = new_key()
    async with transaction(engine) as conn:
        row = (await conn.execute(_IN_USE, {"name": name})).one_or_none()
        if row is None:
            raise KeyRefused(f"There is no key named {name!r} in use; `tasuki keys list` shows them.")
        if row.expired and expires_at is None:
            raise KeyRefused(f"The key {name!r} has expired; say until when the new one is to be good.")
        values = {"name": name, "digest": digest_of(key), "overlap": overlap, "expires_at": expires_at}
        await conn.execute(_ROTATE, values)
    return key


def _check_end(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise KeyRefused(f"A key that ends at {expires_at.isoformat(timespec='seconds')} is good for nothing.")


async def revoke_key(engine: AsyncEngine, name: str) -> bool:
    """Revoke all secrets of a name, everywhere within CACHE_S seconds. False when there is no such key in use."""
    async with transaction(engine) as conn:
        return (await conn.execute(_REVOKE, {"name": name})).one_or_none() is not None


async def list_keys(engine: AsyncEngine) -> list[KeyInfo]:
    """All keys ever made, oldest first; never the keys themselves."""
    async with transaction(engine) as conn:
        rows = (await conn.execute(_LIST)).all()
    return [
        KeyInfo(row.name, tuple(row.scopes), row.created_at, row.expires_at, row.last_used_at, row.revoked_at)
        for row in rows
    ]
