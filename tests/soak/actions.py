"""What is killed or paused, and when: drawn from a seed, so that a failure can be had again. Nothing here does it."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

EVERY_S = 10.0
BROKERS = ("broker 1", "broker 2", "broker 3")
METRICS = ("metrics 1", "metrics 2", "metrics 3")
INGEST = ("ingest 1", "ingest 2")
HANDOFF = ("handoff 1", "handoff 2")
POSTGRES = "PostgreSQL"
PAUSE_S = (3.0, 15.0)
_DOWN_S = {"broker": 5.0, "brokers": 8.0}
"""Seconds until they are started again. Others: at once, by whoever keeps them running."""
_SETTLES_S = 10.0
"""Seconds after which a broker that is back counts as being there: two are away only when two are killed."""

What = Literal["kill", "pause"]
_CHOICES: dict[tuple[What, str], int] = {
    ("kill", "ingest"): 3,
    ("kill", "handoff"): 3,
    ("kill", "metrics"): 3,
    ("kill", "PostgreSQL"): 3,
    ("kill", "broker"): 3,
    ("kill", "brokers"): 1,
    ("pause", "metrics"): 2,
    ("pause", "broker"): 2,
    ("pause", "handoff"): 2,
}
_WHO = {"ingest": INGEST, "handoff": HANDOFF, "metrics": METRICS, "PostgreSQL": (POSTGRES,), "broker": BROKERS}


class Action(NamedTuple):
    """`at`: seconds after the beginning; `lasts_s`: until the paused go on, or killed brokers are started again."""

    at: float
    what: What
    whom: tuple[str, ...]
    lasts_s: float

    @property
    def kind(self) -> str:
        """Such as "kill broker", without a number."""
        many = f"{len(self.whom)} brokers" if len(self.whom) > 1 else self.whom[0].split(" ")[0]
        return f"{self.what} {many}"

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.what} {' and '.join(self.whom)}{lasts}"


def actions(seed: int, seconds: float) -> Iterator[Action]:
    """One every EVERY_S from the beginning on. Who is away is left alone; while a broker is, so are the others."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    away: dict[str, float] = {}
    for number in range(int(seconds / EVERY_S)):
        at = number * EVERY_S
        away = {name: until for name, until in away.items() if until > at}
        what, group = _choice(rng, away)
        names = [name for name in _WHO.get(group, BROKERS) if name not in away]
        whom = tuple(sorted(rng.sample(names, 2 if group == "brokers" else 1)))
        lasts_s = rng.uniform(*PAUSE_S) if what == "pause" else _DOWN_S.get(group, 0.0)
        for name in whom:
            away[name] = at + lasts_s + (_SETTLES_S if name in BROKERS else 0.0)
        yield Action(at, what, whom, lasts_s)


def _choice(rng: random.Random, away: dict[str, float]) -> tuple[What, str]:
    a_broker_is = any(name in away for name in BROKERS)
    possible = {
        choice: weight
        for choice, weight in _CHOICES.items()
        if not (choice[1].startswith("broker") and a_broker_is)
        and any(name not in away for name in _WHO.get(choice[1], BROKERS))
    }
    return rng.choices(list(possible), list(possible.values()))[0]


def by_kind(done: Iterable[Action]) -> Counter[str]:
    """How many there were of each kind."""
    return Counter(action.kind for action in done)
