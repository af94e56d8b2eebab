"""A small field registry and observations for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events import FieldStatus, FieldValue, Method, Observation
from shared.fields import Field, FieldRegistry, FieldType
from shared.view import LeadView
from shared.words import Words

START = datetime(2026, 11, 1, tzinfo=UTC)


def field(id_: str, type_: FieldType, *precedence: Method, **more: Any) -> Field:
    return Field(
        id=id_,
        type=type_,
        scope="lead",
        precedence=precedence or (("hearing",) if type_ == "confirmation" else ("hearing", "tool", "form")),
        label=Words(ja=id_, en=id_),
        **more,
    )


REGISTRY = FieldRegistry(
    [
        field("employees", "integer", ask=Words(ja="何名ですか。", en="How many?")),
        field("industry", "text"),
        field("tags", "list", "tool"),
        field("budget_amount", "money"),
        field("founded", "date"),
        field("tier", "choice", choices=("A", "B")),
        field("needs", "confirmation"),
        field("authority", "confirmation"),
    ]
)


def observe(
    field_id: str,
    value: FieldValue | None = None,
    *,
    status: FieldStatus | None = None,
    method: Method = "hearing",
    day: int = 0,
    id_: str = "a",
) -> Observation:
    return Observation(
        observation_id=id_,
        field=field_id,
        method=method,
        source="test",
        observed_at=START + timedelta(days=day),
        value=value,
        status=status,
    )


def view(*observations: Observation) -> LeadView:
    return LeadView(REGISTRY, {o.field: o for o in observations})
