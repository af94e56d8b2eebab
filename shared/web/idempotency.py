"""Idempotency-Key: the same request again gets the same answer and has no second effect.

A run claims its key, works, and stores its answer. A run whose process died leaves its claim behind; after CLAIM_S
seconds a repetition may take it over; at once, if this process knows that the run has ended and could not say so
because the database was away. So a handler may run twice for one key and must be safe then: it derives its ids
from `call.idempotency_key`, or its effects are idempotent by themselves.
"""

import hashlib
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import DatabaseUnavailable, driver, transaction
from shared.mistakes import FieldError
from shared.prune import Retention
from shared.web.endpoint import Answer
from shared.web.problems import Problem, invalid

REPLAYED = "Idempotent-Replayed"
"""The header of an answer that was given before."""
CLAIM_S = 60
RETENTION = Retention("access.idempotency", "started_at", timedelta(days=8))

_CLAIM = text(
    "insert into access.idempotency as i (principal, operation, key, token, body_hash)"
    " values (:principal, :operation, :key, :token, :body_hash)"
    " on conflict (principal, operation, key) do update set token = excluded.token, started_at = now()"
    " where i.status is null"
    " and (i.started_at < now() - make_interval(secs => :claim_s) or i.token = any(cast(:ended as uuid[])))"
    " and i.body_hash is not distinct from excluded.body_hash"
    " returning token"
)
_STORED = text(
    "select body_hash, status, headers, media_type, body from access.idempotency"
    " where principal = :principal and operation = :operation and key = :key"
)
_STORE = text(
    "update access.idempotency set status = :status, headers = :headers, media_type = :media_type, body = :body,"
    " body_hash = :body_hash where principal = :principal and operation = :operation and key = :key and token = :token"
)
_RELEASE = text(
    "delete from access.idempotency where principal = :principal and operation = :operation and key = :key"
    " and token = :token and status is null"
)


class Claim(NamedTuple):
    """One run of one keyed request. `body_hash` is None for a body that is only seen while it streams."""

    principal: str
    operation: str
    key: str
    body_hash: bytes | None
    token: uuid.UUID


class Stored(NamedTuple):
    """What an earlier run answered, and the hash of the body that it had."""

    answer: Answer
    body_hash: bytes


def claim_of(principal: str, operation: str, key: str, raw: bytes | None) -> Claim:
    """The claim of a request: `operation` is its method and path. Raises Problem 422 for a key that is none."""
    if not 1 <= len(key) <= 255 or not (key.isascii() and key.isprintable()):
        raise invalid([FieldError("/Idempotency-Key", "1 to 255 printable ASCII characters are needed.")])
    return Claim(
        principal, operation, key, None if raw is None else hash_of(raw), uuid.UUID(bytes=secrets.token_bytes(16))
    )


def hash_of(raw: bytes) -> bytes:
    """What is kept of a body to know it again."""
    return hashlib.sha256(raw).digest()


class Idempotency:
    """The store of claims and answers, in schema `access`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._ended: dict[uuid.UUID, float] = {}  # runs of ours whose end could not be stored, and when that was

    async def begin(self, claim: Claim) -> Stored | None:
        """None: the claim is ours, go on. Else what is stored; of a streamed body the caller compares the hash.

        Raises Problem 409 while another run is in flight, 422 when the key came with another body, DatabaseUnavailable.
        """
        names = {"principal": claim.principal, "operation": claim.operation, "key": claim.key}
        values = names | {"token": claim.token, "body_hash": claim.body_hash}
        async with self._or_ended(claim), transaction(self._engine) as conn:
            limits = {"claim_s": CLAIM_S, "ended": self._ended_lately()}
            if (await conn.execute(_CLAIM, values | limits)).one_or_none():
                return None
            row = (await conn.execute(_STORED, names)).one_or_none()
        if row is None:  # released between our two statements
            raise _in_flight()
        if claim.body_hash is not None and row.body_hash is not None and claim.body_hash != row.body_hash:
            raise other_body()
        if row.status is None:
            raise _in_flight()
        headers = dict(row.headers) | {REPLAYED: "true"}
        return Stored(Answer(bytes(row.body), row.status, headers, row.media_type), bytes(row.body_hash))

    async def finish(self, claim: Claim, answer: Answer, body_hash: bytes | None = None) -> None:
        """Store the answer, whose body is bytes by now; server errors and refusals for load only free the key."""
        if answer.status >= 500 or answer.status == 429:
            await self.release(claim)
            return
        values = {
            "principal": claim.principal,
            "operation": claim.operation,
            "key": claim.key,
            "token": claim.token,
            "status": answer.status,
            "headers": json.dumps(dict(answer.headers)),
            "media_type": answer.media_type,
            "body": answer.body,
            "body_hash": claim.body_hash or body_hash,
        }
        async with self._or_ended(claim), transaction(self._engine) as conn:
            await conn.execute(_STORE, values)

    async def release(self, claim: Claim) -> None:
        """Free the key, so that a repetition runs at once."""
        values = {"principal": claim.principal, "operation": claim.operation, "key": claim.key, "token": claim.token}
        async with self._or_ended(claim), transaction(self._engine) as conn:
            await conn.execute(_RELEASE, values)

    @asynccontextmanager
    async def _or_ended(self, claim: Claim) -> AsyncIterator[None]:
        """Remember a run that is over and whose claim may stand in the database nevertheless."""
        try:
            yield
        except DatabaseUnavailable:
            self._ended[claim.token] = time.monotonic()
            raise

    def _ended_lately(self) -> list[uuid.UUID]:
        since = time.monotonic() - CLAIM_S
        self._ended = {token: at for token, at in self._ended.items() if at > since}
        return list(self._ended)


async def forget_leads(conn: AsyncConnection, lead_ids: Sequence[str]) -> None:
    """Delete the answers to requests about these leads, and those that name them: they hold personal data, a refusal
    that quotes what was wrong as well. An erasure asks for it. Ids are looked for as a whole: `lead-1` is not in what
    was said of `lead-10`, whose answers are kept for who repeats the request."""
    await (await driver(conn)).execute(
        """
        delete from access.idempotency i using unnest($1::text[]) as l(lead_id)
        where i.status is not null
          and (position('/leads/' || l.lead_id || '/' in i.operation || '/') > 0
               or position(convert_to(to_json(l.lead_id)::text, 'UTF8') in i.body) > 0)
        """,
        list(lead_ids),
    )


def _in_flight() -> Problem:
    detail = "A request with this Idempotency-Key is being worked on; repeat it later to get its answer."
    return Problem(409, "idempotency-in-flight", "The request is in flight", detail, headers={"Retry-After": "1"})


def other_body() -> Problem:
    return Problem(
        422,
        "idempotency-key-reused",
        "The Idempotency-Key belongs to another request",
        "The same key came with another body before; take a new key for a new request.",
        errors=[FieldError("/Idempotency-Key", "This key was used with another body.")],
    )
