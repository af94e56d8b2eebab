"""The two clients. They differ in how they wait; all else is in `exchange`."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import httpx

from .errors import TasukiError, UnexpectedAnswer
from .exchange import Lost, Reply, Retry, Send, Wait, error_of, exchange, first_send
from .operation import SERVICES, Operation, ServiceName, Upload
from .server_events import ServerEvent, read_events, read_lines
from .types import Page

T = TypeVar("T")
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)

TIMEOUT_S, _CONNECT_S = 30.0, 5.0
"""How long a service may be silent, and how long it may take until it listens."""
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=20.0)


class Installation(Protocol):
    """Where an installation is, and its admin key: what the settings of Tasuki tell."""

    @property
    def admin_key(self) -> str | None: ...

    @property
    def data_dir(self) -> Path: ...

    def url(self, service: ServiceName, /) -> str:
        """Base address of a service."""


def urls_of(settings: Installation) -> dict[ServiceName, str]:
    """Where the services are, as far as the settings tell."""
    return {service: settings.url(service) for service in SERVICES}


def key_of(settings: Installation) -> str:
    """The admin key of this installation. Raises TasukiError when there is none to be found."""
    path: Path = settings.data_dir / "admin.key"
    if settings.admin_key:
        return settings.admin_key
    try:
        return path.read_text().strip()
    except OSError as error:
        raise TasukiError(f"no API key: set TASUKI_ADMIN_KEY, or start Tasuki, which writes {path}") from error


def _patience(timeout_s: float) -> httpx.Timeout:
    return httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))


def _untraced() -> str | None:
    return None


def _request(send: Send, urls: Mapping[ServiceName, str]) -> dict[str, Any]:
    operation = send.operation
    if (base := urls.get(operation.service)) is None:
        raise TasukiError(f"no address of {operation.service} was given; known: {', '.join(urls) or 'none'}")
    return {
        "method": operation.method,
        "url": base.rstrip("/") + operation.path,
        "params": dict(operation.query) or None,
        "headers": dict(send.headers),
        "content": send.content.chunks() if isinstance(send.content, Upload) else send.content,
    }


async def _chunks(upload: Upload) -> AsyncIterator[bytes]:
    for chunk in upload.chunks():
        yield chunk


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def _lost(error: httpx.RequestError) -> Lost:
    return Lost(f"{type(error).__name__}: {error}")


class _Connected(ABC, Generic[Http]):
    """What both clients are made of.

    timeout_s: how long a service may be silent before a request counts as lost and is repeated; traceparent: asked at
    each request for the W3C trace that it belongs to.
    """

    def __init__(
        self,
        urls: Mapping[ServiceName, str],
        key: str,
        *,
        retry: Retry | None = None,
        timeout_s: float = TIMEOUT_S,
        traceparent: Callable[[], str | None] = _untraced,
    ) -> None:
        self._urls, self._key, self._retry, self._traceparent = urls, key, retry or Retry(), traceparent
        self._timeout = _patience(timeout_s)
        self._http: Http = self._open()

    @classmethod
    def of(cls, settings: Installation, *, retry: Retry | None = None, timeout_s: float = TIMEOUT_S) -> Self:
        """The client of this installation."""
        return cls(urls_of(settings), key_of(settings), retry=retry, timeout_s=timeout_s)

    @abstractmethod
    def _open(self) -> Http:
        """The connections."""


class Client(_Connected[httpx.Client]):
    """Blocking client. `with Client(urls, key) as tasuki: tasuki.send(ingest.lead("..."))`."""

    def _open(self) -> httpx.Client:
        return httpx.Client(trust_env=False, timeout=self._timeout, limits=_LIMITS)

    def send(self, operation: Operation[T]) -> T:
        """Do it, repeating what passes. Raises TasukiError."""
        steps = exchange(operation, self._key, self._retry, self._traceparent())
        outcome: Reply | Lost | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if isinstance(step, Wait):
                time.sleep(step.seconds)
                outcome = None
                continue
            try:
                outcome = _reply(self._http.request(**_request(step, self._urls)))
            except httpx.RequestError as error:
                outcome = _lost(error)

    def items(self, operation: Operation[Page[T]]) -> Iterator[T]:
        """All items of a list, page by page."""
        following: Operation[Page[T]] | None = operation
        while following is not None:
            page = self.send(following)
            yield from page.items
            following = operation.at(page.next_cursor) if page.next_cursor else None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


EVENT_TIMEOUT = httpx.Timeout(30.0, connect=5.0, read=40.0)
"""Of a stream: the services send something at least every 15 seconds."""


class AsyncClient(_Connected[httpx.AsyncClient]):
    """Client for event loops. `async with AsyncClient(urls, key) as tasuki: await tasuki.send(...)`."""

    def _open(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(trust_env=False, timeout=self._timeout, limits=_LIMITS)

    async def send(self, operation: Operation[T]) -> T:
        """Do it, repeating what passes. Raises TasukiError."""
        steps = exchange(operation, self._key, self._retry, self._traceparent())
        outcome: Reply | Lost | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                outcome = None
                continue
            request = _request(step, self._urls)
            if isinstance(step.content, Upload):
                request["content"] = _chunks(step.content)
            try:
                outcome = _reply(await self._http.request(**request, timeout=self._timeout))
            except httpx.RequestError as error:
                outcome = _lost(error)

    def with_key(self, key: str) -> "AsyncClient":
        """A client with another key on the same connections, which this one closes."""
        other = copy(self)
        other._key = key
        return other

    def with_timeout(self, timeout_s: float) -> "AsyncClient":
        """A client with another patience on the same connections, which this one closes."""
        other = copy(self)
        other._timeout = _patience(timeout_s)
        return other

    async def events(self, operation: Operation[bytes]) -> AsyncIterator[ServerEvent]:
        """What a stream tells, until the service ends it; nothing is repeated. Raises TasukiError."""
        send = first_send(operation, self._key, self._traceparent())
        try:
            async with self._http.stream(**_request(send, self._urls), timeout=EVENT_TIMEOUT) as response:
                if response.status_code >= 300:
                    await response.aread()
                    raise error_of(_reply(response), operation)
                media_type = response.headers.get("content-type", "")
                if not media_type.startswith("text/event-stream"):
                    raise UnexpectedAnswer(f"status {response.status_code}: no stream of events but {media_type[:100]}")
                async for event in read_events(read_lines(response.aiter_bytes())):
                    yield event
        except httpx.RequestError as error:
            raise error_of(_lost(error), operation) from error

    async def items(self, operation: Operation[Page[T]]) -> AsyncIterator[T]:
        """All items of a list, page by page."""
        following: Operation[Page[T]] | None = operation
        while following is not None:
            page = await self.send(following)
            for item in page.items:
                yield item
            following = operation.at(page.next_cursor) if page.next_cursor else None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
