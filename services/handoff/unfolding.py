"""A lead as it was known to be at a time, moved forward in time. Pure."""

from datetime import datetime

from shared.conditions import Condition
from shared.events import Observation
from shared.fields import Field, FieldRegistry, believed


class Unfolding:
    """A view (`conditions.View`) over what had been said of a lead's fields so far; `take` adds what was said next."""

    def __init__(self, registry: FieldRegistry) -> None:
        self._registry = registry
        self._own: dict[str, Observation] = {}
        self._merged: dict[str, Observation] = {}
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        if self._now is None:
            raise ValueError("nothing has been looked at yet: set `now`")
        return self._now

    @now.setter
    def now(self, at: datetime) -> None:
        self._now = at

    def take(self, said: Observation, *, of_merged: bool = False) -> None:
        """Somebody spoke of a field: of the lead itself, or of one that was merged into it, which is believed where
        nothing is known of the lead's own."""
        best = self._merged if of_merged else self._own
        before = best.get(said.field)
        best |= believed(self._registry, [said, *([before] if before else [])])

    def field(self, field_id: str) -> Field | None:
        return self._registry.get(field_id) if field_id in self._registry else None

    def observation(self, field_id: str) -> Observation | None:
        return self._own.get(field_id) or self._merged.get(field_id)

    def count(self, _condition: Condition) -> int:
        """Events are not looked at."""
        return 0
