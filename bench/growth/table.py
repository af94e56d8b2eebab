"""What was found at each size beside what the base costs, and whether that is straight. Pure, but for printing."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from bench.growth.sizes import Size, Step
from bench.report import figure, heading, row

STRAIGHT = 1.25
"""A cost of an event, or of the whole service, that is at most so many times that of the base has not grown: machines
differ by this much from one minute to the next."""


class Found(NamedTuple):
    """Figures of one size; `scraped_mib` is resident after a new start and two scrapes."""

    events_s: float
    python_us: float
    postgres_us: float
    memory_mib: float
    scraped_mib: float
    metrics_bytes: float
    log_bytes: float
    started_s: float
    first_ms: float
    tries: float
    second_ms: float
    lines: float


class Figure(NamedTuple):
    """How a figure of `Found` is told. `name`: as a cost, "" when it is none. `each`: it is of one event; `speed`: the
    more the better."""

    head: str
    name: str
    digits: int
    each: bool = False
    speed: bool = False


FIGURES = (
    Figure("events/s", "live: time of an event", 0, each=True, speed=True),
    Figure("python us", "live: CPU of python, an event", 1, each=True),
    Figure("PG us", "live: CPU of PostgreSQL, an event", 1, each=True),
    Figure("MiB", "resident memory after live", 0),
    Figure("MiB scraped", "resident memory after a new start and two scrapes", 0),
    Figure("metrics B", "disk of the schema metrics, an event", 0, each=True),
    Figure("log B", "disk of the schema log, an event", 0, each=True),
    Figure("start s", "new start: until it answers", 2),
    Figure("scrape ms", "first scrape with the KPIs after it", 1),
    Figure("scrapes", "scrapes that it took", 0),
    Figure("again ms", "second scrape", 1),
    Figure("KPI lines", "", 0),
)
"""In the order of `Found`."""


def ratios(found: Found, base: Found) -> list[float]:
    """Each figure as a multiple of the base's; nan where that is 0."""
    return [value / of if of else math.nan for value, of in zip(found, base, strict=True)]


def costs(found: Found, base: Found) -> list[float]:
    """The same, but a speed as what it costs: half as many a second is 2."""
    pairs = zip(ratios(found, base), FIGURES, strict=True)
    return [1 / ratio if of.speed and ratio else ratio for ratio, of in pairs]


def verdict(cost: float, times: int, *, total: bool) -> str:
    """Whether a cost is straight at so many times the base, else by how much it is not.

    total: there is more to hold or to tell, so that growing in proportion, if more than we want, would still be a line;
    the cost of one event may not grow like that while events do.
    """
    if math.isnan(cost):
        return "unknown"
    if cost <= STRAIGHT:
        return "straight or better"
    missed = f"no: {cost:.2f} of 1x, must <= {STRAIGHT}"
    return f"{missed}; {cost / times:.2f} of what growing in proportion would be" if total else missed


def tell(dimension: str, base: Size, steps: Iterable[tuple[Step, Found]]) -> None:
    """Print a row for each size as soon as it is there, what it is of the first, and what to think of the last."""
    heading(f"growth of {dimension}: {_told(dimension, base)}")
    row("", [of.head for of in FIGURES])
    found: list[tuple[Step, Found]] = []
    for step, here in steps:
        found.append((step, here))
        row(f"{step.times}x {dimension}", [f"{value:,.{of.digits}f}" for value, of in zip(here, FIGURES, strict=True)])
        if step.times > 1:
            row("  of 1x", [f"{ratio:.2f}" for ratio in ratios(here, found[0][1])])
    step, most = found[-1]
    for cost, of in zip(costs(most, found[0][1]), FIGURES, strict=True):
        if of.name:
            total = not (of.each and dimension == "events")
            figure(f"{of.name}, at {step.times}x", f"{cost:.2f}", verdict(cost, step.times, total=total))


def _told(dimension: str, base: Size) -> str:
    told = {
        "events": f"{base.events:,} calls",
        "leads": f"{base.leads:,} leads",
        "reps": f"{base.reps} reps",
        "kpis": "the shipped catalogue",
        "partitions": f"{base.partitions} partitions",
    }
    same = ", ".join(words for name, words in told.items() if name != dimension)
    return f"from {told[dimension]}; the same are {same}"
