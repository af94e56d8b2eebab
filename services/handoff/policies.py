"""Policies with all their versions. A version is never changed: decisions point to it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.events import PolicyVersion
from shared.policy import Policy

DEFAULT = "default"
_LOCK = 0x706F_6C69_6379  # "policy": one new version at a time

Origin = Literal["file", "api"]


class Version(NamedTuple):
    """One version of a policy and how it came to be."""

    policy: Policy
    version: int
    origin: Origin
    created_by: str
    created_at: datetime

    @property
    def ref(self) -> PolicyVersion:
        return PolicyVersion(self.policy.id, self.version)

    def document(self) -> dict[str, Any]:
        """As it is answered: the policy as it is written in YAML, with its version beside it."""
        about = {"version": self.version, "origin": self.origin}
        made = {"created_by": self.created_by, "created_at": self.created_at}
        return _plain(self.policy) | about | made


ANSWERED_BESIDE = frozenset({"version", "origin", "created_by", "created_at"})
"""What an answer holds beside the policy: a client may send it back, it is not read."""


async def seed(conn: AsyncConnection, policies: Iterable[Policy], now: datetime) -> list[PolicyVersion]:
    """Make a version of each policy whose file differs from the newest that came from a file. Returns what was made."""
    connection = await driver(conn)
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
    made = []
    for policy in policies:
        stored = await connection.fetchval(
            """
            select document::text from handoff.policy_versions
            where policy_id = $1 and origin = 'file' order by version desc limit 1
            """,
            policy.id,
        )
        if stored is None or msgspec.json.decode(stored, type=Policy) != policy:
            made.append((await _add(conn, policy, "file", f"{policy.id}.yaml", now)).ref)
    return made


async def put(conn: AsyncConnection, policy: Policy, by: str, now: datetime) -> Version:
    """A new version; the newest one where it says the same already, so that a repeated request makes no second."""
    await (await driver(conn)).execute("select pg_advisory_xact_lock($1)", _LOCK)
    current = await newest(conn, policy.id)
    if current is not None and current.policy == policy:
        return current
    return await _add(conn, policy, "api", by, now)


async def newest(conn: AsyncConnection, policy_id: str) -> Version | None:
    """The version in force."""
    return await _one(conn, "where policy_id = $1 order by version desc limit 1", policy_id)


async def deciding(conn: AsyncConnection) -> Version:
    """The version that decides about leads: the newest of `default`, else of the first policy by id."""
    found = await _one(conn, "order by policy_id <> $1, policy_id, version desc limit 1", DEFAULT)
    if found is None:
        raise RuntimeError("there is no policy: add config/policies/default.yaml and restart")
    return found


async def version(conn: AsyncConnection, policy_id: str, number: int) -> Version | None:
    """A certain version."""
    return await _one(conn, "where policy_id = $1 and version = $2", policy_id, number)


async def page_of(conn: AsyncConnection, after: str, limit: int | None) -> list[Version]:
    """The newest version of each policy, by id; None: of all that follow."""
    rows = await (await driver(conn)).fetch(
        """
        select distinct on (policy_id) document::text, version, origin, created_by, created_at
        from handoff.policy_versions where policy_id > $1 order by policy_id, version desc limit $2
        """,
        after,
        limit,
    )
    return [_read(row) for row in rows]


async def _add(conn: AsyncConnection, policy: Policy, origin: Origin, by: str, now: datetime) -> Version:
    number = await (await driver(conn)).fetchval(
        """
        insert into handoff.policy_versions (policy_id, version, document, origin, created_by, created_at)
        select $1, coalesce(max(version), 0) + 1, $2::json, $3, $4, $5
        from handoff.policy_versions where policy_id = $1
        returning version
        """,
        policy.id,
        msgspec.json.encode(policy).decode(),
        origin,
        by,
        now,
    )
    return Version(policy, number, origin, by, now)


async def _one(conn: AsyncConnection, which: str, *parameters: object) -> Version | None:
    row = await (await driver(conn)).fetchrow(
        f"select document::text, version, origin, created_by, created_at from handoff.policy_versions {which}",  # noqa: S608 - put together from words of our own
        *parameters,
    )
    return None if row is None else _read(row)


def _read(row: Any) -> Version:
    policy = msgspec.json.decode(row["document"], type=Policy)
    return Version(policy, row["version"], row["origin"], row["created_by"], row["created_at"])


def _plain(policy: Policy) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(policy)
    return plain
