"""Live consuming and rebuilding, against reading the log alone and against what most would write."""

import os
from typing import NamedTuple

from bench.corpus import history
from bench.metrics.filling import calm, fill, forget
from bench.metrics.service import Taken, metrics
from bench.metrics.sketch import Pass, sketch
from bench.report import figure, heading, held_to, ratio
from bench.stage import Database, database

CORES = os.cpu_count() or 1


class Consumed(NamedTuple):
    """Every pass over the log, in the order in which they were made."""

    floor_first: Pass
    counting: Pass
    alone: Taken
    live: Taken
    rebuilt: int
    rebuild_s: float
    rebuild_limit: str
    memory_mib: float
    floor_last: Pass


def measure(*, events: int, seed: int) -> None:
    """Print the table."""
    heading(f"metrics: {events:,} calls of {events // 10:,} leads out of the log                         events/s")
    with database() as db:
        fill(db, history(events, max(1, events // 10), seed), events)
        calm(db)
        _tell(_consume(db))


def _consume(db: Database) -> Consumed:
    floor_first, counting = sketch(db, "reading"), sketch(db, "counting")
    calm(db)
    with metrics(db) as service:
        alone = service.follow("live, one process")
    forget(db)
    calm(db)
    with metrics(db, replicas=CORES) as service:
        live = service.follow(f"live, {CORES} processes")
        memory_mib = service.memory_mib()
        calm(db)
        rebuilt, spent = service.rebuild()
    return Consumed(
        floor_first=floor_first,
        counting=counting,
        alone=alone,
        live=live,
        rebuilt=rebuilt,
        rebuild_s=spent.seconds,
        rebuild_limit=f"{spent.each(rebuilt)}; {spent.limit()}",
        memory_mib=memory_mib,
        floor_last=sketch(db, "reading"),
    )


def _tell(found: Consumed) -> None:
    live, rebuilt_s = found.live, found.rebuilt / found.rebuild_s
    for name, done in (
        ("reading the log and decoding, nothing done (first)", found.floor_first),
        ("sketch: ids in a table, one count, a row per counter", found.counting),
    ):
        figure(name, f"{done.records_s:,.0f}", f"{done.spent.each(done.records)}; {done.spent.limit()}")
    figure("live: the whole catalogue, durable; one process", f"{found.alone.records_s:,.0f}")
    _tell_limit(found.alone)
    held_to(f"live, {CORES} processes, one for each core", f"{live.records_s:,.0f}", must=">= 40,000")
    _tell_limit(live)
    figure("rebuild of all KPIs from the stored events", f"{rebuilt_s:,.0f}")
    figure("  what limits it", "", found.rebuild_limit)
    figure("reading the log and decoding, nothing done (last)", f"{found.floor_last.records_s:,.0f}")
    floor_s = 2 / (1 / found.floor_first.records_s + 1 / found.floor_last.records_s)
    ratio("live / reading the log", live.records_s / floor_s, must=">= 0.20", aim=">= 0.50")
    ratio("live / sketch with one count", live.records_s / found.counting.records_s)
    ratio("rebuild / live, one process each", rebuilt_s / found.alone.records_s, must=">= 1.0", aim=">= 3.0")
    figure("resident memory after live", f"{found.memory_mib:,.0f} MiB", f"{live.records:,} records taken")


def _tell_limit(taken: Taken) -> None:
    figure("  what limits it", "", f"{taken.spent.each(taken.records)}; {taken.spent.limit()}")
