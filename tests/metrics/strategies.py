"""Sets of events as the metrics service may meet them: few leads, few reps, times around every kind of border."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from shared.events import TYPES, Data, Event, Identity

LEADS = ("lead-a", "lead-b", "lead-c")
REPS = ("tanaka", "nakamura", "suzuki", "someone-else")
RECORDED = datetime(2026, 11, 24, 12, tzinfo=UTC)

# Midnight and noon in Tokyo, the ends of a month, a quarter, a fiscal year, of the 53-week ISO year 2026, a leap day.
BORDERS = [
    datetime(2026, 3, 31, 15, tzinfo=UTC),
    datetime(2026, 4, 1, 3, tzinfo=UTC),
    datetime(2026, 9, 30, 15, tzinfo=UTC),
    datetime(2026, 11, 20, 1, tzinfo=UTC),
    datetime(2026, 12, 31, 15, tzinfo=UTC),
    datetime(2027, 1, 3, 15, tzinfo=UTC),
    datetime(2024, 2, 28, 15, tzinfo=UTC),
]
times = st.builds(
    lambda border, offset: border + timedelta(seconds=offset),
    st.sampled_from(BORDERS),
    st.sampled_from([-3600, -1, 0, 1, 3600, 7200]),
)
reps = st.sampled_from(REPS)
campaigns = st.sampled_from([None, "spring-webinar", "fair"])
amounts = st.sampled_from(
    [
        None,
        {"value": "1200000", "currency": "JPY"},
        {"value": "1500000", "currency": "JPY"},
        {"value": "99.95", "currency": "USD"},
    ]
)

calls = st.fixed_dictionaries(
    {
        "rep": reps,
        "direction": st.sampled_from(["outbound", "inbound"]),
        "outcome": st.sampled_from(["no_answer", "gatekeeper", "conversation", "voicemail"]),
        "duration_s": st.sampled_from([None, 0, 60, 125]),
        "campaign": campaigns,
    }
)
touches = st.fixed_dictionaries(
    {
        "rep": st.none() | reps,
        "channel": st.sampled_from(["email", "cxo_letter", "seminar"]),
        "direction": st.sampled_from(["outbound", "inbound"]),
        "outcome": st.sampled_from([None, "sent", "opened", "replied", "attended"]),
        "duration_s": st.sampled_from([None, 30]),
        "campaign": campaigns,
    }
)
uses = st.fixed_dictionaries(
    {
        "rep": reps,
        "content": st.sampled_from(["first-mail", "platform-user"]),
        "kind": st.sampled_from(["template", "snippet", "talk", "case_study"]),
        "language": st.sampled_from(["ja", "en"]),
        "channel": st.sampled_from([None, "email"]),
    }
)
opportunities = st.fixed_dictionaries(
    {
        "opportunity_id": st.sampled_from(["o-1", "o-2"]),
        "status": st.sampled_from(["created", "valid", "invalid", "won", "lost"]),
        "amount": amounts,
        "credited_rep": st.none() | reps,
        "owner": st.sampled_from([None, "suzuki"]),
    }
)
handoffs = st.fixed_dictionaries(
    {
        "handoff_id": st.sampled_from(["h-1", "h-2"]),
        "rep": reps,
        "owner": st.just("suzuki"),
        "segment": st.just("smb"),
        "policy": st.just({"id": "default", "version": 1}),
    }
)
accepted = st.fixed_dictionaries({"handoff_id": st.sampled_from(["h-1", "h-2"]), "sales_rep": st.just("suzuki")})
returned = st.fixed_dictionaries(
    {"handoff_id": st.just("h-1"), "sales_rep": st.just("sato"), "reason": st.just("no_need")}
)
stages = st.fixed_dictionaries(
    {"from": st.just("MQL"), "to": st.sampled_from(["MQL", "SQL"]), "cycle": st.just(1), "rule": st.just("r")}
)
appointments = st.fixed_dictionaries(
    {
        "appointment_id": st.sampled_from(["a-1", "a-2"]),
        "status": st.sampled_from(["set", "held", "cancelled"]),
        "rep": reps,
        "how_set": st.sampled_from([None, "call", "email"]),
    }
)
days = st.sampled_from(["2024-02-29", "2026-03-31", "2026-04-01", "2026-11-20", "2026-12-31"])
contracts = st.fixed_dictionaries(
    {
        "contract_id": st.sampled_from(["k-1", "k-2"]),
        "company": st.sampled_from(["acme", "beta"]),
        "status": st.sampled_from(["started", "started", "changed", "ended"]),
        "effective_on": days,
        "arr": amounts,
    }
)
spending = st.fixed_dictionaries(
    {
        "amount": amounts.filter(bool),
        "category": st.sampled_from(["marketing", "sales"]),
        "spent_on": days,
        "campaign": campaigns,
    }
)
created = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["website", "dialer"]),
        "campaign": campaigns,
        "via": st.sampled_from(["fields", "activity"]),
    }
)
VALUES: dict[str, list[Any]] = {
    "employees": [350, 2000, 2001],
    "industry": ["IT", "製造"],
    "target_tier": ["A", "B"],
    "title": ["部長"],
    "phone": ["+81312345678"],
    "email": ["a@example.com"],
    "needs": ["confirmed", "denied", "assumed"],
    "budget": ["confirmed", "unknown"],
    "authority": ["confirmed"],
}
CONFIRMATIONS = ("needs", "budget", "authority")
observations = st.fixed_dictionaries(
    {
        "observation_id": st.uuids().map(str),
        "field": st.sampled_from(list(VALUES)),
        "method": st.sampled_from(["form", "hearing", "tool"]),
        "source": st.just("website"),
        "observed_at": times.map(lambda t: t.isoformat()),
    }
).flatmap(
    lambda o: st.sampled_from(VALUES[o["field"]]).map(
        lambda value: o | {"status" if o["field"] in CONFIRMATIONS else "value": value}
    )
)
fields = st.fixed_dictionaries({"observations": st.lists(observations, min_size=1, max_size=3), "campaign": campaigns})

merges = st.fixed_dictionaries({"into": st.sampled_from([*LEADS, "lead-d"])})
unmerges = st.fixed_dictionaries({"from": st.sampled_from(LEADS)})

OWN = ("handoff_id",)
"""What belongs to one lead. Opportunities and appointments may be told of several leads by mistake, and contracts of
several companies."""
CORRECTABLE = (
    "call",
    "touch",
    "content-used",
    "opportunity",
    "appointment",
    "contract",
    "spend",
    "correction",
    "lead-created",
    "lead-merged",
)
CONTENT: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "call": calls,
    "touch": touches,
    "content-used": uses,
    "opportunity": opportunities,
    "handoff-created": handoffs,
    "handoff-accepted": accepted,
    "handoff-returned": returned,
    "stage-changed": stages,
    "appointment": appointments,
    "contract": contracts,
    "spend": spending,
    "lead-created": created,
    "lead-fields": fields,
    "lead-merged": merges,
    "lead-unmerged": unmerges,
    "lead-erased": st.just({"reason": "asked for"}),
}


def make(name: str, identity: str, lead: str, time: datetime, content: dict[str, Any]) -> Event:
    """An event; what is None in the content is left out."""
    given = {key: value for key, value in content.items() if value is not None}
    data: Data = msgspec.convert(given, TYPES[name])
    return Event(
        id=identity, source="test", name=name, time=time, subject=lead, key=lead, recorded_at=RECORDED, data=data
    )


@st.composite
def facts(draw: Callable[..., Any], number: int) -> Event:
    """An event that is no correction."""
    name = draw(st.sampled_from(list(CONTENT)))
    lead = draw(st.sampled_from(LEADS))
    content = draw(CONTENT[name])
    for identity in OWN:
        if identity in content:
            content = content | {identity: f"{content[identity]}-{lead}"}
    if name in ("contract", "spend"):
        lead = ""
    return make(name, f"e{number}", lead, draw(times), content)


@st.composite
def histories(draw: Callable[..., Any], max_size: int = 14) -> list[Event]:
    """Events with distinct identities, corrections of them and of corrections (never in a ring) among them."""
    events: list[Event] = [draw(facts(n)) for n in range(draw(st.integers(1, max_size)))]
    for n in range(draw(st.integers(0, 4))):
        correctable = [e for e in events if e.name in CORRECTABLE]
        if correctable:
            events.append(draw(correction_of(f"x{n}", draw(st.sampled_from(correctable)))))
    return events


@st.composite
def correction_of(draw: Callable[..., Any], identity: str, target: Event) -> Event:
    """A correction of an event, or of a correction (which can only be taken back)."""
    action = "void" if target.name == "correction" else draw(st.sampled_from(["void", "replace"]))
    content: dict[str, Any] = {"corrects": msgspec.to_builtins(Identity(target.source, target.id)), "action": action}
    if action == "replace":
        data = {k: v for k, v in draw(CONTENT[target.name]).items() if v is not None}
        data |= {own: f"{data[own]}-{target.subject}" for own in OWN if own in data}
        if draw(st.booleans()):
            data["occurred_at"] = draw(times).isoformat()
        content["data"] = {k: msgspec.Raw(msgspec.json.encode(v)) for k, v in data.items()}
    return make("correction", identity, target.subject, draw(times), content)


def deliveries(events: list[Event]) -> st.SearchStrategy[list[list[Event]]]:
    """Ways to deliver the events: any order, some of them again, cut into batches anyhow."""

    @st.composite
    def delivery(draw: Callable[..., Any]) -> list[list[Event]]:
        again = draw(st.lists(st.sampled_from(events), max_size=4))
        order: list[Event] = draw(st.permutations(events + again))
        cuts = sorted(draw(st.sets(st.integers(1, max(1, len(order) - 1)), max_size=4)))
        return [batch for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True) if (batch := order[a:b])]

    return delivery()
