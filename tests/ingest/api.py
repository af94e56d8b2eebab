"""A provider's API as a real server on a port of this machine, which answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request: its path with the query as it came, its headers in lower case."""

    path: str
    headers: dict[str, str]


class Api:
    """`answers`: status and document (or bytes) of one request after the other; the last one is given again."""

    def __init__(self, answers: list[tuple[int, Any]], url: str = "") -> None:
        self.answers = answers
        self.url = url
        self.asked: list[Asked] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.asked.append(Asked(first.split(" ")[1], headers))
        status, said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(*answers: tuple[int, Any]) -> AsyncIterator[Api]:
    """The API on a free port."""
    api = Api(list(answers))
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()
        await server.wait_closed()
