"""What the service's consuming is compared with, on the same log, in batches of the same size, in a process of its own:
`python -m bench.metrics.sketch reading|counting <process id of PostgreSQL>` writes one Pass as JSON to stdout.

reading: reads and decodes, and does nothing with it: the floor. counting: what most would write, exactly once on
PostgreSQL: a transaction a batch, identities in a table, and one count as a row for each (day, hour, rep, outcome).
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import date
from typing import Any, Literal

import msgspec
import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.cpu import Meter, Spent
from bench.stage import Database, environment
from shared.db import connect, driver, transaction
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import Positions, Record
from shared.events import ACTIVITIES, HANDOFFS, LEADS, Call, Event, from_record
from shared.settings import Settings

TOPICS = (LEADS, ACTIVITIES, HANDOFFS)  # those of the service
Name = Literal["reading", "counting"]
Take = Callable[[Sequence[Record]], Coroutine[Any, Any, None]]

_TABLES = """
drop schema if exists bench cascade;
create schema bench;
create table bench.positions (topic text, partition int, next_offset bigint, primary key (topic, partition));
create table bench.seen (source text, id text, primary key (source, id));
create table bench.counters (
    day date, hour smallint, rep text, outcome text, n bigint not null, primary key (day, hour, rep, outcome)
) with (fillfactor = 70);
"""
_SEEN = """
insert into bench.seen select * from unnest($1::text[], $2::text[]) on conflict do nothing returning source, id
"""
_COUNT = """
insert into bench.counters as held
select * from unnest($1::date[], $2::smallint[], $3::text[], $4::text[], $5::bigint[])
on conflict (day, hour, rep, outcome) do update set n = held.n + excluded.n
"""
_MOVE = """
insert into bench.positions select * from unnest($1::text[], $2::int[], $3::bigint[])
on conflict (topic, partition) do update set next_offset = excluded.next_offset
"""


class Pass(msgspec.Struct):
    """Records of the log, and what it cost to go over them."""

    records: int
    spent: Spent

    @property
    def records_s(self) -> float:
        return self.records / self.spent.seconds


def sketch(database: Database, name: Name) -> Pass:
    """Run one over the whole log."""
    command = [sys.executable, "-m", "bench.metrics.sketch", name, str(database.pid)]
    done = subprocess.run(command, env=environment(database.url), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Pass)


class _FromTheStart:
    """Keeps no positions: each reading begins with the first record."""

    async def positions(self, shards: Collection[int]) -> Positions:
        return {}


async def _decode(records: Sequence[Record]) -> None:
    for record in records:
        from_record(record)


def _counting(engine: AsyncEngine) -> Take:
    async def take(records: Sequence[Record]) -> None:
        events = {(event := from_record(record)).identity: event for record in records}
        ordered = sorted(events)
        reached = {record.at: record.offset + 1 for record in records}
        async with transaction(engine) as conn:
            raw = await driver(conn)
            await raw.execute(
                _MOVE, [at.topic for at in reached], [at.partition for at in reached], [*reached.values()]
            )
            rows = await raw.fetch(_SEEN, [source for source, _ in ordered], [id_ for _, id_ in ordered])
            counted = Counter(_cell(events[row["source"], row["id"]]) for row in rows)
            if counted:
                cells = sorted(counted)
                await raw.execute(_COUNT, *map(list, zip(*cells, strict=True)), [counted[cell] for cell in cells])

    return take


def _cell(event: Event) -> tuple[date, int, str, str]:
    rep, outcome = (event.data.rep, event.data.outcome) if isinstance(event.data, Call) else ("", event.name)
    return event.time.date(), event.time.hour, rep, outcome


async def _over_all(log: EmbeddedLog, batch: int, take: Take) -> int:
    """Take all that is in the log, the next batch being read while one is taken."""
    total = left = sum((await log.ends(TOPICS)).values())
    reader = await log.join("bench-sketch", "0", TOPICS, _FromTheStart())
    fetching = asyncio.ensure_future(reader.fetch(batch, 5.0))
    while left > 0:
        records = (await fetching).records
        left -= len(records)
        if left > 0:
            fetching = asyncio.ensure_future(reader.fetch(batch, 5.0))
        await take(records)
    await reader.close()
    return total


async def _main(name: str, postgres: int) -> Pass:
    settings = Settings()
    engine = connect(settings, "bench", pool_size=2)
    log = await EmbeddedLog.open(settings)
    try:
        async with transaction(engine) as conn:
            for statement in filter(str.strip, _TABLES.split(";")):
                await conn.execute(text(statement))
        meter = Meter(os.getpid(), postgres=postgres)
        take = {"reading": _decode, "counting": _counting(engine)}[name]
        records = await _over_all(log, settings.consumer_batch_max, take)
        spent = meter.spent()
        async with transaction(engine) as conn:
            await conn.execute(text("drop schema bench cascade"))
        return Pass(records, spent)
    finally:
        await log.close()
        await engine.dispose()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        passed = runner.run(_main(sys.argv[1], int(sys.argv[2])))
    sys.stdout.buffer.write(msgspec.json.encode(passed))
