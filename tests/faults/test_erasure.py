"""reliability 22: an erased lead is gone from everywhere, and no number has changed, also after a rebuild."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from tests.faults.client import Client
from tests.faults.inside import database, holding, settle
from tests.faults.oracle import numbers
from tests.system import System

CANARY = "canary-mei"
LEAD: dict[str, Any] = {
    "external_id": f"crm:{CANARY}",
    "observed_at": "2026-02-02T00:00:00Z",
    "fields": {
        "email": f"{CANARY}@acme.co.jp",
        "last_name": CANARY,
        "title": CANARY,
        "phone": "03-1234-5678",
        "employees": 5000,
        "industry": "IT",
    },
}
HEARING: dict[str, Any] = {
    "rep": "tanaka",
    "heard_at": "2026-02-03T00:00:00Z",
    "channel": "call",
    "answers": {"needs": {"status": "confirmed", "quote": CANARY}, "authority": {"status": "confirmed"}},
}
ACTIVITIES: list[dict[str, Any]] = [
    {"type": "call", "direction": "outbound", "outcome": "conversation", "duration_s": 60},
    {
        "type": "appointment",
        "appointment_id": "a",
        "status": "set",
        "note": CANARY,
        "accepted_by": {"name": CANARY, "has_authority": True},
    },
    {"type": "opportunity", "opportunity_id": "o", "status": "created", "amount": {"value": "100", "currency": "JPY"}},
]


def test_reliability_22_an_erased_lead_is_gone_and_no_number_changes(system: System) -> None:
    with closing(Client(system)) as client:
        lead = client.send("ingest", "POST", "/v1/leads", LEAD, key="lead").body["lead_id"]
        client.send("ingest", "POST", f"/v1/leads/{lead}/hearings", HEARING, key="hearing")
        about = {"rep": "tanaka", "occurred_at": "2026-02-04T00:00:00Z", "lead_id": lead}
        posted = [{"id": str(n), **about, **activity} for n, activity in enumerate(ACTIVITIES)]
        posted[2].pop("rep")
        assert client.send("ingest", "POST", "/v1/activities", posted).body["accepted"] == 3
        settle(database(system))
        wish = {"lead_id": lead, "rep": "tanaka", "reason": CANARY, "appointment": {"note": CANARY}}
        handoff = client.send("handoff", "POST", "/v1/handoffs", wish, key="handoff")
        assert handoff.status == 201, handoff
        settle(database(system))
        assert {"ingest.observations", "handoff.handoffs", "access.idempotency"} <= set(
            holding(database(system), CANARY)
        )
        assert not {"log.records", "metrics.events", "handoff.observations"} & set(holding(database(system), CANARY)), (
            "sealed"
        )
        before = numbers(client)
        assert any(row["value"] for path, found in before.items() for row in found if "/calls/" in path)

        erased = client.send("ingest", "POST", f"/v1/leads/{lead}/erase", {"reason": "本人の請求"})
        assert erased.status == 200, erased
        settle(database(system))
        assert holding(database(system), CANARY) == []
        assert numbers(client) == before
        assert client.send("metrics", "POST", "/v1/rebuild").status == 200
        assert numbers(client) == before
        assert holding(database(system), CANARY) == []
        for said in _said_to_outsiders(client, lead):
            assert CANARY not in said
        assert client.send("ingest", "GET", f"/v1/leads/{lead}").status == 410
    assert CANARY not in system.output(), "no line of any service tells who it was about"


def _said_to_outsiders(client: Client, lead: str) -> Iterator[str]:
    """Scrapes, exports, lists and packages."""
    for service in ("ingest", "handoff", "metrics"):
        yield str(client.send(service, "GET", "/metrics").body)
    yield str(client.get("metrics", "/v1/kpis/calls/contributors?grain=all"))
    yield str(client.send("metrics", "GET", "/v1/kpis/calls/contributors?grain=all&format=csv").body)
    yield str(client.get("handoff", "/v1/handoffs"))
    for item in client.get("handoff", "/v1/handoffs")["items"]:
        yield str(client.get("handoff", f"/v1/handoffs/{item['handoff_id']}"))
    yield str(client.get("ingest", "/v1/leads"))
    yield str(client.get("ingest", "/v1/quarantine"))
    yield str(client.send("ingest", "GET", f"/v1/leads/{lead}/observations").body)
