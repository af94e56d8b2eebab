"""The fetch itself: resolve, check, connect to the very address that was checked, and again for each redirect."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from shared.addresses import Address, Allowed, read_address
from shared.safe_http.errors import FetchFailed, FetchRefused
from shared.safe_http.names import Resolve, resolve
from shared.safe_http.target import Target, read_target

REDIRECTS_MAX = 5
ADDRESSES_MAX = 4
CONNECT_TIMEOUT_S = 5.0
_REDIRECTS = (301, 302, 303, 307, 308)

Before = Callable[[Target], Awaitable[None]]
"""Called before each request with what it will ask for; may raise FetchError."""


@dataclass(frozen=True)
class Limits:
    """What one fetch may take. `media_types`: what a good answer may be, None for anything."""

    seconds: float
    max_bytes: int
    media_types: frozenset[str] | None = None


@dataclass(frozen=True)
class Fetched:
    """The last answer. The body is that of a 2xx only, at most as many bytes as the limit; `cut`: there was more."""

    target: Target
    status: int
    content_type: str
    body: bytes = b""
    cut: bool = False


class Fetcher:
    """Fetches what strangers name. `resolve` and `tls` are for whoever has a name service or authorities of his own."""

    def __init__(
        self, allowed: Allowed, user_agent: str, *, resolve: Resolve = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._allowed = allowed
        self._user_agent = user_agent
        self._resolve = resolve
        self._tls = tls or httpx.create_ssl_context(trust_env=False)

    async def get(self, url: str, limits: Limits, before: Before | None = None) -> Fetched:
        """The answer after at most five redirects, all within the limits. Raises FetchRefused, FetchFailed."""
        try:
            async with asyncio.timeout(limits.seconds):
                return await self._follow(read_target(url), limits, before)
        except TimeoutError as error:
            raise FetchFailed(f"the website did not answer within {limits.seconds:g} s") from error

    async def _follow(self, target: Target, limits: Limits, before: Before | None) -> Fetched:
        for _ in range(REDIRECTS_MAX + 1):
            addresses = await self._checked(target)
            if before is not None:
                await before(target)
            answer = await self._ask(target, addresses, limits)
            if isinstance(answer, Fetched):
                return answer
            target = answer
        raise FetchRefused(f"the website redirects more than {REDIRECTS_MAX} times")

    async def _checked(self, target: Target) -> list[Address]:
        """Addresses to connect to. One that is refused refuses them all: no public website has it among its own."""
        if not self._allowed.admits_port(target.port):
            raise FetchRefused(f"port {target.port} is none of the web (80, 443)")
        written = [str(target.address)] if target.address else await self._resolve(target.host)
        addresses = [read_address(address) for address in written[:ADDRESSES_MAX]]
        if not addresses:
            raise FetchFailed("the host has no address")
        if not all(self._allowed.admits(address, target.port) for address in addresses):
            raise FetchRefused("the host leads to an address that is not public; see TASUKI_FETCH_PRIVATE_NETWORKS")
        return addresses

    async def _ask(self, target: Target, addresses: list[Address], limits: Limits) -> Fetched | Target:
        """An answer, or where it redirects to."""
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._ask_one(target, address, limits)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error  # the next one may be reached, as where there is no IPv6
        raise FetchFailed("no connection to the website, or none that its certificate makes safe") from failure

    async def _ask_one(self, target: Target, address: Address, limits: Limits) -> Fetched | Target:
        request = httpx.Request(
            "GET",
            httpx.URL(scheme=target.scheme, host=str(address), port=target.port, raw_path=target.path.encode()),
            headers={
                "Host": target.authority,
                "User-Agent": self._user_agent,
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            # The connection goes to the address, but the certificate is to be that of the name.
            extensions={"sni_hostname": target.host},
        )
        timeout = httpx.Timeout(limits.seconds, connect=CONNECT_TIMEOUT_S)
        try:
            async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=timeout) as client:
                answer = await client.send(request, stream=True)
                try:
                    return await _read(target, answer, limits)
                finally:
                    await answer.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise
        except httpx.HTTPError as error:
            raise FetchFailed("the website broke the answer off, or it is no HTTP") from error


async def _read(target: Target, answer: httpx.Response, limits: Limits) -> Fetched | Target:
    status, content_type = answer.status_code, answer.headers.get("content-type", "")
    if status in _REDIRECTS and "location" in answer.headers:
        return read_target(answer.headers["location"], base=target)
    if not answer.is_success:
        return Fetched(target, status, content_type)
    media_type = content_type.partition(";")[0].strip().lower()
    if limits.media_types is not None and media_type not in limits.media_types:
        raise FetchRefused(f"the website answers with {media_type[:80] or 'no media type'} instead of a page")
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise FetchRefused("the website compresses its answer although it was asked not to")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > limits.max_bytes:
            break
    return Fetched(target, status, content_type, bytes(body[: limits.max_bytes]), len(body) > limits.max_bytes)
