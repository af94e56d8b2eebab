"""Quix Streams, exactly once: identities and counts in its state, RocksDB with a changelog on Kafka."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from quixstreams import Application
from quixstreams.models.serializers import Deserializer
from quixstreams.state import State
from rocksdict import AccessType, Options, Rdict

from bench.peers.programs.side import Work, begin, cell, end, identity, needed

_SEEN, _COUNT = "seen/", "count/"


class OneKey(Deserializer):
    """The same key for all messages. State is kept by key: so each partition counts for itself, and no second topic is
    needed between dedupe and count, which would cost as much again."""

    def __call__(self, value: Any, ctx: Any) -> bytes:
        return b""


def count(call: dict[str, str], key: bytes, timestamp: int, headers: Any, state: State) -> None:
    """Take one call."""
    named = needed(headers)
    name = _SEEN + identity(named)
    if state.get(name) is None:
        state.set(name, True)
        where = _COUNT + cell(named, call)
        state.set(where, state.get(where, 0) + 1)


def take(work: Work) -> Iterator[tuple[str, int]]:
    """The counts as they lie in its state, when all is committed."""
    app = Application(
        work.brokers,
        consumer_group=work.group,
        auto_offset_reset="earliest",
        state_dir=work.folder / "state",
        processing_guarantee="exactly-once",
        loglevel="WARNING",
    )
    calls = app.dataframe(app.topic(work.topic, key_deserializer=OneKey(), value_deserializer="json"))
    calls.update(count, stateful=True, metadata=True)
    app.run(count=work.events, collect=False)
    return _stored(work.folder / "state")


def _stored(folder: Path) -> Iterator[tuple[str, int]]:
    for mark in sorted(folder.rglob("CURRENT")):  # a file of every database
        with_counts = Rdict(str(mark.parent), options=Options(raw_mode=True), access_type=AccessType.read_only())
        for key, value in with_counts.items():
            name = orjson.loads(key)
            if name.startswith(_COUNT):
                yield name.removeprefix(_COUNT), orjson.loads(value)
        with_counts.close()


if __name__ == "__main__":
    given = begin()
    end(given, take(given))
