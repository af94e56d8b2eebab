"""What happens in the story: October 2026 as a dialer, a mailer, a calendar, a CRM and the books tell it."""

from typing import Any

Event = dict[str, Any]


def at(day: int, clock: str, seconds: str = "00") -> str:
    """A time of October 2026 in Tokyo."""
    return f"2026-10-{day:02}T{clock}:{seconds}+09:00"


def activities(leads: dict[str, str]) -> list[Event]:
    """All that is fed in: telephone and other contacts, appointments, opportunities, contracts and spend."""
    small, edge, big, unsized = (leads[name] for name in ("small", "edge", "big", "unsized"))
    return [
        _call("c1", big, at(5, "13:00"), "tanaka", "no_answer", 0),
        _call("c2", big, at(6, "09:30"), "tanaka", "gatekeeper", 60),
        _call("c3", big, at(6, "15:00"), "tanaka", "conversation", 300),
        _call("c4", unsized, at(7, "10:15"), "yamada", "conversation", 120),
        _call("c5", small, at(12, "18:00"), "ito", "voicemail", 30),
        _call("c6", small, at(31, "23:59", "59"), "ito", "busy", 10),
        _call("c7", big, at(8, "11:00"), "tanaka", "conversation", 200) | {"direction": "inbound"},
        _call("c8", small, "2026-10-31T15:00:00Z", "ito", "invalid_number", 5),  # November in Tokyo
        _touch("t1", edge, at(5, "15:00"), "email", "sent", rep="tanaka"),
        _touch("t2", edge, at(5, "16:00"), "email", "opened"),
        _touch("t3", edge, at(6, "08:00"), "email", "replied") | {"direction": "inbound"},
        _touch("t4", unsized, at(6, "12:00"), "sns_dm", "sent", rep="yamada", duration_s=40),
        _touch(
            "t5",
            big,
            at(9, "10:00"),
            "cxo_letter",
            "sent",
            rep="takahashi",
            duration_s=600,
            campaign="cxo-letter-2026h2",
        ),
        _touch("t6", edge, at(7, "10:00"), "email", "bounced"),
        _appointment("a1", big, at(6, "15:10"), "A1", "set", pressured=True),
        _appointment("a2", big, at(13, "10:00"), "A1", "held"),
        _appointment("a3", edge, at(8, "10:00"), "A2", "set"),
        _appointment("a4", edge, at(9, "10:00"), "A2", "cancelled"),
        _step("o1", big, at(13, "10:00"), "O1", "created", "1200000", credited_rep="tanaka", owner="suzuki"),
        _step("o2", big, at(14, "10:00"), "O1", "valid"),
        _step("o3", big, at(23, "10:00"), "O1", "won", "1500000"),
        _step("o4", unsized, at(14, "10:00"), "O2", "created", "10000.50", "USD", credited_rep="yamada"),
        _step("o5", unsized, at(15, "10:00"), "O2", "valid"),
        _step("o6", unsized, at(16, "10:00"), "O2", "invalid"),
        _step("o7", unsized, at(24, "10:00"), "O2", "lost"),
        _step("o8", small, at(20, "10:00"), "O3", "created", owner="sato"),
        _step("o9", small, at(27, "10:00"), "O3", "won"),
        _step("o10", big, at(26, "10:00"), "O4", "created", "300000", credited_rep="tanaka", owner="suzuki"),
        _contract("k1", "acme", "K1", "started", "2026-10-15", "1200000"),
        _contract("k2", "acme", "K1", "changed", "2026-10-25", "1500000"),
        _contract("k3", "beta", "K2", "started", "2026-10-20", "600000"),
        _contract("k4", "beta", "K2", "ended", "2026-10-31"),
        _spend("s1", "800000", "marketing", "2026-10-14", campaign="autumn-exhibition"),
        _spend("s2", "200000", "inside_sales", "2026-10-20"),
    ]


def _call(id_: str, lead_id: str, when: str, rep: str, outcome: str, duration_s: int) -> Event:
    call = {"id": id_, "source": "dialer", "type": "call", "occurred_at": when, "lead_id": lead_id, "rep": rep}
    return call | {"direction": "outbound", "outcome": outcome, "duration_s": duration_s}


def _touch(id_: str, lead_id: str, when: str, channel: str, outcome: str, **more: Any) -> Event:
    touch = {"id": id_, "source": "mailer", "type": "touch", "occurred_at": when, "lead_id": lead_id}
    return touch | {"channel": channel, "direction": "outbound", "outcome": outcome} | more


def _appointment(id_: str, lead_id: str, when: str, appointment_id: str, status: str, **more: Any) -> Event:
    known = {"id": id_, "source": "calendar", "type": "appointment", "occurred_at": when, "lead_id": lead_id}
    return known | {"appointment_id": appointment_id, "status": status, "rep": "tanaka", "how_set": "call"} | more


def _step(
    id_: str,
    lead_id: str,
    when: str,
    opportunity_id: str,
    status: str,
    value: str | None = None,
    currency: str = "JPY",
    **more: Any,
) -> Event:
    known = {"id": id_, "source": "crm", "type": "opportunity", "occurred_at": when, "lead_id": lead_id}
    amount = {"amount": {"value": value, "currency": currency}} if value else {}
    return known | {"opportunity_id": opportunity_id, "status": status} | amount | more


def _contract(id_: str, company: str, contract_id: str, status: str, on: str, arr: str | None = None) -> Event:
    known = {"id": id_, "source": "billing", "type": "contract", "occurred_at": f"{on}T12:00:00+09:00"}
    amount = {"arr": {"value": arr, "currency": "JPY"}} if arr else {}
    return known | {"company": company, "contract_id": contract_id, "status": status, "effective_on": on} | amount


def _spend(id_: str, value: str, category: str, on: str, **more: Any) -> Event:
    known = {"id": id_, "source": "books", "type": "spend", "occurred_at": f"{on}T12:00:00+09:00", "spent_on": on}
    return known | {"amount": {"value": value, "currency": "JPY"}, "category": category} | more
