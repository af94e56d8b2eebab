"""What one event costs as its lead's history and as all that is stored grows, and the memory that it takes.

One event alone: the service takes one record a transaction, so that nothing of its cost is shared. The two that are
compared take turns, in short rounds, so that a busy machine slows both.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain, count, islice
from typing import NamedTuple

from bench.corpus import END, YEAR, calls_on, history, lead_name
from bench.metrics.filling import calm, fill, put
from bench.metrics.service import Service, Taken, metrics
from bench.report import figure, heading, held_to, median, ratio
from bench.stage import Database, database
from shared.partition import partition_of
from shared.settings import Settings

ALONE = {"consumer_batch_max": "1"}
ROUNDS = 5
SHORT = 10
_NOW = END - YEAR / 365
_PARTITIONS: int = Settings.model_fields["log_partitions"].default
_MUST, _AIM = "<= 1.5", "<= 1.1"


class Cost(NamedTuple):
    """Milliseconds of one event: the median of the rounds; and what it cost in all of them."""

    ms: float
    told: str


def measure_history(*, length: int, events: int) -> None:
    """Print what one event costs on a lead with `length` events and on leads with ten; `events` a round."""
    shard = partition_of("long", _PARTITIONS)  # all in one, as the one long lead has to be
    names = (f"short-{n}" for n in count())
    short = list(islice((name for name in names if partition_of(name, _PARTITIONS) == shard), events))
    with database() as db:
        calls = chain(calls_on(short * SHORT, "short"), calls_on(["long"] * length, "long"))
        fill(db, calls, events * SHORT + length)
        with metrics(db) as service:
            service.follow("before the cost of one event")
        calm(db)
        with metrics(db, ALONE) as service:
            on_short, on_long = _in_turns(
                lambda n: _take(db, service, short, f"short-{n}"),
                lambda n: _take(db, service, ["long"] * events, f"long-{n}"),
            )
    heading("metrics: one event alone, by the history of its lead                             ms an event")
    figure(f"on leads with {SHORT} events", f"{on_short.ms:.2f}", on_short.told)
    figure(f"on a lead with {length:,} events", f"{on_long.ms:.2f}", on_long.told)
    ratio("long history / short", on_long.ms / on_short.ms, must=_MUST, aim=_AIM)


def measure_stored(*, stored: int, base: int, batch: int, alone: int, seed: int) -> None:
    """Print what events cost with `stored` events there and with `base`, and the memory of the service.

    batch: events of a round that come all at once; alone: of a round where each has its transaction.
    """
    heading(f"metrics: by how much is stored: {base:,} and {stored:,} events")
    with ExitStack() as stack:
        few, many = (stack.enter_context(database()) for _ in range(2))
        _grow(few, base, seed, tell=False)
        _grow(many, stored, seed, tell=True)
        for settings, size, name in (({}, batch, "in full batches"), (ALONE, alone, "alone in its transaction")):
            with ExitStack() as services:
                sides = [
                    (db, services.enter_context(metrics(db, settings)), leads // 10)
                    for db, leads in ((few, base), (many, stored))
                ]
                low, high = _in_turns(*(_taking(*side, size, name) for side in sides))
                if not settings:
                    _tell_start(sides[1][1], stored)
            _tell_costs(name, low, high, stored, base)


def _grow(db: Database, events: int, seed: int, *, tell: bool) -> None:
    """Have so many events in the service's numbers."""
    fill(db, history(events, max(1, events // 10), seed), events)
    calm(db)
    with metrics(db) as service:
        taken = service.follow(f"taking {events:,}")
        if tell:
            _tell_growth(taken, service.memory_mib())
    calm(db)


def _tell_growth(taken: Taken, memory_mib: float) -> None:
    fifths = " ".join(f"{rate:,.0f}" for rate in taken.fifths)
    figure("live, events/s", f"{taken.records_s:,.0f}", f"by fifths: {fifths}" if fifths else "")
    figure("  what limits it", "", f"{taken.spent.each(taken.records)}; {taken.spent.limit()}")
    held_to(
        "resident memory after taking them", f"{memory_mib:,.0f} MiB",
        must="<= 1,024 MiB after 10,000,000", aim="<= 300 MiB", note=f"{taken.records:,} records taken",
    )  # fmt: skip


def _tell_start(service: Service, stored: int) -> None:
    figure(
        "started anew: until it answers", f"{service.started_s:.1f} s",
        f"memory then {service.memory_mib():,.0f} MiB; {stored:,} stored",
    )  # fmt: skip


def _tell_costs(name: str, low: Cost, high: Cost, stored: int, base: int) -> None:
    figure(f"one event {name}, {base:,} stored", f"{low.ms:.3f} ms", low.told)
    figure(f"one event {name}, {stored:,} stored", f"{high.ms:.3f} ms", high.told)
    ratio(f"{stored:,} / {base:,} stored, {name}", high.ms / low.ms, must=_MUST, aim=_AIM)


def _taking(db: Database, service: Service, leads: int, events: int, name: str) -> Callable[[int], Taken]:
    """A round of events on leads that are known already, most of them."""
    draw = random.Random(name)  # noqa: S311 - figures that can be repeated

    def take(n: int) -> Taken:
        return _take(db, service, [lead_name(draw.randrange(leads)) for _ in range(events)], f"{name}-{n}")

    return take


def _take(db: Database, service: Service, leads: Sequence[str], prefix: str) -> Taken:
    messages = list(calls_on(leads, f"{prefix}-round", _NOW))
    return service.take(prefix, len(messages), put(db, messages, service.meter))


def _in_turns(*sides: Callable[[int], Taken]) -> list[Cost]:
    rounds = [[side(n) for side in sides] for n in range(ROUNDS)]
    return [_cost(taken) for taken in zip(*rounds, strict=True)]


def _cost(rounds: Sequence[Taken]) -> Cost:
    each = [1000 * taken.spent.seconds / taken.records for taken in rounds]
    middle = min(rounds, key=lambda taken: abs(1000 * taken.spent.seconds / taken.records - median(each)))
    return Cost(median(each), f"{middle.spent.each(middle.records)}; {middle.spent.limit()}")
