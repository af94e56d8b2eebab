"""Policies with all their versions. A version is never changed: decisions point to it."""

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.problems import no_policy
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


async def in_force(conn: AsyncConnection, today: date) -> dict[str, int]:
    """The version of each policy that is valid on a day; a policy without one is left out."""
    return {found.policy.id: found.version for found in await _all(conn, today, "where in_force order by policy_id")}


async def put(conn: AsyncConnection, policy: Policy, by: str, now: datetime, today: date) -> Version:
    """A new version; the newest one where it says the same already, so that a repeated request makes no second."""
    await (await driver(conn)).execute("select pg_advisory_xact_lock($1)", _LOCK)
    newest = await _one(conn, today, "where policy_id = $2 order by version desc limit 1", policy.id)
    if newest is None or newest.policy != policy:
        number = (await _add(conn, policy, "api", by, now)).version
        newest = await version(conn, policy.id, number, today)
    if newest is None:
        raise RuntimeError(f"the version of policy {policy.id} that was just made is gone")
    return newest


async def deciding(conn: AsyncConnection, today: date) -> Version:
    """The version that decides about leads on a day. Raises Problem 503 when there is none."""
    found = await deciding_if_any(conn, today)
    if found is None:
        raise no_policy(today)
    return found


async def deciding_if_any(conn: AsyncConnection, today: date) -> Version | None:
    """The newest version that is valid on a day, of `default`, else of the first policy by id that has one."""
    return await _one(conn, today, "where in_force order by policy_id <> $2, policy_id limit 1", DEFAULT)


async def version(conn: AsyncConnection, policy_id: str, number: int, today: date) -> Version | None:
    """A certain version."""
    return await _one(conn, today, "where policy_id = $2 and version = $3", policy_id, number)


async def versions(conn: AsyncConnection, policy_id: str, today: date, after: int, limit: int) -> list[Version]:
    """The versions of a policy after a number, in order."""
    which = "where policy_id = $2 and version > $3 order by version limit $4"
    return await _all(conn, today, which, policy_id, after, limit)


async def from_today_on(conn: AsyncConnection, today: date) -> list[Version]:
    """The newest version of each policy, the one in force, and those whose first day is to come."""
    coming = "(document ->> 'valid_from')::date > $1"
    return await _all(conn, today, f"where is_newest or in_force or {coming} order by policy_id, version")


async def page_of(conn: AsyncConnection, today: date, after: str, limit: int) -> list[Version]:
    """The newest version of each policy, by id."""
    return await _all(conn, today, "where is_newest and policy_id > $2 order by policy_id limit $3", after, limit)


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


async def _one(conn: AsyncConnection, today: date, which: str, *parameters: object) -> Version | None:
    found = await _all(conn, today, which, *parameters)
    return found[0] if found else None


async def _all(conn: AsyncConnection, today: date, which: str, *parameters: object) -> list[Version]:
    """Versions. One is in force when it is the newest of its policy that is valid today."""
    rows = await (await driver(conn)).fetch(
        f"""
        select document::text, version, origin, created_by, created_at from (
            select *, version = max(version) over (partition by policy_id) as is_newest,
                   (version = max(version) filter (where {_VALID}) over (partition by policy_id)) is true as in_force
            from handoff.policy_versions
        ) as versions {which}
        """,  # noqa: S608 - put together from words of our own
        today,
        *parameters,
    )
    return [_read(row) for row in rows]


_VALID = """
    (document ->> 'draft') is distinct from 'true'
    and coalesce((document ->> 'valid_from')::date <= $1, true)
    and coalesce((document ->> 'valid_until')::date >= $1, true)
"""


@lru_cache(maxsize=32)
def _decoded(document: str) -> Policy:
    """Each decision needs the policy, and its text hardly ever changes."""
    return msgspec.json.decode(document, type=Policy)


def _read(row: Any) -> Version:
    policy = _decoded(row["document"])
    return Version(policy, row["version"], row["origin"], row["created_by"], row["created_at"])


def _plain(policy: Policy) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(policy)
    return plain
