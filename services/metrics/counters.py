"""The Prometheus counters of events: what came in, as it was known then. They only ever grow."""

from collections import Counter
from collections.abc import Iterable, Mapping

from services.metrics.contributions.rules import Rules
from services.metrics.store import CounterKey
from shared.config.team import Team
from shared.consume import Received
from shared.events import ACTIVITY_TYPES, Call, Correction, Data, Touch

ACTIVITIES = "activities"
ACTIVITY_LABELS = ("type", "channel", "direction", "outcome", "rep", "team", "segment")
CORRECTIONS = "corrections"
CORRECTION_LABELS = ("action",)


def count(received: Iterable[Received], segments: Mapping[str, str], team: Team, rules: Rules) -> Counter[CounterKey]:
    """How much a batch of new events adds to each counter; `segments` by lead, as known now."""
    counts: Counter[CounterKey] = Counter()
    for record, event in received:
        match event.data:
            case Correction() as correction:
                counts[(record.partition, CORRECTIONS, (correction.action,))] += 1
            case data if event.name in ACTIVITY_TYPES:
                rep = getattr(data, "rep", None) or getattr(data, "credited_rep", None) or ""
                day, _ = rules.place(event.time)
                labels = (event.name, *_contact(data), rep, team.team_of(rep, day), segments.get(event.subject, ""))
                counts[(record.partition, ACTIVITIES, labels)] += 1
    return counts


def _contact(data: Data) -> tuple[str, str, str]:
    """Channel, direction and outcome; the status stands for the outcome of what has none."""
    match data:
        case Call() as call:
            return "call", call.direction, call.outcome
        case Touch() as touch:
            return touch.channel, touch.direction, touch.outcome or ""
        case _:
            return "", "", getattr(data, "status", "")
