"""The Prometheus counters of events: what came in, as it was known then. They only ever grow."""

from collections import Counter
from collections.abc import Mapping, Sequence

from services.metrics.contributions.rules import Rules
from services.metrics.store import CounterKey
from shared.config.team import Team
from shared.consume import Received
from shared.events import ACTIVITY_TYPES, Call, Correction, Data

ACTIVITIES = "activities"
ACTIVITY_LABELS = ("type", "channel", "direction", "outcome", "rep", "team", "segment")
CORRECTIONS = "corrections"
CORRECTION_LABELS = ("action",)


def count(received: Sequence[Received], segments: Mapping[str, str], team: Team, rules: Rules) -> Counter[CounterKey]:
    """How much a batch of new events adds to each counter; `segments` by lead, as known now.

    All is counted under one of the batch's shards: shards only keep consumers from waiting for each other.
    """
    counts: Counter[CounterKey] = Counter()
    shard = min(record.partition for record, _ in received)
    for _, event in received:
        if type(event.data) is Correction:
            counts[(shard, CORRECTIONS, (event.data.action,))] += 1
        elif event.name in ACTIVITY_TYPES:
            data = event.data
            rep = getattr(data, "rep", None) or getattr(data, "credited_rep", None) or ""
            day, _ = rules.place(event.time)
            labels = (event.name, *_contact(data), rep, team.team_of(rep, day), segments.get(event.subject, ""))
            counts[(shard, ACTIVITIES, labels)] += 1
    return counts


def _contact(data: Data) -> tuple[str, str, str]:
    """Channel, direction and outcome; the status stands for the outcome of what has none."""
    channel: str = "call" if type(data) is Call else getattr(data, "channel", "") or ""
    outcome: str = getattr(data, "outcome", None) or getattr(data, "status", "") or ""
    return channel, getattr(data, "direction", ""), outcome
