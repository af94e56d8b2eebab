"""`make soak`: minutes of load on three brokers and several replicas, while something is killed or paused every 10 s.

Ends with the counts, and with status 1 when anything was lost, counted twice, or differs from a recount.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.faults.inside import database, settle
from tests.faults.watch import Watch
from tests.soak.actions import actions
from tests.soak.disorder import Disorder
from tests.soak.progress import Progress
from tests.soak.report import Run, text
from tests.soak.stage import Stage, stage
from tests.soak.stream import Stream
from tests.soak.times import Times, measure
from tests.soak.verdict import Verdict, judge
from tests.system import ROOT

SETTLES_WITHIN_S = 900.0
SCRAPE_EVERY_S = 1.0
SHORT_MINUTES = 10.0
REPORT = "docs/reports/soak.md"


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="soak", description="Everything is killed and paused under load.")
    parser.add_argument("--minutes", type=float, default=30.0, help="of killing and pausing (30)")
    parser.add_argument("--rate", type=int, default=300, help="activities a second (300)")
    parser.add_argument("--seed", type=int, default=1, help="of the load and of what is killed (1)")
    parser.add_argument("--rounds", type=int, help="of each measured kill before it (5; of less than 10 minutes: 2)")
    parser.add_argument("--report", type=Path, help=f"file for the report ({REPORT}; of less than 10 minutes: none)")
    given = parser.parse_args()
    is_short = given.minutes < SHORT_MINUTES
    rounds = given.rounds if given.rounds is not None else (2 if is_short else 5)
    path = given.report or (None if is_short else ROOT / REPORT)
    with tempfile.TemporaryDirectory(prefix="tasuki-soak-") as folder, stage(Path(folder)) as ready:
        run = soak(ready, given.minutes, given.rate, given.seed, rounds)
    report = text(run)
    if path is not None:
        path.write_text(report)
    print(f"\n{report}")
    return 1 if run.verdict.reasons else 0


def soak(ready: Stage, minutes: float, rate: int, seed: int, rounds: int) -> Run:
    """All of it on a stage that is ready."""
    verdict, times = Verdict(), list[Times]()
    system = ready.system
    stream = Stream(system, rate, seed, ready.ports("ingest"))
    progress = Progress(system, stream)
    disorder = Disorder(ready, progress.tell)
    watches = _watches(ready)
    began = time.monotonic()
    with progress, ExitStack() as watching:
        for watch in watches:
            watching.enter_context(verdict.noting("totals on /metrics never go down"))
            watching.enter_context(watch)
        with verdict.noting("the load and what was done to it"), stream:
            progress.tell(f"kills that are measured, {rounds} of each")
            try:
                times += measure(ready, rounds, progress.tell)
                disorder.run(actions(seed, 60 * minutes), 60 * minutes, lambda: not stream.is_broken)
            finally:
                ready.restore()
            progress.tell("the load ends")
        over = time.monotonic()
        with verdict.noting("waiting for what is on its way"):
            settle(database(system), SETTLES_WITHIN_S, system.kafka)
        waited_s, load_mib = time.monotonic() - over, _most_mib()
        progress.tell("nothing is on its way")
    judge(ready, stream.acknowledged, verdict)
    return Run(
        minutes=minutes,
        rate=rate,
        seed=seed,
        posted=stream.sent,
        answered=stream.done,
        loaded_s=stream.planned_s,
        took_s=over - began,
        repeated=", ".join(f"{why} {n:,}" for why, n in sorted(stream.acknowledged.repeated.items())),
        actions=disorder.done,
        times=times,
        waited_s=waited_s,
        scrapes=sum(watch.scrapes for watch in watches),
        load_mib=load_mib,
        memory_mib=_most_mib(),
        verdict=verdict,
    )


def _watches(ready: Stage) -> Sequence[Watch]:
    """One of the system's own services, and one of each other replica of metrics."""
    _, *others = ready.ports("metrics")
    instead = [None, *({"metrics": port} for port in others)]
    return [Watch(ready.system, ports, SCRAPE_EVERY_S) for ports in instead]  # type: ignore[arg-type]


def _most_mib() -> float:
    """Greatest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
