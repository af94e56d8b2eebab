"""The one question that tells whether a broker is ready: Metadata, in Kafka's wire protocol."""

import socket
import struct
from typing import NamedTuple

_METADATA, _VERSION = 3, 2  # the oldest version that tells the cluster's id


class View(NamedTuple):
    """What a broker sees of its cluster: the id and the address of each broker that is up, by node id."""

    cluster_id: str
    brokers: dict[int, tuple[str, int]]


def ask(host: str, port: int, timeout: float = 1.0) -> View:
    """Asks the broker at an address. OSError when it does not answer within `timeout` seconds for each step."""
    answer = exchange(host, port, _METADATA, _VERSION, struct.pack(">i", 0), timeout)  # of no topic
    brokers = {}
    for _ in range(answer.int32()):
        node, its_host, its_port = answer.int32(), answer.string(), answer.int32()
        answer.string()  # its rack
        brokers[node] = (its_host, its_port)
    return View(answer.string(), brokers)


def exchange(host: str, port: int, kind: int, version: int, body: bytes, timeout: float = 1.0) -> "Answer":
    """Sends one request and returns its answer, after the request's number."""
    client = b"tasuki"
    request = struct.pack(f">hhih{len(client)}s", kind, version, 0, len(client), client) + body
    with socket.create_connection((host, port), timeout) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", _read(connection, 4))
        answer = Answer(_read(connection, length))
    answer.int32()
    return answer


class Answer:
    """Reads the parts of an answer in their order; integers are big-endian."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def int16(self) -> int:
        return self._integer(2)

    def int32(self) -> int:
        return self._integer(4)

    def string(self) -> str:
        """A text; null, which has the length -1, is empty."""
        return self._take(max(self.int16(), 0)).decode()

    def _integer(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big", signed=True)

    def _take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        return self._content[start : self._at]


def _read(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            raise ConnectionResetError("the broker has closed the connection")
        content += part
    return content
