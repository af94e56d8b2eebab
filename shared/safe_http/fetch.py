"""The fetch itself: resolve, check, connect to the very address that was checked, and again for each redirect.

The same way leads a body out (`post`), but for redirects: what was meant for one address is told to no other.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import httpx

from shared.addresses import Address, Allowed, read_address
from shared.safe_http.errors import FetchFailed, FetchRefused
from shared.safe_http.names import Resolve, resolve
from shared.safe_http.target import Target, read_target

REDIRECTS_MAX = 5
ADDRESSES_MAX = 4
CONNECT_TIMEOUT_S = 5.0
_REDIRECTS = (301, 302, 303, 307, 308)

T = TypeVar("T")
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


@dataclass(frozen=True)
class Posted:
    """What is answered to a body that was posted. The answer's own body is not read, however long it is."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Sent:
    """What goes out: the headers beside those that every request has."""

    method: str
    headers: Mapping[str, str]
    body: bytes | None = None


_ASKING = _Sent("GET", {"Accept": "*/*"})
_Read = Callable[[httpx.Response], Awaitable[T]]


class Fetcher:
    """Fetches what strangers name. `resolve` and `tls` are for whoever has a name service or authorities of his own;
    `whom` is how errors call the other side."""

    def __init__(
        self,
        allowed: Allowed,
        user_agent: str,
        *,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        whom: str = "the website",
    ) -> None:
        self._allowed = allowed
        self._user_agent = user_agent
        self._whom = whom
        self._resolve = resolve
        self._tls = tls or httpx.create_ssl_context(trust_env=False)

    async def get(self, url: str, limits: Limits, before: Before | None = None) -> Fetched:
        """The answer after at most five redirects, all within the limits. Raises FetchRefused, FetchFailed."""
        async with self._deadline(limits.seconds):
            return await self._follow(read_target(url), limits, before)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Posted:
        """What is answered to the body, also where that is a redirect. Raises FetchRefused, FetchFailed: the other side
        may have taken the body all the same."""

        async def read(answer: httpx.Response) -> Posted:
            return Posted(answer.status_code, answer.headers)

        async with self._deadline(seconds):
            target = read_target(url)
            sent = _Sent("POST", {"Accept": "*/*", **headers}, body)
            return await self._exchange(target, await self._checked(target), sent, seconds, read)

    @asynccontextmanager
    async def _deadline(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise FetchFailed(f"{self._whom} did not answer within {seconds:g} s") from error

    async def _follow(self, target: Target, limits: Limits, before: Before | None) -> Fetched:
        for _ in range(REDIRECTS_MAX + 1):
            addresses = await self._checked(target)
            if before is not None:
                await before(target)
            answer = await self._exchange(
                target, addresses, _ASKING, limits.seconds, partial(self._read, target, limits)
            )
            if isinstance(answer, Fetched):
                return answer
            target = answer
        raise FetchRefused(f"{self._whom} redirects more than {REDIRECTS_MAX} times")

    async def _checked(self, target: Target) -> list[Address]:
        """Addresses to connect to. One that is refused refuses them all: no public website has it among its own."""
        if not self._allowed.admits_port(target.port):
            ports = ", ".join(map(str, sorted(self._allowed.ports))) or "none"
            raise FetchRefused(f"port {target.port} is none of those allowed ({ports})")
        written = [str(target.address)] if target.address else await self._resolve(target.host)
        addresses = [read_address(address) for address in written[:ADDRESSES_MAX]]
        if not addresses:
            raise FetchFailed("the host has no address")
        if not all(self._allowed.admits(address, target.port) for address in addresses):
            raise FetchRefused(
                f"the host leads to an address that is not public, or not allowed; see {self._allowed.setting}"
            )
        return addresses

    async def _exchange(
        self, target: Target, addresses: list[Address], sent: _Sent, seconds: float, read: _Read[T]
    ) -> T:
        """What `read` makes of the answer of the first address that takes a connection."""
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._exchange_with(address, target, sent, seconds, read)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error  # the next one may be reached, as where there is no IPv6
        raise FetchFailed(f"no connection to {self._whom}, or none that its certificate makes safe") from failure

    async def _exchange_with(self, address: Address, target: Target, sent: _Sent, seconds: float, read: _Read[T]) -> T:
        request = httpx.Request(
            sent.method,
            httpx.URL(scheme=target.scheme, host=str(address), port=target.port, raw_path=target.path.encode()),
            headers={
                "Host": target.authority,
                "User-Agent": self._user_agent,
                "Accept-Encoding": "identity",
                "Connection": "close",
                **sent.headers,
            },
            content=sent.body,
            # The connection goes to the address, but the certificate is to be that of the name.
            extensions={"sni_hostname": target.host},
        )
        timeout = httpx.Timeout(seconds, connect=CONNECT_TIMEOUT_S)
        try:
            async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=timeout) as client:
                answer = await client.send(request, stream=True)
                try:
                    return await read(answer)
                finally:
                    await answer.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise
        except httpx.HTTPError as error:
            raise FetchFailed(f"{self._whom} broke the answer off, or it is no HTTP") from error

    async def _read(self, target: Target, limits: Limits, answer: httpx.Response) -> Fetched | Target:
        """An answer, or where it redirects to."""
        status, content_type = answer.status_code, answer.headers.get("content-type", "")
        if status in _REDIRECTS and "location" in answer.headers:
            return read_target(answer.headers["location"], base=target)
        if not answer.is_success:
            return Fetched(target, status, content_type)
        media_type = content_type.partition(";")[0].strip().lower()
        if limits.media_types is not None and media_type not in limits.media_types:
            shown = media_type[:80] or "no media type"
            raise FetchRefused(f"{self._whom} answers with {shown} instead of a page")
        if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise FetchRefused(f"{self._whom} compresses its answer although it was asked not to")
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > limits.max_bytes:
                break
        return Fetched(target, status, content_type, bytes(body[: limits.max_bytes]), len(body) > limits.max_bytes)
