"""An e-mail that a tool sent and what became of it -> the activity. Pure."""

from datetime import datetime
from typing import Any

from services.ingest.providers.base import Happened
from shared.events import TouchOutcome


def touch(id_: str | None, *, email: str, outcome: TouchOutcome, at: datetime, raw: Any) -> Happened:
    """`email`: the lead's. `id_`: None where the sender gave none, and the content alone tells."""
    activity = {
        "id": id_,
        "type": "touch",
        "occurred_at": at,
        "lead": {"email": email},
        "channel": "auto_email",
        "direction": "outbound",
        "outcome": outcome,
    }
    return Happened(activity=activity, raw=raw)
