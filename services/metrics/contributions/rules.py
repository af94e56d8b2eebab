"""What the configuration says about counting: the time zone, the fields that matter, and a lead's segment."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from shared.conditions import fields_in
from shared.events import FieldValue, Observation
from shared.fields import FieldRegistry, believed, has_value, is_known
from shared.policy import Policy, segment_of
from shared.view import LeadView

TIER = "target_tier"
RANK_A, RANK_B = 0.8, 0.5
"""Least shares of the rank fields that must be known for rank A and for rank B."""

_PLACES_AT_MOST = 100_000
"""Quarters of an hour that are remembered: three years of them."""

FOLD_VERSION = 7
"""Goes up whenever the same events would give other facts or states, or the store would not understand old ones; the
next start then rebuilds the numbers."""


class Attributes(NamedTuple):
    """What is believed of a lead and shapes all its facts."""

    segment: str = "unknown"
    industry: str = ""
    campaign: str = ""


KnownAt = Callable[[datetime], Attributes]
"""What is known of a lead for a fact of a moment."""


class Rules:
    """The configured part of counting. Two Rules with one fingerprint count alike.

    `as_of_event`: kinds of facts that are also kept with what was known of the lead at their time.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        registry: FieldRegistry,
        policy: Policy,
        rank_fields: Sequence[str] = (),
        as_of_event: Iterable[str] = (),
    ) -> None:
        self.zone = zone
        self.registry = registry
        self.policy = policy
        self.rank_fields = tuple(rank_fields)
        self.as_of_event = frozenset(as_of_event)
        self._valued = frozenset({"industry", TIER}.union(*(fields_in(s.when) for s in policy.segments)))
        self._tracked = self._valued.union(rank_fields)
        self._places: dict[int, tuple[date, int]] = {}

    def place(self, moment: datetime) -> tuple[date, int]:
        """Business day and hour of a moment."""
        if moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
        quarter = (moment.toordinal() * 24 + moment.hour) * 4 + moment.minute // 15
        return self._places.get(quarter) or self._places.setdefault(quarter, self._place(moment))

    def _place(self, moment: datetime) -> tuple[date, int]:
        if len(self._places) >= _PLACES_AT_MOST:
            self._places.clear()
        # Every offset that a time zone has had since 1972 is a multiple of a quarter of an hour. Before that, the whole
        # quarter stands where its beginning does, whichever of its moments is asked for first.
        begin = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
        local = begin.astimezone(self.zone)
        return local.date(), local.hour

    def attributes(self, observations: Iterable[Observation], campaign: str) -> Attributes:
        """The attributes that follow from all observations of the tracked fields and the lead's campaign."""
        fields = believed(self.registry, observations)
        industry = fields["industry"].value if "industry" in fields else None
        segment = segment_of(self.policy, LeadView(self.registry, fields))
        return Attributes(segment, "" if industry is None else str(industry), campaign)

    def tracks(self, observation: Observation) -> bool:
        """Whether the observation may shape a fact: one without a value hides none that has one."""
        field = observation.field
        return field in self._tracked and field in self.registry and has_value(self.registry.get(field), observation)

    def reduced(self, observation: Observation) -> Observation:
        """What has to be remembered of it: of a field that only has to be known, not its value."""
        value: FieldValue | None = observation.value
        if observation.field not in self._valued and value is not None:
            value = True
        return msgspec.structs.replace(observation, value=value, quote=None, by=None)

    def standing(self, observations: Iterable[Observation]) -> tuple[str, str]:
        """How wanted the company is (`target_tier`, "" when unknown) and how well the lead is known (A, B or C)."""
        fields = believed(self.registry, observations)
        tier = fields[TIER].value if TIER in fields else None
        known = sum(is_known(self.registry.get(f), fields.get(f)) for f in self.rank_fields)
        share = known / len(self.rank_fields) if self.rank_fields else 0
        return "" if tier is None else str(tier), "A" if share >= RANK_A else "B" if share >= RANK_B else "C"

    @property
    def fingerprint(self) -> str:
        """Changes when the same events would be counted otherwise."""
        known = [self.registry.get(f) for f in sorted(self._tracked) if f in self.registry]
        fields = [(field.id, field.type, field.precedence) for field in known]
        then = [sorted(self.as_of_event)] if self.as_of_event else []
        segments = msgspec.json.encode([self.policy.segments, fields, self.rank_fields, *then], order="deterministic")
        parts = b"|".join((str(FOLD_VERSION).encode(), str(self.zone).encode(), segments))
        return hashlib.sha256(parts).hexdigest()
