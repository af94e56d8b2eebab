"""A batch of records on its way through a consumer: what is understood, what is new, what becomes a dead letter."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from itertools import compress
from operator import not_
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import is_retryable
from shared.dead_letters import DeadLetter
from shared.eventlog.port import Positions, Record, TopicPartition
from shared.events import Undecodable, content_digest, from_record
from shared.inbox import Fresh, Handler, Received, Rejected
from shared.positions import Tally
from shared.telemetry import in_words

REPEATS = 10
"""Times that one batch is repeated because of deadlocks and the like, before that counts as a failure."""

REJECTIONS = 8
"""Records of one batch that are condemned one by one, before it goes on in halves."""


class Batch:
    """Records in the order in which they came, the stored positions that they go on from, and those that they reach."""

    def __init__(
        self,
        records: Sequence[Record],
        expected: dict[TopicPartition, int],
        reached: Positions,
        condemned: dict[tuple[TopicPartition, int], tuple[str, str]] | None = None,
    ) -> None:
        self.records = records
        self._expected = expected
        self._reached = reached
        self._condemned = {} if condemned is None else condemned

    def moves(self) -> Mapping[TopicPartition, tuple[int, int]]:
        """Expected and next offset of each partition."""
        return {at: (self._expected[at], reached) for at, reached in self._reached.items()}

    def shards(self) -> set[int]:
        """The shards in which it moves."""
        return {at.partition for at in self._reached}

    def committed(self) -> None:
        """The batch is in the database: what comes after it in the same fetch goes on from there."""
        self._expected.update(self._reached)

    def condemn(self, record: Record, reason: str, error: str) -> bool:
        """Make a record a dead letter whatever is in it. False when it is one already, or not in this batch."""
        place = (record.at, record.offset)
        if place in self._condemned or record not in self.records:
            return False
        self._condemned[place] = (reason, error)
        return True

    @property
    def has_condemned(self) -> bool:
        """Whether any record is condemned."""
        return bool(self._condemned)

    def condemnation(self, record: Record) -> tuple[str, str] | None:
        """Reason and error of a condemned record."""
        return self._condemned.get((record.at, record.offset))

    def halves(self) -> Iterator["Batch"]:
        """The batch as two, to be committed one after the other."""
        middle = len(self.records) // 2
        first = self.records[:middle]
        yield Batch(first, self._expected, {record.at: record.offset + 1 for record in first}, self._condemned)
        yield Batch(self.records[middle:], self._expected, self._reached, self._condemned)


class Then(Enum):
    """What to do with a batch that failed."""

    AT_ONCE = 1
    AFTER_A_PAUSE = 2
    IN_HALVES = 3


class Attempts:
    """Decides what comes after each failure of one batch."""

    def __init__(self, tries: int) -> None:
        self._tries_left = tries
        self._repeats_left = REPEATS
        self._rejections_left = REJECTIONS

    def after(self, error: Exception, batch: Batch) -> Then:
        """What to do next; may condemn a record of the batch. The error is neither an outage nor Superseded.

        Raises the error when not even the dead letter of a lone record can be written: not the record's fault.
        """
        alone = len(batch.records) == 1
        if isinstance(error, Rejected) and batch.condemn(error.received.record, error.reason, error.detail):
            self._rejections_left -= 1
            return Then.AT_ONCE if self._rejections_left > 0 or alone else Then.IN_HALVES
        if is_retryable(error) and self._repeats_left > 0:
            self._repeats_left -= 1
            return Then.AFTER_A_PAUSE
        self._tries_left -= 1
        if self._tries_left > 0:
            return Then.AFTER_A_PAUSE
        if not alone:
            return Then.IN_HALVES
        if not batch.condemn(batch.records[0], "handler_error", in_words(error)):
            raise error
        return Then.AT_ONCE


class Sifted(NamedTuple):
    """What becomes of a batch, and the counts of it."""

    new: Sequence[Received]
    dead: Sequence[DeadLetter]
    tallies: Mapping[TopicPartition, Tally]


def understand(batch: Batch) -> tuple[list[Received], list[DeadLetter]]:
    """Decode the records; what is condemned or undecodable is a dead letter."""
    received: list[Received] = []
    dead: list[DeadLetter] = []
    has_condemned = batch.has_condemned
    for record in batch.records:
        if has_condemned and (condemnation := batch.condemnation(record)) is not None:
            dead.append(DeadLetter(record, *condemnation))
            continue
        try:
            received.append(Received(record, from_record(record)))
        except Undecodable as error:
            dead.append(DeadLetter(record, error.reason, str(error)))
    return received, dead


def going_on_from(spans: Mapping[tuple[str, str | None], str], received: Sequence[Received]) -> Sequence[Received]:
    """The events with the traceparent of the span that takes them, by topic and traceparent: what comes of an event
    then goes on from there."""
    if not spans:
        return received
    return [
        Received(record, msgspec.structs.replace(event, traceparent=spans.get(told, event.traceparent)))
        for record, event in received
        for told in [(record.topic, event.traceparent)]
    ]


async def sift(
    conn: AsyncConnection, handler: Handler, received: Sequence[Received], dead: Sequence[DeadLetter]
) -> Sifted:
    """Find what is new. Of an identity that is not known and comes several times, the first is; what it says the other
    times is a duplicate or contradicts that."""
    fresh = await _fresh(conn, handler, received)
    conflicts = [
        DeadLetter(
            r.record, "identity_conflict", f"event {r.event.id} of {r.event.source} was taken with other content"
        )
        for r in fresh.conflicts
    ]
    times: dict[tuple[str, int], list[datetime]] = {}
    for record, event in fresh.new:
        times.setdefault((record.topic, record.partition), []).append(event.time)
    tallies: dict[TopicPartition, Tally] = defaultdict(Tally)
    for at, taken in times.items():
        tallies[TopicPartition(*at)] = Tally(processed=len(taken), last_event_at=max(taken))
    for record, _ in fresh.duplicates:
        tallies[record.at].duplicates += 1
    all_dead = [*dead, *conflicts]
    for letter in all_dead:
        tallies[letter.record.at].dead_lettered += 1
    return Sifted(fresh.new, all_dead, tallies)


async def _fresh(conn: AsyncConnection, handler: Handler, received: Sequence[Received]) -> Fresh:
    verdict = await handler.fresh(conn, received)
    first: dict[tuple[str, str], Received] = {}
    again = [r for r in verdict.new if first.setdefault(r.event.identity, r) is not r]
    if not again:
        return verdict
    same = [content_digest(r.event) == content_digest(first[r.event.identity].event) for r in again]
    return Fresh(
        list(first.values()),
        [*verdict.duplicates, *compress(again, same)],
        [*verdict.conflicts, *compress(again, map(not_, same))],
    )
