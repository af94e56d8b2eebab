"""The one question that tells whether a broker is ready: Metadata, by Kafka's wire protocol."""

import socket
import struct
from typing import NamedTuple

_METADATA, _VERSION = 3, 2  # the oldest version that tells the cluster's id; all integers are big-endian


class View(NamedTuple):
    """What a broker sees of its cluster: the id and the address of each broker that is up, by node id."""

    cluster_id: str
    brokers: dict[int, tuple[str, int]]


def ask(host: str, port: int, timeout: float = 1.0) -> View:
    """Asks the broker at an address. OSError when it does not answer within `timeout` seconds for each step."""
    client = b"tasuki"
    body = struct.pack(f">hhih{len(client)}si", _METADATA, _VERSION, 0, len(client), client, 0)  # of no topic
    with socket.create_connection((host, port), timeout) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        (length,) = struct.unpack(">i", _read(connection, 4))
        return _view(_Answer(_read(connection, length)))


def _view(answer: "_Answer") -> View:
    answer.int32()  # the request's number
    brokers = {}
    for _ in range(answer.int32()):
        node, host, port = answer.int32(), answer.string(), answer.int32()
        answer.string()  # its rack
        brokers[node] = (host, port)
    return View(answer.string(), brokers)


class _Answer:
    """Reads the parts of an answer in their order."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def int32(self) -> int:
        value: int = struct.unpack_from(">i", self._content, self._at)[0]
        self._at += 4
        return value

    def string(self) -> str:
        (length,) = struct.unpack_from(">h", self._content, self._at)
        start = self._at + 2
        self._at = start + max(length, 0)  # -1: null
        return self._content[start : self._at].decode()


def _read(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            raise ConnectionResetError("the broker has closed the connection")
        content += part
    return content
