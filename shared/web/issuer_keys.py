"""The public keys of an OpenID provider: fetched by its discovery document, kept, and fetched again when they change.

While the provider is away those that are kept go on being used: it would take all its callers with it otherwise.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import msgspec
from structlog.typing import FilteringBoundLogger

from shared.settings import is_safe_address
from shared.web.problems import unavailable

DISCOVERY = "/.well-known/openid-configuration"
DEADLINE_S = 5.0
"""Within which both documents must be there; a request waits for them only while its key is not known."""
UNKNOWN_EVERY_S = 60.0
"""How often an unknown kid makes us ask at most: anybody can make kids up."""
AGAIN_S = 2.0
"""How long nobody asks again while there is no key at all."""
STALE_S = 600.0
"""After which keys are fetched again beside the requests, so that one that was withdrawn ends."""
_MAX_BYTES = 1024 * 1024


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _Jwks(msgspec.Struct):
    keys: list[dict[str, Any]]


class IssuerKeys:
    """The keys of one issuer by `kid`. clock: seconds that only go forward."""

    def __init__(self, issuer: str, log: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._log = log
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried_at = -UNKNOWN_EVERY_S
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of that id; None when the issuer has none. Raises Problem 503 while no key of it is known at all."""
        key = self._keys.get(kid)
        idle_s = self._clock() - self._tried_at
        if key is not None:
            if idle_s >= STALE_S:
                self._fetch()
            return key
        if self._fetching or idle_s >= (UNKNOWN_EVERY_S if self._keys else AGAIN_S):
            await asyncio.shield(self._fetch())
        if not self._keys:
            raise unavailable("OpenID provider")
        return self._keys.get(kid)

    def _fetch(self) -> "asyncio.Task[None]":
        """The one task that fetches now. It does not fail: what is known stays, and the log tells why."""
        if self._fetching is None:
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._refresh())
            self._fetching.add_done_callback(self._fetched)
        return self._fetching

    def _fetched(self, _task: "asyncio.Task[None]") -> None:
        self._fetching = None

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                keys = await _fetched_keys(self._issuer)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, OSError, ValueError, RecursionError) as error:
            self._log.warning("oidc_keys_not_fetched", reason=f"{type(error).__name__}: {error}")
        else:
            self._keys = keys
            self._log.info("oidc_keys_fetched", keys=len(keys))


async def _fetched_keys(issuer: str) -> dict[str, jwt.PyJWK]:
    """The keys that the issuer has now, at least one. Raises what can go wrong."""
    async with httpx.AsyncClient(timeout=DEADLINE_S, trust_env=False) as client:
        found = await _get(client, issuer.rstrip("/") + DISCOVERY, _Discovery)
        if found.issuer != issuer:
            raise ValueError(f"the discovery document is of another issuer, {found.issuer[:200]!r}")
        if not is_safe_address(found.jwks_uri):
            raise ValueError("the address of the keys is not https")
        keys = usable_keys((await _get(client, found.jwks_uri, _Jwks)).keys)
    if not keys:
        raise ValueError("it has no key that can verify a signature")
    return keys


async def _get(client: httpx.AsyncClient, url: str, kind: type[Any]) -> Any:
    async with client.stream("GET", url, headers={"accept": "application/json"}) as answer:
        answer.raise_for_status()
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > _MAX_BYTES:
                raise ValueError(f"what {url} answers is too long")
    return msgspec.json.decode(body, type=kind)


def usable_keys(documents: list[dict[str, Any]]) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS that verify signatures and have an id; a kind that we do not know is left out.

    A symmetric key has no place among public ones: who can read it could sign.
    """
    keys: dict[str, jwt.PyJWK] = {}
    for document in documents:
        kid = document.get("kid")
        if isinstance(kid, str) and document.get("use", "sig") == "sig" and document.get("kty") != "oct":
            try:
                keys[kid] = jwt.PyJWK({name: value for name, value in document.items() if isinstance(value, str)})
            except jwt.PyJWTError:
                continue
    return keys
