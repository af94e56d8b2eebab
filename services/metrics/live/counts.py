"""The counters of events by labels that stay few, whoever and whatever is named in events."""

from collections import Counter
from collections.abc import Iterable, Mapping

from services.metrics.fold.counters import ACTIVITIES, ACTIVITY_LABELS
from services.metrics.live.gauges import OTHER, Members
from services.metrics.live.turns import Turns
from services.metrics.store import CounterKey

Counts = Mapping[CounterKey, int]
"""(name of a counter, its labels) -> how many."""


async def with_more(counts: Counts, added: Iterable[tuple[CounterKey, int]], members: Members) -> Counts:
    """New counts: the old ones may still be told. What is no member of its dimension is counted as `other` from here
    on: activities may name a million reps, and counts are copied with each batch and gone through with each scrape."""
    sums = Counter(counts)
    turns = Turns()
    for key, n in added:
        sums[_bounded(key, members)] += n
        await turns.after(1)
    return sums


def _bounded(key: CounterKey, members: Members) -> CounterKey:
    name, labels = key
    if name != ACTIVITIES:
        return key
    return name, tuple(
        value if not value or label not in members or value in members[label] else OTHER
        for label, value in zip(ACTIVITY_LABELS, labels, strict=True)
    )
