"""The server's HTTP protocol: one write to the socket for an answer's head and body, and heads of requests that end."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HELD_MAX = 64 * 1024
HEAD_MAX = 64 * 1024
"""Bytes that may come without anything coming of them: of a request's line and headers, or of trailers."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with one write for an answer and a bound for a request's head.

    uvicorn writes the head and the body of an answer by themselves, and each write is a call of the system, which wakes
    the client: together they were an eighth of a request's time. And it gathers a header without end, copying all of it
    with each piece that comes, before anybody is asked for a key.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As asyncio calls it."""
        super().connection_made(cast("asyncio.Transport", _Gathering(transport, self.loop)))
        self._gathered = 0

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        self._gathered += len(data)
        super().data_received(data)
        if self._gathered > HEAD_MAX and not self.transport.is_closing():
            self.send_400_response(f"The head of a request has {HEAD_MAX} bytes at most.")

    def on_headers_complete(self) -> None:
        """As the parser calls it."""
        self._gathered = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """As the parser calls it."""
        self._gathered = 0
        super().on_body(body)


class _Gathering:
    """A transport that writes at the next turn of the loop what was written in this one."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _HELD_MAX:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            data = b"".join(self._held)
            self._held, self._size = [], 0
            if not self._transport.is_closing():  # the client may have gone since
                self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
