"""What the configuration says about counting: the time zone, the fields that matter, and a lead's segment."""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from shared.conditions import fields_in
from shared.events import Observation
from shared.fields import FieldRegistry, believed
from shared.policy import Policy, segment_of
from shared.view import LeadView

FOLD_VERSION = 1
"""Goes up whenever the same events would give other facts or states; the next start then rebuilds the numbers."""


class Attributes(NamedTuple):
    """What is believed of a lead and shapes all its facts."""

    segment: str = "unknown"
    industry: str = ""
    campaign: str = ""


class Rules:
    """The configured part of counting. Two Rules with one fingerprint count alike."""

    def __init__(self, zone: ZoneInfo, registry: FieldRegistry, policy: Policy) -> None:
        self.zone = zone
        self.registry = registry
        self.policy = policy
        self.tracked = frozenset({"industry"}.union(*(fields_in(s.when) for s in policy.segments)))
        self._place = lru_cache(maxsize=100_000)(self._place_uncached)

    def place(self, moment: datetime) -> tuple[date, int]:
        """Business day and hour of a moment."""
        return self._place(int(moment.timestamp()) // 900)

    def _place_uncached(self, quarter_hour: int) -> tuple[date, int]:
        # Every offset that a time zone has had since 1972 is a multiple of a quarter of an hour.
        local = datetime.fromtimestamp(quarter_hour * 900, self.zone)
        return local.date(), local.hour

    def attributes(self, observations: Iterable[Observation], campaign: str) -> Attributes:
        """The attributes that follow from all observations of the tracked fields and the lead's campaign."""
        fields = believed(self.registry, observations)
        industry = fields["industry"].value if "industry" in fields else None
        segment = segment_of(self.policy, LeadView(self.registry, fields))
        return Attributes(segment, "" if industry is None else str(industry), campaign)

    @property
    def fingerprint(self) -> str:
        """Changes when the same events would be counted otherwise."""
        precedence = {f: list(self.registry.get(f).precedence) for f in sorted(self.tracked)}
        segments = msgspec.json.encode([self.policy.segments, precedence], order="deterministic")
        parts = b"|".join((str(FOLD_VERSION).encode(), str(self.zone).encode(), segments))
        return hashlib.sha256(parts).hexdigest()
