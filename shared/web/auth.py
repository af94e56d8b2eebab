"""Who calls: the holder of an API key or, where an OpenID provider is named, of one of its tokens."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.typing import FilteringBoundLogger

from shared.rates import Buckets, Rate, parse_rate
from shared.settings import Settings
from shared.web.endpoint import Caller
from shared.web.key_uses import KeyUses
from shared.web.keys import digest_of, find_key
from shared.web.problems import too_many_requests, unauthorized

CACHE_S = 3.0
"""How long a revoked key may still be good, and how often a key in use is looked up."""
_CACHE_MAX = 10_000


class Admitted(NamedTuple):
    """A caller, and for how many seconds that holds."""

    caller: Caller
    good_for_s: float


TokenReader = Callable[[str], Awaitable[Admitted]]
"""Tells whose token it is. Raises Problem 401, 503."""


class Access:
    """Tells who calls. Keys in use are remembered for a few seconds, so the hot path asks no database.

    tokens: reads the tokens of an OpenID provider; without one they are unknown keys. rate: how much each caller may
    ask of this process.
    """

    def __init__(self, engine: AsyncEngine, *, tokens: TokenReader | None = None, rate: Rate | None = None) -> None:
        self.engine = engine
        self.uses = KeyUses(engine)
        self._tokens = tokens
        self._buckets = Buckets(rate) if rate else None
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._asking: dict[bytes, asyncio.Task[Caller]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """Who sends this `Authorization` header. Raises Problem 401, 429, 503, DatabaseUnavailable."""
        caller = await self.known(authorization)
        if self._buckets is not None and (wait_s := self._buckets.take(caller.name)):
            raise too_many_requests(wait_s)
        return caller

    async def known(self, authorization: str | None) -> Caller:
        """The same, of a request that was let in and is not counted again. Raises Problem 401, 503,
        DatabaseUnavailable."""
        bearer = _bearer_of(authorization)
        digest = digest_of(bearer)
        known = self._known.get(digest)
        return known[0] if known and known[1] > time.monotonic() else await self._ask(digest, bearer)

    async def _ask(self, digest: bytes, bearer: str) -> Caller:
        # Requests that wait for the same key share one query, and it outlives a client that goes away.
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._look_up(digest, bearer))
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(task)

    async def _look_up(self, digest: bytes, bearer: str) -> Caller:
        self._known.pop(digest, None)
        if self._tokens is not None and _looks_like_jwt(bearer):
            caller, good_for_s = await self._tokens(bearer)
        else:
            caller, good_for_s = await self._key(digest)
        if len(self._known) >= _CACHE_MAX:
            self._known.clear()
        self._known[digest] = (caller, time.monotonic() + min(CACHE_S, good_for_s))
        return caller

    async def _key(self, digest: bytes) -> Admitted:
        key = await find_key(self.engine, digest)
        if key is None:
            raise unauthorized("The API key is not known or was revoked.")
        if key.good_for_s <= 0:
            raise unauthorized("The API key has expired.")
        self.uses.note(key.name, key.at)
        return Admitted(Caller(key.name, key.scopes), key.good_for_s)


def access_of(settings: Settings, engine: AsyncEngine, log: FilteringBoundLogger) -> Access:
    """Access as the settings ask for it."""
    tokens = None
    if settings.oidc_issuer is not None:
        from shared.web.oidc import oidc_tokens  # with an HTTP client, which most do not need

        tokens = oidc_tokens(settings, log)
    rate = parse_rate(settings.rate_limit_per_key) if settings.rate_limit_per_key is not None else None
    return Access(engine, tokens=tokens, rate=rate)


def _bearer_of(authorization: str | None) -> str:
    if not authorization:
        raise unauthorized("Send the header `Authorization: Bearer <api key>`.")
    kind, _, bearer = authorization.partition(" ")
    if kind.lower() != "bearer" or not bearer.strip():
        raise unauthorized("The header must have the form `Authorization: Bearer <api key>`.")
    return bearer.strip()


def _looks_like_jwt(bearer: str) -> bool:
    """Whether it has the form of a signed token: `eyJ` is how every JSON object begins in base64."""
    return bearer.startswith("eyJ") and bearer.count(".") == 2
