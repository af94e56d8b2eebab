"""The failing network itself: each of its faults is what it says."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.faults.proxy import TcpProxy
from tests.system import until

WAIT_S = 20.0


class Echo:
    """A server that answers every chunk in capitals; `got`: all that reached it."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.at: tuple[str, int] = self._listening.getsockname()
        self.got = b""
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while some := connection.recv(65_536):
                    self.got += some
                    connection.sendall(some.upper())
            except OSError:  # reset
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    with closing(Echo()) as server:
        yield server


@pytest.fixture
def proxy(echo: Echo) -> Iterator[TcpProxy]:
    with TcpProxy(echo.at) as running:
        yield running


def connected(proxy: TcpProxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), WAIT_S)
    try:
        assert asked(client, b"hello") == b"HELLO"
    except BaseException:
        client.close()
        raise
    return client


def asked(client: socket.socket, what: bytes) -> bytes:
    """What is answered, as long as what was asked; less when the connection ends."""
    client.sendall(what)
    answer = b""
    while len(answer) < len(what) and (some := client.recv(65_536)):
        answer += some
    return answer


def test_passes_everything_both_ways_and_the_end_too(proxy: TcpProxy, echo: Echo) -> None:
    with connected(proxy) as client:
        assert asked(client, b"x" * 1_000_000) == b"X" * 1_000_000
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert len(echo.got) == 1_000_005
    assert proxy.accepted == 1


def test_cut_resets_all_and_takes_new_connections(proxy: TcpProxy) -> None:
    with connected(proxy) as client, connected(proxy) as other:
        proxy.cut()
        for one in (client, other):
            with pytest.raises(ConnectionResetError):
                one.recv(1)
    connected(proxy).close()


@pytest.mark.parametrize(("way", "reached", "answered"), [("up", b"helloab", None), ("down", b"helloabcdef", b"AB")])
def test_cut_behind_the_nth_byte(proxy: TcpProxy, echo: Echo, way: str, reached: bytes, answered: bytes | None) -> None:
    with connected(proxy) as client:
        proxy.cut_after(2, way)  # type: ignore[arg-type]
        client.sendall(b"abcdef")
        found = b""
        for _ in answered or b"":
            found += client.recv(1)
        assert found == (answered or b"")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    until(lambda: echo.got == reached, WAIT_S)  # the client may know of the cut before the server has read what came
    with connected(proxy):
        assert echo.got == reached + b"hello"


@pytest.mark.parametrize("forwarded", [True, False])
def test_a_needle_cuts_before_or_after_it_is_passed_on(proxy: TcpProxy, echo: Echo, forwarded: bool) -> None:
    with connected(proxy) as other, connected(proxy) as client:
        trap = proxy.cut_at(b"COMMIT", b"mark", forwarded=forwarded)
        assert asked(other, b"other COMMIT") == b"OTHER COMMIT"
        assert asked(client, b"a mark, COM") == b"A MARK, COM"
        assert not trap.sprung.is_set()
        with pytest.raises(ConnectionResetError):
            asked(client, b"MIT;")
        trap.wait()
        assert asked(other, b"mark COMMIT") == b"MARK COMMIT", "it springs once"
    assert (b"a mark, COMMIT;" in echo.got.replace(b"other COMMIT", b"")) is forwarded


def test_marks_of_an_earlier_needle_do_not_count_and_those_of_the_opening_do(proxy: TcpProxy) -> None:
    with connected(proxy) as client:
        proxy.cut_at(b"COMMIT", b"hello", b"mark", forwarded=False)
        assert asked(client, b"COMMIT") == b"COMMIT"
        assert asked(client, b"marked") == b"MARKED"
        with pytest.raises(ConnectionResetError):
            asked(client, b"COMMIT")


def test_silence_answers_nothing_and_resets_when_healed(proxy: TcpProxy, echo: Echo) -> None:
    with connected(proxy) as client:
        proxy.silence()
        with socket.create_connection(("127.0.0.1", proxy.port), WAIT_S) as late:
            for one in (client, late):
                one.sendall(b"anybody?")
                one.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    one.recv(1)
                one.settimeout(WAIT_S)
            proxy.heal()
            for one in (client, late):
                with pytest.raises(ConnectionResetError):
                    one.recv(1)
    connected(proxy).close()
    assert b"anybody?" not in echo.got


def test_refuse_keeps_what_is_open(proxy: TcpProxy) -> None:
    with connected(proxy) as client:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), WAIT_S)
        assert asked(client, b"still") == b"STILL"
        proxy.heal()
        connected(proxy).close()


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody: tuple[str, int] = probe.getsockname()
    with TcpProxy(nobody) as proxy, pytest.raises(ConnectionResetError):
        connected(proxy)


def test_delay_holds_back(proxy: TcpProxy) -> None:
    with connected(proxy) as client:
        proxy.delay(up_s=0.3)
        client.settimeout(0.1)
        client.sendall(b"slow")
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(WAIT_S)
        assert client.recv(4) == b"SLOW"
