"""Which topics the names stand for now: Kafka gives each topic an id, so that one that is made anew is another one.

aiokafka knows how a broker tells of its topics up to version 5; their ids came with version 10 (Kafka 2.8).
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

_METADATA = 3
_VERSION = 10
_TAGS = ("tags", TaggedFields)
_TEXT = CompactString("utf-8")
_ID = (("id_high", Int64), ("id_low", Int64))


class Identity(NamedTuple):
    """A topic as it is now."""

    id: UUID
    partitions: int


class _Answer(Response):  # type: ignore[misc]  # aiokafka's are not typed
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(("node", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS)),
        ("cluster", _TEXT),
        ("controller", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                *_ID,
                ("internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("allowed", Int32),
                _TAGS,
            ),
        ),
        ("allowed", Int32),
        _TAGS,
    )


class _Question(RequestStruct):  # type: ignore[misc]  # aiokafka's are not typed
    API_KEY = _METADATA
    API_VERSION = _VERSION
    RESPONSE_TYPE = _Answer
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("topics", CompactArray(*_ID, ("name", _TEXT), _TAGS)),
        ("make_them", Boolean),
        ("allowed_on_cluster", Boolean),
        ("allowed_on_topics", Boolean),
        _TAGS,
    )


class _Topics(Request[_Question]):  # type: ignore[misc]  # aiokafka's are not typed
    API_KEY = _METADATA

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_Question]) -> _Question:
        return request_struct_class([(0, 0, name, {}) for name in self._names], False, False, False, {})


async def identities(client: AIOKafkaClient, names: Sequence[str]) -> dict[str, Identity]:
    """Those of the topics that are there; none where the brokers are older than ids. Raises KafkaError."""
    try:
        told = await client.send(client.get_random_node(), _Topics(names))
    except NotImplementedError:
        return {}
    return {
        name: Identity(UUID(int=(high % 2**64) << 64 | low % 2**64), len(partitions))
        for error_code, name, high, low, _, partitions, *_ in told.topics
        if not error_code
    }
