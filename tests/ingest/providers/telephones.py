"""What all telephones' valid deliveries must become: one call of tanaka to a lead who is known by the number."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.ingest.door import Door

CALL = {"rep": "tanaka", "direction": "outbound", "outcome": "gatekeeper", "duration_s": 60}
AT = "2026-11-24T01:40:00Z"
PHONE = "+819012345678"


async def assert_call(door: Door, receipt: Mapping[str, Any], call: Mapping[str, Any]) -> None:
    """The receipt is of this call, which began at AT; its lead is the one of PHONE."""
    (event,) = await door.outbox("call")
    assert msgspec.to_builtins(event.data) == call
    assert msgspec.to_builtins(event.time) == AT
    assert (event.source, event.id, event.subject) == ("source", receipt["event_id"], receipt["lead_id"])
    later = {"type": "call", "occurred_at": AT, "lead": {"phone": PHONE}, "id": "later", "source": "dialer"} | dict(
        call
    )
    answer = (await door.post("/v1/activities", later)).json()
    assert answer["results"][0]["lead_id"] == receipt["lead_id"]
