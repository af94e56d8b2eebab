"""The Prometheus counters of events: what came in, as it was known then. They only ever grow."""

from collections import Counter
from collections.abc import Mapping, Sequence

from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import IdentityKey
from services.metrics.store import CounterKey
from shared.config.team import Team
from shared.consume import Received
from shared.events import ACTIVITY_TYPES, Call, Correction, Data, Event

ACTIVITIES = "activities"
ACTIVITY_LABELS = ("type", "channel", "direction", "outcome", "rep", "team", "segment")
CORRECTIONS = "corrections"
CORRECTION_LABELS = ("action",)


def count(
    received: Sequence[Received],
    segments: Mapping[str, str],
    segments_before: Mapping[IdentityKey, str],
    team: Team,
    rules: Rules,
) -> Counter[CounterKey]:
    """How much a batch of new events adds to each counter. Segments: by lead, as known after the batch, and by event
    where it was recorded before what the batch tells of its lead."""
    counts: Counter[CounterKey] = Counter()
    activities: list[Event] = []
    for _, event in received:
        if type(event.data) is Correction:
            counts[(CORRECTIONS, (event.data.action,))] += 1
        elif event.name in ACTIVITY_TYPES:
            activities.append(event)
    known = [segments.get(event.subject, "") for event in activities]
    if segments_before:
        known = [segments_before.get(event.identity, now) for event, now in zip(activities, known, strict=True)]
    equal = Counter(
        [(e.name, *_contact(e.data), rules.place(e.time)[0], s) for e, s in zip(activities, known, strict=True)]
    )
    for (*contact, rep, day, segment), n in equal.items():  # a team is looked up once for them
        counts[(ACTIVITIES, (*contact, rep, team.team_of(rep, day), segment))] += n
    return counts


def _contact(data: Data) -> tuple[str, str, str, str]:
    """Channel, direction, outcome and rep; the status stands for the outcome of what has none."""
    if type(data) is Call:
        return "call", data.direction, data.outcome, data.rep
    outcome = getattr(data, "outcome", None) or getattr(data, "status", "") or ""
    rep = getattr(data, "rep", None) or getattr(data, "credited_rep", None) or ""
    return getattr(data, "channel", "") or "", getattr(data, "direction", ""), outcome, rep
