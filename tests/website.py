"""A website for tests that behaves as it is told, however badly: a real server on a port of 127.0.0.1."""

import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

Page = bytes | Callable[[socket.socket], None]
"""The whole answer as it goes over the wire, or something that writes it itself."""


def answer(body: bytes | str = b"", *, status: int = 200, content_type: str = "text/html", **headers: str) -> bytes:
    """An answer with a body; `content_encoding="br"` is a header."""
    raw = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


def redirect(location: str, status: int = 302) -> bytes:
    return answer(status=status, location=location)


class Website:
    """`with Website({"/": answer("<html>")}) as site:` - `site.url`, and `site.requests`: the heads that came, with
    what was posted in `site.bodies`."""

    def __init__(self, pages: Mapping[str, Page], tls: ssl.SSLContext | None = None) -> None:
        self.pages = dict(pages)
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        website = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                website.connections += 1
                website._serve(self.request, tls)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in their order."""
        return [head.split(" ")[1] for head in self.requests]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, connection: Any, tls: ssl.SSLContext | None) -> None:
        connection.settimeout(20)
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            head, body = _received(connection)
            if not head:
                return
            self.bodies.append(body)
            self.requests.append(head.decode())
            page = self.pages.get(head.split(b" ")[1].decode(), answer(status=404))
            if callable(page):
                page(connection)
            else:
                connection.sendall(page)
        except OSError:  # the other side has had enough: that is what some tests want
            return
        finally:
            connection.close()


def _received(connection: Any) -> tuple[bytes, bytes]:
    """The head of a request, with the empty line that ends it, and as much of a body as it says; b"" for none."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            return b"", b""
        received += more
    head, end, body = received.partition(b"\r\n\r\n")
    told = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    while told is not None and len(body) < int(told[1]):
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head + end, body
