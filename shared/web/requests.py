"""What of a request's head matters to us, and its body: bounded, while it arrives."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, NamedTuple, cast

from starlette.types import Message, Receive, Scope

from shared.web.endpoint import JSON, Endpoint
from shared.web.problems import too_large, too_slow, unsupported_media_type

MAX_BODY = 1024 * 1024
MAX_CONTENT_TYPE = 1_000
"""Characters. The standard library takes parameters apart in a time that grows with the square of their length."""
BODY_WITHIN_S = 30.0
"""Within which a body, or the next part of a streamed one, must have arrived: who drips holds no place for ever."""


class ClientGone(Exception):
    """The client went away before its request was whole: there is nobody to answer."""


class Head(NamedTuple):
    """The headers that decide how a request is taken, None where absent."""

    authorization: str | None
    content_type: str | None
    content_encoding: str | None
    idempotency_key: str | None
    content_length: int


_NAMES = (b"authorization", b"content-type", b"content-encoding", b"idempotency-key", b"content-length")


def read_head(scope: Scope) -> Head:
    """The head of an ASGI request."""
    authorization, media_type, encoding, key, length = header_texts(scope, _NAMES)
    bytes_told = int(length) if length and length.isdecimal() and len(length) <= 18 else 0
    return Head(authorization, media_type, encoding, key, bytes_told)


def header_texts(scope: Scope, names: Sequence[bytes]) -> list[str | None]:
    """What a request says in its headers of these names, None where it has none; of two of one name the last counts."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return [None if (value := headers.get(name)) is None else value.decode("latin-1") for name in names]


def check_media_type(head: Head, endpoint: Endpoint) -> None:
    """Raises Problem 415 for a body that the endpoint does not take, also for any compressed one (no bombs)."""
    if head.content_encoding is None and head.content_type in endpoint.media_types:
        return  # as nearly all say it
    if head.content_type is not None and len(head.content_type) > MAX_CONTENT_TYPE:
        raise unsupported_media_type(f"A Content-Type has {MAX_CONTENT_TYPE:,} characters at most.")
    if head.content_encoding and head.content_encoding.strip().lower() != "identity":
        raise unsupported_media_type("Send the body without Content-Encoding.")
    takes_none = endpoint.body is None and not endpoint.stream
    if endpoint.raw_body or (takes_none and not head.content_length):
        return
    kind, _, parameters = (head.content_type or "").partition(";")
    if kind.strip().lower() not in endpoint.media_types:
        raise unsupported_media_type(f"Send `Content-Type: {endpoint.media_types[0]}`.")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if kind.strip().lower() == JSON and parameters.strip().lower().startswith("charset=") and charset != "utf-8":
        raise unsupported_media_type("JSON is UTF-8 here.")


async def read_body(receive: Receive, head: Head, limit: int = MAX_BODY) -> bytes:
    """The whole body. Raises Problem 413 as soon as it is known to be too large, Problem 408, ClientGone.

    What a client sends beyond the limit is thrown away by the server as it comes.
    """
    if head.content_length > limit:
        raise too_large(limit)
    message = _at_once(receive)
    if message is not None and not message.get("more_body"):
        return _joined([message], limit)
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await _read(receive, limit, message)
    except TimeoutError as error:
        raise too_slow(BODY_WITHIN_S) from error


def _at_once(receive: Receive) -> Message | None:
    """What the server holds already, as nearly always of a small request: then nobody watches the time, which would
    cost 4 % of such a request. None where it has to be waited for."""
    waiting = cast("Coroutine[Any, Any, Message]", receive())
    try:
        waiting.send(None)
    except StopIteration as ready:
        return cast("Message", ready.value)
    waiting.close()
    return None


async def _read(receive: Receive, limit: int, first: Message | None) -> bytes:
    messages, size = [first or await receive()], 0
    while messages[-1].get("more_body") and messages[-1]["type"] == "http.request":
        size += len(messages[-1].get("body", b""))
        if size > limit:
            raise too_large(limit)
        messages.append(await receive())
    return _joined(messages, limit)


def _joined(messages: Sequence[Message], limit: int) -> bytes:
    if messages[-1]["type"] == "http.disconnect":
        raise ClientGone
    body = b"".join([message.get("body", b"") for message in messages])
    if len(body) > limit:
        raise too_large(limit)
    return body


class Stream:
    """A body of any size, chunk by chunk; knows the hash of what went through it.

    Iterating raises ClientGone, and Problem 408 when nothing comes for BODY_WITHIN_S seconds.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._hash = hashlib.sha256()
        self._done = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._done:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self._done = not message.get("more_body")
            chunk = message.get("body", b"")
            self._hash.update(chunk)
            yield chunk

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                return await self._receive()
        except TimeoutError as error:
            raise too_slow(BODY_WITHIN_S) from error

    async def body_hash(self) -> bytes:
        """SHA-256 of the whole body; reads what has not been read yet."""
        async for _ in self:
            pass
        return self._hash.digest()
