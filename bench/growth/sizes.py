"""What grows, and by how much. Pure."""

from typing import NamedTuple

from bench.corpus import REPS
from shared.settings import Settings


class Size(NamedTuple):
    """How much there is of each. `kpis`: how many times the shipped catalogue."""

    events: int
    leads: int
    reps: int
    kpis: int
    partitions: int


class Step(NamedTuple):
    """A size that is so many times the base in one dimension."""

    times: int
    size: Size


DIMENSIONS = Size._fields
TIMES, MORE_TIMES = (1, 10), {"events": (1, 3, 10)}


def base_of(events: int) -> Size:
    """What everything is compared with: ten calls a lead, and the rest as it is shipped."""
    return Size(
        events=events,
        leads=max(1, events // 10),
        reps=len(REPS),
        kpis=1,
        partitions=Settings.model_fields["log_partitions"].default,
    )


def steps(dimension: str, base: Size) -> list[Step]:
    """The sizes to be measured, least first; but for the dimension all are the base."""
    return [
        Step(times, base._replace(**{dimension: getattr(base, dimension) * times}))
        for times in MORE_TIMES.get(dimension, TIMES)
    ]
