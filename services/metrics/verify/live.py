"""What the live numbers say at one moment: positions, answers and stored events, all seen in one transaction."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg

from services.metrics.catalogue.kpis import Kpi
from services.metrics.query import Asker
from services.metrics.question import Grain, Question
from services.metrics.verify.recount import MEASURES
from shared.eventlog.port import TopicPartition
from shared.events import decode_data, encode_data
from shared.periods import GRAINS

CELLS_AT_ONCE = 20_000
"""Answers are asked for in stretches of days that have about this many rows, to bound memory."""
STANDING = ("stock", "trailing", "coverage")
"""Kinds that have a value on every day, whether or not something happened on it."""

Asked = tuple[Kpi, Grain, tuple[str, ...]]
Answered = tuple[str, str, list[str], *tuple[float | None, ...]]
"""KPI, grain, key and measures of one row."""


def questions(kpis: Sequence[Kpi]) -> list[Asked]:
    """Every KPI at its finest, by day and all its dimensions; and in total at each grain.

    Sums are right at every grain when they are at the finest, but means, medians and ratios are made anew at each.
    """
    asked: list[Asked] = []
    for kpi in kpis:
        # Rows of money have a currency of themselves.
        finest = tuple(d for d in kpi.dimensions if d != "currency" or not kpi.money)
        asked.append((kpi, "day", finest))
        asked.extend((kpi, grain, ()) for grain in GRAINS if grain != "day" or finest)
    return asked


class Live:
    """Reads the live numbers in the transaction of `conn`."""

    def __init__(self, conn: asyncpg.Connection, asker: Asker, cells: str, today: date) -> None:
        self._conn = conn
        self._asker = asker
        self._cells = cells
        self._today = today

    async def positions(self) -> dict[TopicPartition, int]:
        """How far the log is in the numbers."""
        rows = await self._conn.fetch("select topic, partition, next_offset from metrics.positions")
        return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def set_aside(self) -> set[tuple[str, int, int]]:
        """Topic, partition and offset of what became a dead letter and was not taken later."""
        rows = await self._conn.fetch(
            'select topic, partition, "offset" from metrics.dead_letters where resolved_at is null'
        )
        return {(row["topic"], row["partition"], row["offset"]) for row in rows}

    async def stored(self, size: int) -> AsyncIterator[list[tuple[str, str, str]]]:
        """Source, id and digest of every stored event, some at a time."""
        batch: list[tuple[str, str, str]] = []
        async for row in self._conn.cursor("select source, id, name, time, data from metrics.events", prefetch=size):
            data = encode_data(decode_data(row["name"], row["data"]))
            batch.append((row["source"], row["id"], digest(row["name"], row["time"], data)))
            if len(batch) == size:
                yield batch
                batch = []
        yield batch

    async def answers(self, asked: Asked, stretches: Sequence[tuple[date, date]]) -> AsyncIterator[list[Answered]]:
        """The rows that answer a question, some at a time. `stretches`: of days on which something happened."""
        kpi, grain, by = asked
        whole = Question(kpi, grain, None, None, by)
        if grain != "day":
            yield [_row(kpi, grain, by, row) for row in await self._asker.answer(whole)]
            return
        if kpi.definition.kind in STANDING and stretches:
            keys = len(await self._asker.answer(Question(kpi, "all", None, None, by)))
            stretches = list(_cut(stretches[0][0], self._today, max(1, CELLS_AT_ONCE // max(1, keys))))
        for first, last in stretches:
            rows = await self._asker.answer(Question(kpi, grain, first, last, by))
            yield [_row(kpi, grain, by, row) for row in rows]

    async def stretches(self) -> list[tuple[date, date]]:
        """Stretches of days that hold all cells, each about as many."""
        rows = await self._conn.fetch(f"select day, count(*) as n from {self._cells} group by day order by day")
        found: list[tuple[date, date]] = []
        held = CELLS_AT_ONCE
        for row in rows:
            if held + row["n"] > CELLS_AT_ONCE:
                found.append((row["day"], row["day"]))
                held = 0
            found[-1] = (found[-1][0], row["day"])
            held += row["n"]
        return found


def digest(name: str, time: datetime, data: bytes) -> str:
    """Equal when two events of one identity say the same: `data` in the form in which events are written."""
    return hashlib.blake2b(b"\0".join((name.encode(), time.isoformat().encode(), data)), digest_size=16).hexdigest()


def _row(kpi: Kpi, grain: str, by: tuple[str, ...], row: dict[str, Any]) -> Answered:
    names = ("period", *by, *(["currency"] if kpi.money else []))
    measures = (None if row.get(measure) is None else float(row[measure]) for measure in MEASURES)
    return (kpi.id, grain, [row[name] for name in names], *measures)


def _cut(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    while first <= last:
        end = min(first + timedelta(days=days - 1), last)
        yield first, end
        first = end + timedelta(days=1)
