"""The port through which Tasuki writes and reads its log, and what every adapter promises.

**Shape.** A topic has a fixed number of partitions. All topics have the same number, and a key falls into the same
partition of each, so partition *p* of all topics together is *shard p*: all events of one lead are in one shard.

**Writing.** `append` returns when the messages are durable, in the order given per partition; it may fail after having
written some or all of them (a cut connection), so writers repeat, and the same event may stand in the log twice.
Nothing is lost once `append` has returned.

**Offsets** grow per partition in commit order: when a reader sees offset *n*, everything below it is there and will not
change. They are dense (0, 1, 2, ...) but for what transactions of producers leave on Kafka: `Fetched` passes over it.

**Reading.** A reader belongs to a group; the members of a group share the shards among them, and a shard has one owner
at a time - as far as the log can tell. A paused process may believe that it still owns a shard; so ownership is an
economy, not a guarantee: correctness rests on the handler's compare-and-set of its stored positions. The log keeps no
positions: on getting a shard the reader asks the handler where to go on. Records of one partition come in offset order;
between partitions there is no order. Every record is delivered at least once.

**Waiting.** `fetch` wakes when records arrive; it does not sleep through them.

**Failure.** `LogUnavailable` when the log cannot be reached (try again later; nothing is known about what was in
flight), `PositionLost` when a stored position is older than what is kept (stop and alert: never skip).
"""

from asyncio import Future
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec


class LogError(Exception):
    """Base of what a log raises."""


class LogUnavailable(LogError):
    """The log cannot be reached now."""


class PositionLost(LogError):
    """A stored position lies outside what the log holds."""


class RecordRefused(LogError):
    """The log will never take one of these records: it is too large."""


class TopicPartition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


Positions = Mapping[TopicPartition, int]
"""Next offset to read, per partition."""


class Message(msgspec.Struct, frozen=True):
    """What a writer hands over. `headers` are CloudEvents `ce_*` attributes and `content-type`."""

    topic: str
    key: str
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


UNREADABLE = "tasuki_unreadable"
"""Header of a record that could not be taken apart; it says why. Such a record has no value."""


class Record(msgspec.Struct, frozen=True):
    """What a reader gets. `value` is None for a tombstone, `key` None where a foreign producer gave none."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    appended_at: datetime

    @property
    def at(self) -> TopicPartition:
        return _at(self.topic, self.partition)


_at = lru_cache(maxsize=10_000)(TopicPartition)  # asked for several times for every record


class Fetched(NamedTuple):
    """What a reader has got. `reached`: the next offset of each partition in which it has moved: after the last record,
    or further where the log holds what is no record (Kafka's markers of transactions, records that were aborted)."""

    records: Sequence[Record]
    reached: Positions


class PositionKeeper(Protocol):
    """Where a reader learns how far its group has come: the handler's own database."""

    async def positions(self, shards: Collection[int]) -> Positions:
        """Stored next offsets of the shards' partitions; a partition that is not in the answer starts at 0."""


class Reader(Protocol):
    """One member's view of the topics it reads."""

    @property
    def shards(self) -> frozenset[int]:
        """The shards that this member owns now, as far as it knows."""

    async def fetch(self, max_records: int, wait_s: float, in_hand: Collection[int] = ()) -> Fetched:
        """The next records of the owned shards, at most `max_records`; none when none came within `wait_s` seconds.

        Shards that others should have are given up on the way, but those `in_hand`, whose last batch is not
        committed; they are asked for again while this waits. Raises LogUnavailable or PositionLost.
        """

    async def rewind(self, shards: Collection[int]) -> None:
        """Go back to the stored positions of these shards, after a batch was not committed."""

    async def lag(self) -> Mapping[TopicPartition, int]:
        """Records not yet fetched, for each partition of the owned shards."""

    async def close(self) -> None:
        """Leave the group, so that others may go on at once."""


class EventLog(Protocol):
    """The log."""

    @property
    def partitions(self) -> int:
        """Partitions of each topic."""

    @property
    def by_key(self) -> bool:
        """Whether every record is in the partition of its key (`partition_of`): that nobody but us writes here."""

    async def append(self, messages: Sequence[Message]) -> None:
        """Write the messages. Raises LogUnavailable."""

    async def hand_over(self, messages: Sequence[Message]) -> Sequence[Future[None]]:
        """Begin to write, in that order: for each message what ends when it is durable, or raises as `append` does.

        Messages of one partition go together, those of others may be confirmed long before. Raises LogUnavailable.
        """

    async def join(self, group: str, member: str, topics: Sequence[str], keeper: PositionKeeper) -> Reader:
        """Become a member of a group. The same member name again takes over its own shards at once."""

    async def ends(self, topics: Sequence[str]) -> Positions:
        """Offset after the last record of every partition of the topics."""

    async def read(self, at: TopicPartition, offset: int, max_records: int) -> Sequence[Record]:
        """Records of one partition from an offset on, without a group: for tools and for re-checking."""

    async def close(self) -> None:
        """Let go of connections."""


class Taken(NamedTuple):
    """How many rows of an outbox went over, and the bytes of their values. `traced`: topic and headers (packed) of
    those with a traceparent, where they were asked for."""

    rows: int
    size: int
    traced: Sequence[tuple[str, bytes]] = ()


@runtime_checkable
class LogInDatabase(Protocol):
    """What a log adds to `EventLog` when it lies in the services' own database: what it takes from an outbox goes over
    in one transaction, so that a row stands in one of the two at any moment."""

    def takes(self, shards: int) -> bool:
        """Whether all of one shard of an outbox with so many falls into one partition of each topic."""

    async def take(
        self, connection: Any, schema: str, shards: Collection[int], *, rows: int, size: int, traced: bool = False
    ) -> Taken:
        """Move the oldest rows of these shards from `<schema>.outbox` to the log, in the caller's transaction.

        At most `rows` of them, and no more once `size` bytes are exceeded. `traced`: tell which have a traceparent.
        Raises LogError for a topic that the log does not have.
        """
