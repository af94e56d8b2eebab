"""What the real service costs at one size."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg

from bench.corpus import history
from bench.growth.catalogue import enlarge
from bench.growth.sizes import Size
from bench.growth.table import Found
from bench.metrics.filling import calm, fill_log
from bench.metrics.service import Service, Taken, metrics
from bench.metrics.team import configuration, reps
from bench.report import median
from bench.stage import Database, database
from shared.db import dsn
from shared.settings import Settings

STARTS = 3
PATIENCE_S = 300.0
_LINE = b"\ntasuki_kpi_value{"
_DISK = """
select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'm')
"""


class Start(NamedTuple):
    """A new start: seconds until it answered, milliseconds until a scrape had the KPIs and scrapes made for that, the
    milliseconds of one more and the lines of KPIs in it, and resident memory after all."""

    started_s: float
    first_ms: float
    tries: int
    second_ms: float
    lines: int
    memory_mib: float


class Disk(NamedTuple):
    """Bytes of all tables and indexes, of the service's schema and of the log's."""

    metrics: int
    log: int


def measure(size: Size, seed: int) -> Found:
    """Have it take all events on a fresh PostgreSQL, then start it anew. Raises RuntimeError when it was too fast."""
    with tempfile.TemporaryDirectory(prefix="tasuki-bench-") as folder, database() as db:
        config = configuration(Path(folder), size.reps)
        enlarge(config, size.kpis)
        empty = asyncio.run(_disk(db))
        settings = Settings(database_url=db.url, kafka_bootstrap_servers=None, log_partitions=size.partitions)
        fill_log(settings, history(size.events, size.leads, seed, reps(size.reps)), size.events)
        calm(db)
        with metrics(db, {"config_dir": str(config)}) as service:
            taken = service.follow(f"taking {size.events:,}")
            memory_mib = service.memory_mib()
        calm(db)
        full = asyncio.run(_disk(db))
        starts = [_start(db, config) for _ in range(STARTS)]
    # what empty tables take would make few events look dear, and growth cheap
    grown = Disk(full.metrics - empty.metrics, full.log - empty.log)
    return _found(size, taken, memory_mib, grown, starts)


async def _disk(db: Database) -> Disk:
    conn = await asyncpg.connect(dsn(db.url))
    try:
        return Disk(*[await conn.fetchval(_DISK, schema) for schema in Disk._fields])
    finally:
        await conn.close()


def _start(db: Database, config: Path) -> Start:
    with metrics(db, {"config_dir": str(config)}) as service:
        (first_ms, tries, _), (second_ms, _, lines) = (_scrape(service) for _ in range(2))
        return Start(service.started_s, first_ms, tries, second_ms, lines, service.memory_mib())


def _scrape(service: Service) -> tuple[float, int, int]:
    """Milliseconds until an answer has the KPIs, the answers until then, since KPIs that take too long are left out,
    and the lines that there are of them."""
    begun, tries = time.monotonic(), 1
    while not (lines := service.get("/metrics").count(_LINE)):
        if time.monotonic() - begun > PATIENCE_S:
            raise RuntimeError(f"no KPIs on /metrics after {PATIENCE_S:.0f} s")
        tries += 1
    return 1000 * (time.monotonic() - begun), tries, lines


def _found(size: Size, taken: Taken, memory_mib: float, grown: Disk, starts: Sequence[Start]) -> Found:
    if not taken.records:
        raise RuntimeError(f"{size.events} events were taken before it answered; take a larger --base")
    started_s, first_ms, tries, second_ms, lines, scraped_mib = (median(values) for values in zip(*starts, strict=True))
    return Found(
        events_s=taken.records_s,
        python_us=1e6 * taken.spent.python_s / taken.records,
        postgres_us=1e6 * taken.spent.postgres_s / taken.records,
        memory_mib=memory_mib,
        scraped_mib=scraped_mib,
        metrics_bytes=grown.metrics / size.events,
        log_bytes=grown.log / size.events,
        started_s=started_s,
        first_ms=first_ms,
        tries=tries,
        second_ms=second_ms,
        lines=lines,
    )
