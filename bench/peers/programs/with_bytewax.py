"""Bytewax with recovery: identities in the state of each lead, counts in that of each cell, kept in SQLite."""

import orjson
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from bytewax.testing import TestingSink

from bench.peers.programs.side import Work, begin, cell, end, identity, needed


class Seen(StatefulBatchLogic):
    """Lets through the cell of each event of a lead once."""

    def __init__(self, seen: frozenset[str] | None) -> None:
        self._seen = set(seen or ())

    def on_batch(self, values: list[tuple[str, str]]) -> tuple[list[str], bool]:
        fresh = []
        for name, where in values:
            if name not in self._seen:
                self._seen.add(name)
                fresh.append(where)
        return fresh, self.RETAIN

    def snapshot(self) -> frozenset[str]:
        return frozenset(self._seen)


class Counted(StatefulBatchLogic):
    """Counts the events of a cell, and tells them at the end."""

    def __init__(self, count: int | None) -> None:
        self._count = count or 0

    def on_batch(self, values: list[str]) -> tuple[list[int], bool]:
        self._count += len(values)
        return [], self.RETAIN

    def on_eof(self) -> tuple[list[int], bool]:
        return [self._count], self.RETAIN

    def snapshot(self) -> int:
        return self._count


def understand(message: KafkaSourceMessage) -> tuple[str, tuple[str, str]]:
    """The lead, and identity and cell of one of its events."""
    headers = needed(message.headers)
    return message.key.decode(), (identity(headers), cell(headers, orjson.loads(message.value)))


def take(work: Work) -> list[tuple[str, int]]:
    """The counts, when the snapshot of the last epoch is written; it ends where the topic does."""
    counts: list[tuple[str, int]] = []
    flow = Dataflow("calls")
    messages = op.input("calls", flow, KafkaSource([work.brokers], [work.topic], tail=False))
    fresh = op.stateful_batch("seen", op.map("understand", messages, understand), Seen)
    cells = op.map("cells", fresh, lambda keyed: (keyed[1], keyed[1]))
    op.output("counts", op.stateful_batch("counted", cells, Counted), TestingSink(counts))
    recovery = work.folder / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)
    cli_main(flow, recovery_config=RecoveryConfig(recovery))
    return counts


if __name__ == "__main__":
    given = begin()
    end(given, take(given))
