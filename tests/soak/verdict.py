"""What a soak has found: counts, and the reasons why it has failed."""

import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from tests.faults.acknowledged import Acknowledged
from tests.faults.client import Client
from tests.faults.oracle import Held, checks, held_in_log, numbers, taken_by_metrics
from tests.faults.plan import SOURCE
from tests.faults.recount import recount
from tests.soak.stage import Stage


@dataclass
class Verdict:
    """`counts`: what they count -> the number. `reasons`: what is wrong, in words; none: all is well. `recounted`: what
    `tasuki kpi verify` said; `seconds`: what parts of the judgement took."""

    counts: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    recounted: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """A failure of the block is a reason, and what comes after it is still looked at."""
        try:
            yield
        except Exception as error:
            traceback.print_exception(error)
            self.reasons.append(f"{what}: {type(error).__name__} {error}")

    @contextmanager
    def judging(self, what: str) -> Iterator[None]:
        """The same, and the seconds are kept."""
        began = time.monotonic()
        with self.noting(what):
            yield
        self.seconds[what] = time.monotonic() - began

    def must_be_0(self, what: str, count: int) -> None:
        """Keep a count, which is a reason when it is not 0."""
        self.counts[what] = count
        if count:
            self.reasons.append(f"{what}: {count}")


def judge(stage: Stage, acknowledged: Acknowledged, verdict: Verdict) -> None:
    """Hold everything against what was acknowledged. Nothing may be on its way any more."""
    held = None
    with verdict.judging("reading the log"):
        held = held_in_log(stage.system)
        _count(stage, acknowledged, held, verdict)
    for what, holds in checks(stage.system, acknowledged, held) if held else ():
        with verdict.judging(what):
            holds()
    with verdict.judging("every replica of metrics answers the same"):
        told = []
        for port in stage.ports("metrics"):
            with closing(Client(stage.system, {"metrics": port})) as client:
                told.append(numbers(client))
        verdict.must_be_0("answers in which replicas differ", sum(len({repr(t[p]) for t in told}) > 1 for p in told[0]))
    with verdict.judging("the recount of tasuki kpi verify"):
        _recount(stage, verdict)
    verdict.must_be_0("errors logged", len(stage.errors()))
    verdict.reasons += stage.errors()[:5]


def _count(stage: Stage, acknowledged: Acknowledged, held: Held, verdict: Verdict) -> None:
    with closing(Client(stage.system)) as client:
        status = client.get("metrics", "/v1/status")
    of_load = {id_ for source, id_ in held.identities if source == SOURCE}
    taken = taken_by_metrics(stage.system)
    verdict.counts |= {
        "activities acknowledged, each once": len(acknowledged.ids),
        "of them delivered (in the log)": len(acknowledged.ids & of_load),
        "events in the log, with what services told": len(held.identities),
        "second copies in the log": held.copies,
        "duplicates that metrics has seen": status["duplicates"],
    }
    verdict.must_be_0("lost: acknowledged and not in the log", len(acknowledged.ids - of_load))
    verdict.must_be_0("lost: in the log and not in the numbers", len(held.identities - taken))
    verdict.must_be_0("in the log and never acknowledged", len(of_load - acknowledged.ids))
    verdict.must_be_0("counted twice", max(0, status["processed"] - len(held.identities)))
    verdict.must_be_0("dead letters", status["dead_lettered"])


def _recount(stage: Stage, verdict: Verdict) -> None:
    found = recount(stage.system)
    verdict.recounted = " ".join(found.said.split())[-500:]
    verdict.must_be_0("differences from the recount", found.differences)
