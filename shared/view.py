"""One lead as conditions see it: its believed values and its events."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.conditions import Condition, matches
from shared.events import Event, Observation
from shared.fields import Field, FieldRegistry


class LeadView:
    """A view over believed values (`fields.believed`) and, where stages need them, the lead's events.

    now: as of when, where policies decide.
    """

    def __init__(
        self,
        registry: FieldRegistry,
        values: Mapping[str, Observation],
        events: Sequence[Event] = (),
        now: datetime | None = None,
    ) -> None:
        self._registry = registry
        self._values = values
        self._events = events
        self._now = now

    @property
    def now(self) -> datetime:
        if self._now is None:
            raise ValueError("this view of a lead is of no moment")
        return self._now

    def field(self, field_id: str) -> Field | None:
        return self._registry.get(field_id) if field_id in self._registry else None

    def observation(self, field_id: str) -> Observation | None:
        return self._values.get(field_id)

    def count(self, condition: Condition) -> int:
        return sum(matches(condition, event) for event in self._events)
