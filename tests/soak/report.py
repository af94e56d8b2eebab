"""The report of a soak, as Markdown."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from tests.soak.actions import EVERY_S, Action, by_kind
from tests.soak.times import Times
from tests.soak.verdict import Verdict

_HEAD = """# A soak: everything is killed and paused under load

`make soak ARGS='--minutes {run.minutes:g} --rate {run.rate} --seed {run.seed}'`, {today:%Y-%m-%d}, {machine}.
Three brokers (three replicas, two in sync), PostgreSQL, two processes of ingest, two of handoff, three of metrics, the
load and the oracle share the machine. {run.rate} activities a second, and their second copies: {run.loaded_s:,.0f} s of
them, which took {run.took_s:,.0f} s until the last was acknowledged. One action every {every_s:g} s.

Result: {result}."""

_AFTER_COUNTS = """
Requests sent again: {run.repeated}.
{run.scrapes:,} scrapes of `/metrics`, of all replicas of metrics and of one of ingest and of handoff each.
`tasuki kpi verify`: {verdict.recounted}."""

_AFTER_TIMES = """
The quorum has to miss a broker for 9 s (`broker.session.timeout.ms`) before others lead its partitions. A batch of the
relay goes to many partitions and is done when all have it, so those that are led wait for those that are not; what was
under way at the kill may still be published at once. A replica's leases are free when its row is 1.5 s old and its
connection is dead, and the others look every second; they count what is in its partitions a batch or two later."""

_MEMORY = """
Memory of the process that loads and judges: {run.load_mib:,.0f} MiB at the end of the load, at most
{run.memory_mib:,.0f} MiB.
"""


class Run(NamedTuple):
    """What was run and what it has shown.

    `posted`, `answered`: activities, second copies included; `loaded_s`: seconds of the load by its plan; `took_s`:
    from its beginning to the last answer; `waited_s`: from then until nothing was on its way; `load_mib`, `memory_mib`:
    what the load, and what load and oracle, held at most.
    """

    minutes: float
    rate: int
    seed: int
    posted: int
    answered: int
    loaded_s: float
    took_s: float
    repeated: str
    actions: Sequence[Action]
    times: Sequence[Times]
    waited_s: float
    scrapes: int
    load_mib: float
    memory_mib: float
    verdict: Verdict


def text(run: Run) -> str:
    """The whole report."""
    verdict = run.verdict
    result = "**not clean**" if verdict.reasons else "clean: nothing lost, nothing counted twice, differences 0"
    counts = {"posted, second copies included": run.posted, "acknowledged, second copies included": run.answered}
    parts = [
        _HEAD.format(run=run, today=date.today(), machine=_machine(), every_s=EVERY_S, result=result),
        *(f"- {reason}" for reason in verdict.reasons),
        "\n## Counts",
        *_table(("what", "number"), [(what, f"{n:,}") for what, n in (counts | verdict.counts).items()]),
        _AFTER_COUNTS.format(run=run, verdict=verdict),
        f"\n## Seconds until all goes on, while {run.rate} activities/s arrive and nothing else happens",
        *_table(("from -> to", "p50", "max", "rounds"), [_time(times) for times in run.times]),
        _AFTER_TIMES,
        "\n## Actions",
        *_table(("action", "times"), [(kind, str(n)) for kind, n in sorted(by_kind(run.actions).items())]),
        "\n## What the judgement took",
        *_table(("part", "seconds"), [(what, f"{s:,.1f}") for what, s in _judged(run).items()]),
        _MEMORY.format(run=run),
    ]
    return "\n".join(parts)


def _time(times: Times) -> tuple[str, ...]:
    return times.what, f"{times.p50:.2f}", f"{times.most:.2f}", str(len(times.seconds))


def _judged(run: Run) -> dict[str, float]:
    return {"from the last answer until nothing was on its way": run.waited_s, **run.verdict.seconds}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]


def _machine() -> str:
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {gib:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
