"""A dry run's batch: stored as always, looked at, and undone."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.imports import store
from services.ingest.items import Outcome, Submission
from services.ingest.record_submissions import record_submissions
from shared.db import driver


async def try_submissions(
    conn: AsyncConnection, import_id: str, items: Sequence[Submission], at: datetime, personal: frozenset[str]
) -> list[Outcome]:
    """What `record_submissions` would answer, if what earlier batches of the import tried were stored."""
    async with conn.begin_nested() as trial:
        outcomes = await record_submissions(conn, items, at, personal)
        await trial.rollback()
    names = {digest for item in items for digest in (_row(item), *_keys(item))}
    before = await store.seen_before(await driver(conn), import_id, sorted(names))
    return [_in_view_of(outcome, item, before) for outcome, item in zip(outcomes, items, strict=True)]


def _in_view_of(outcome: Outcome, item: Submission, before: set[bytes]) -> Outcome:
    if outcome.status == "accepted" and _row(item) in before:
        return msgspec.structs.replace(outcome, status="duplicate", created=False)
    if outcome.created and not before.isdisjoint(_keys(item)):
        return msgspec.structs.replace(outcome, created=False)
    return outcome


def _row(item: Submission) -> bytes:
    return _digest("row", item.id)


def _keys(item: Submission) -> list[bytes]:
    return [_digest(key.kind, key.value) for key in item.whom.keys]


def _digest(kind: str, value: str) -> bytes:
    return hashlib.blake2b(f"{kind} {value}".encode(), digest_size=16).digest()
