"""The right answer, which is known from the calls as they are made, and what a peer's answer lacks of it. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from bench.peers.programs.side import cell, identity, needed
from shared.eventlog.port import Message

Counts = Counter[str]
"""Calls by cell, see `bench.peers.programs.side`."""


class Exact:
    """Counts each call once."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._seen: set[str] = set()

    def watch(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The messages, which are counted as they pass."""
        for message in messages:
            headers = needed(message.headers)
            if (name := identity(headers)) not in self._seen:
                self._seen.add(name)
                self.counts[cell(headers, msgspec.json.decode(message.value))] += 1
            yield message


def read(lines: Iterable[str]) -> Counts:
    """A peer's answer."""
    counts = Counts()
    for line in lines:
        where, _, count = line.rstrip("\n").partition("\t")
        counts[where] += int(count)
    return counts


def read_rows(rows: Sequence[Mapping[str, Any]]) -> Counts:
    """The answer of metrics' `/v1/kpis/calls/values?grain=day&by=rep`."""
    return Counts({f"{row['period']}/{row['rep']}": row["value"] for row in rows})


def by_day_and_rep(counts: Counts) -> Counts:
    """The same calls in the cells of `read_rows`."""
    coarse = Counts()
    for where, count in counts.items():
        hour, rep, _ = where.split("/")
        coarse[f"{hour.partition('T')[0]}/{rep}"] += count
    return coarse


def judge(right: Counts, found: Counts) -> str:
    """`yes`, or how many calls are missing and how many are too many, cell by cell."""
    missing, more = (right - found).total(), (found - right).total()
    return f"no: {missing:,} missing, {more:,} too many" if missing or more else "yes"
