"""A network that fails when it is told to: passes bytes of TCP connections to a server, and can be switched meanwhile.

It knows no protocol; what it looks for are bytes. So it stands in front of PostgreSQL as well as of any other server.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

T = TypeVar("T")
Way = Literal["up", "down"]
"""From the client to the server, and back."""

_CHUNK = 65_536
_OPENING = 1_024  # bytes at the beginning of a connection in which marks are looked for, too: who the client is


@dataclass(frozen=True)
class Trap:
    """Springs at `needle` on its way up, on a connection that has sent all `marks` at its opening or since the last
    needle. `forwarded`: whether the server still gets the needle; its answer is lost then, else nothing was asked."""

    needle: bytes
    marks: tuple[bytes, ...]
    forwarded: bool
    sprung: threading.Event = field(default_factory=threading.Event)

    def wait(self, within_s: float = 60) -> None:
        """Wait until it has sprung; fails after `within_s` seconds."""
        assert self.sprung.wait(within_s), f"{self.needle!r} has not come by after {self.marks}"


class TcpProxy:
    """`with TcpProxy(target) as proxy:` listens on `proxy.port` of 127.0.0.1 in a thread of its own.

    target: host and port, or the path of a Unix socket. Faults hold until `heal`; each can be set from any thread.
    """

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self.port = 0
        self.accepted = 0
        """Connections taken so far."""
        self.delay_s: dict[Way, float] = {"up": 0.0, "down": 0.0}
        self.silent = False
        self.left: dict[Way, int | None] = {"up": None, "down": None}
        self.trap: Trap | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def delay(self, *, up_s: float = 0.0, down_s: float = 0.0) -> None:
        """Hold every chunk back for so many seconds."""
        self.delay_s = {"up": up_s, "down": down_s}

    def cut(self) -> None:
        """Reset all connections (RST) now; new ones are taken."""
        self._do(self._reset_all)

    def cut_after(self, n: int, way: Way) -> None:
        """Reset the connection on which the n-th byte from now passes in this direction, behind that byte."""
        self._do(lambda: self.left.update({way: n}))

    def cut_at(self, needle: bytes, *marks: bytes, forwarded: bool) -> Trap:
        """Reset the next connection that springs this trap; one trap at a time."""
        trap = Trap(needle, marks, forwarded)

        def set_trap() -> None:
            self.trap = trap

        self._do(set_trap)
        return trap

    def silence(self) -> None:
        """Half-open: everything is taken and nothing passes or is answered. Healing resets what was silenced."""

        def fall_silent() -> None:
            self.silent = True
            for pair in self._pairs:
                pair.silent = True

        self._do(fall_silent)

    def refuse(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._wait(self._stop_listening())

    def heal(self) -> None:
        """Pass everything again, at once."""
        self._wait(self._healed())

    def say(self, words: bytes) -> None:
        """Send bytes of our own to every client."""

        def write() -> None:
            for pair in self._pairs:
                pair.client.write(words)

        self._do(write)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _healed(self) -> None:
        self.delay()
        self.silent, self.trap, self.left = False, None, {"up": None, "down": None}
        for pair in [pair for pair in self._pairs if pair.silent]:
            pair.reset()
        await self._listen()

    async def _close(self) -> None:
        await self._stop_listening()
        pairs = list(self._pairs)
        self._reset_all()
        await asyncio.gather(*(pair.ended.wait() for pair in pairs))

    def _reset_all(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        pair = _Pair(self, writer)
        self._pairs.add(pair)
        try:
            if not pair.silent:
                await pair.connect(self._target)
            await pair.run(reader)
        except OSError:  # what one side meets, the other is told by a reset
            pass
        finally:
            pair.reset()
            self._pairs.discard(pair)
            pair.ended.set()

    def _do(self, work: Callable[[], object]) -> None:
        async def do() -> None:
            work()

        self._wait(do())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(60)


class _Pair:
    """A client's connection and ours to the server for it."""

    def __init__(self, proxy: TcpProxy, client: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self.client = client
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.silent = proxy.silent
        self._answer_lost = False
        self._opening = b""
        self._since = b""  # what the client has sent since the last needle
        self._broken = asyncio.Event()
        self.ended = asyncio.Event()

    async def connect(self, target: tuple[str, int] | Path) -> None:
        if isinstance(target, Path):
            self._server = await asyncio.open_unix_connection(target)
        else:
            self._server = await asyncio.open_connection(*target)

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Pass bytes both ways until one side has ended; then the other is ended in the same way."""
        ways = [asyncio.ensure_future(self._broken.wait()), asyncio.ensure_future(self._up(reader))]
        if self._server is not None:
            ways.append(asyncio.ensure_future(self._down(self._server[0])))
        done, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in pending:
            way.cancel()
        await asyncio.gather(*pending, return_exceptions=True)  # a second failure tells no more than the first
        for way in done:
            way.result()
        for _, writer in self._both():
            writer.close()  # an orderly end; what is still to be sent is sent

    def reset(self) -> None:
        """Let both ends know at once, as a host does that knows nothing of the connection: by RST."""
        self._broken.set()
        for plug, writer in self._both():
            if not writer.is_closing():
                with suppress(OSError):
                    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    def _both(self) -> list[tuple[socket.socket, asyncio.StreamWriter]]:
        writers = [self.client, *([self._server[1]] if self._server else [])]
        return [(writer.get_extra_info("socket"), writer) for writer in writers]

    async def _up(self, reader: asyncio.StreamReader) -> None:
        while some := await reader.read(_CHUNK):
            await asyncio.sleep(self._proxy.delay_s["up"])
            if self.silent or self._server is None:
                continue
            if self._springs(some):
                return
            if await self._passed(self._server[1], some, "up"):
                return
        if self.silent:
            await asyncio.Event().wait()  # not even the end of the client is told to the server

    async def _down(self, reader: asyncio.StreamReader) -> None:
        while some := await reader.read(_CHUNK):
            await asyncio.sleep(self._proxy.delay_s["down"])
            if self._answer_lost:
                self.reset()
                return
            if self.silent:
                continue
            if await self._passed(self.client, some, "down"):
                return
        if self.silent:
            await asyncio.Event().wait()

    async def _passed(self, writer: asyncio.StreamWriter, some: bytes, way: Way) -> bool:
        """Pass a chunk on; whether the connection was reset behind it."""
        left = self._proxy.left[way]
        if left is None or len(some) < left:
            self._proxy.left[way] = None if left is None else left - len(some)
            writer.write(some)
            await writer.drain()
            return False
        self._proxy.left[way] = None
        writer.write(some[:left])
        await writer.drain()
        while writer.transport.get_write_buffer_size():  # noqa: ASYNC110 - a reset would throw it away
            await asyncio.sleep(0)
        self.reset()
        return True

    def _springs(self, some: bytes) -> bool:
        """Look for the trap's needle in a chunk on its way up; True: the connection is reset and nothing passes."""
        self._opening = (self._opening + some[:_OPENING])[:_OPENING]
        trap = self._proxy.trap
        if trap is None:
            self._since = (self._since + some)[-_CHUNK:]
            return False
        self._since += some
        before, found, after = self._since.rpartition(trap.needle)
        if not found:
            return False
        self._since = after
        if not all(mark in self._opening or mark in before for mark in trap.marks):
            return False
        self._proxy.trap = None
        if trap.forwarded:
            self._answer_lost = True  # reset when the server's answer shows that it has got all of it
        else:
            self.reset()
        trap.sprung.set()
        return not trap.forwarded


def proxied(database_url: str) -> "TcpProxy":
    """A proxy before the PostgreSQL of an address."""
    at = urlsplit(database_url)
    folder = parse_qs(at.query).get("host", [""])[0]
    if folder.startswith("/"):
        return TcpProxy(Path(folder) / f".s.PGSQL.{at.port or 5432}")
    return TcpProxy((at.hostname or "127.0.0.1", at.port or 5432))


def through(proxy: TcpProxy, database_url: str) -> str:
    """The address of the same database behind a running proxy."""
    at = urlsplit(database_url)
    user = at.netloc.rpartition("@")[0]
    return at._replace(netloc=f"{user}@127.0.0.1:{proxy.port}", query="").geturl()
