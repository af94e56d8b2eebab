"""The server's protocol: an answer is written at once, and all of it arrives."""

import asyncio
import socket
from typing import Any

import pytest
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.web.protocol import HEAD_MAX, HttpProtocol, _Gathering
from tests.web.conftest import serving

MIB = 1024 * 1024


class Counted(HttpProtocol):
    """Keeps what was written to the socket, write by write."""

    writes: list[bytes] = []  # noqa: RUF012 - of all connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Counting(transport))  # type: ignore[arg-type]


class _Counting:
    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        Counted.writes.append(bytes(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def answering(*parts: bytes) -> ASGIApp:
    """Answers everything with these parts, without a pause in between."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        length = str(sum(map(len, parts))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": parts[-1]})

    return app


@pytest.fixture(autouse=True)
def _none_written() -> None:
    Counted.writes.clear()


async def ask(url: str, *heads: str) -> bytes:
    """All that one connection answers to these requests, which are sent together, until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write("".join(f"GET / HTTP/1.1\r\nhost: here\r\n{head}\r\n" for head in heads).encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_head_and_body_are_one_write() -> None:
    async with serving(answering(b"the body"), Counted) as url:
        answer = await ask(url, "connection: close\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nthe body")
    assert Counted.writes == [answer]


async def test_pipelined_requests_are_each_answered() -> None:
    async with serving(answering(b"the body"), Counted) as url:
        answer = await ask(url, "", "", "connection: close\r\n")
    assert answer.count(b"\r\n\r\nthe body") == 3


async def test_a_long_answer_arrives_whole_and_is_not_held() -> None:
    parts = [bytes([n]) * 10_000 for n in range(MIB // 10_000)]
    async with serving(answering(*parts), Counted) as url:
        answer = await ask(url, "connection: close\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == b"".join(parts)
    assert len(Counted.writes) > 10
    assert max(map(len, Counted.writes)) < 64 * 1024 + 10_000 + 1_000


def test_what_is_written_when_the_client_has_just_gone_is_dropped() -> None:
    failures: list[dict[str, Any]] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        ours, theirs = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        gathering = _Gathering(transport, loop)
        transport.abort()  # as a reset connection does
        gathering.write(b"answered a moment before the server hears of it")
        for _ in range(3):
            await asyncio.sleep(0)
            gathering.write(b"more")
        await asyncio.sleep(0)
        gathering.close()
        assert theirs.recv(100) == b""
        theirs.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the loop of the services
        runner.run(scenario())
    assert failures == []


class Refusing(HttpProtocol):
    """Notes how much had been gathered when a head was refused."""

    gathered: list[int] = []  # noqa: RUF012 - of all connections

    def send_400_response(self, msg: str) -> None:
        Refusing.gathered.append(self._gathered)
        super().send_400_response(msg)


async def answer_to(url: str, *parts: bytes) -> bytes:
    """How the answer to these bytes begins, which are sent part by part; nothing where the connection was cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)  # or it would come in one piece
        return await asyncio.wait_for(reader.read(100), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


BEGIN = b"POST / HTTP/1.1\r\nhost: here\r\n"
CHUNKED = BEGIN + b"transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n"


@pytest.mark.parametrize(
    "begun",
    [b"GET /", BEGIN + b"x: ", BEGIN + b"x", CHUNKED + b"5;", CHUNKED + b"0\r\nx: "],
    ids=["address", "value", "name", "extension", "trailer"],
)
async def test_nothing_is_gathered_without_end(begun: bytes) -> None:
    """A header of 300 MB held a process for minutes, and its memory with it, before anybody was asked for a key."""
    Refusing.gathered.clear()
    async with serving(answering(b"ok"), Refusing) as url:
        await answer_to(url, begun, *[b"a" * 16_384] * 12)
    assert len(Refusing.gathered) == 1
    assert HEAD_MAX < Refusing.gathered[0] < 2 * HEAD_MAX


async def test_bodies_are_no_part_of_a_head() -> None:
    Refusing.gathered.clear()
    pieces = [b"a" * 60_000] * 20
    head = BEGIN + b"x: %s\r\ncontent-length: %d\r\n\r\n" % (b"a" * 60_000, sum(map(len, pieces)))
    async with serving(answering(b"ok"), Refusing) as url:
        assert (await answer_to(url, head, *pieces)).startswith(b"HTTP/1.1 200")
        assert (await answer_to(url, CHUNKED, *[b"5\r\nabcde\r\n"] * 20, b"0\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert Refusing.gathered == []
