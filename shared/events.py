"""Every event of Tasuki: the CloudEvents 1.0 envelope, the data of each type, and how both stand in the log.

The log holds events in CloudEvents binary mode: attributes as `ce_*` headers, the data as JSON. An unknown field of the
data is ignored, an unknown type or version is `Undecodable`. `(source, id)` is an event's identity for ever.
"""

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from shared.eventlog.port import Message, Record
from shared.money import Money

LEADS = "tasuki.leads.v1"
ACTIVITIES = "tasuki.activities.v1"
HANDOFFS = "tasuki.handoffs.v1"
DEAD_LETTERS = "tasuki.dead-letters.v1"
TOPICS = (LEADS, ACTIVITIES, HANDOFFS, DEAD_LETTERS)

FUTURE_TOLERANCE = timedelta(minutes=5)

Text = Annotated[str, msgspec.Meta(max_length=500)]
LongText = Annotated[str, msgspec.Meta(max_length=20_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]
Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]

FieldStatus = Literal["confirmed", "denied", "assumed", "unknown"]
Method = Literal["form", "hearing", "tool"]
Direction = Literal["outbound", "inbound"]
CallOutcome = Literal["no_answer", "busy", "voicemail", "invalid_number", "gatekeeper", "conversation"]
Channel = Literal[
    "email", "sns_dm", "cxo_letter", "partner", "advisor", "seminar", "community", "newsletter", "auto_email", "other"
]
TouchOutcome = Literal["sent", "opened", "clicked", "replied", "bounced", "attended", "declined"]
HowSet = Literal[
    "call",
    "email",
    "sns_dm",
    "cxo_letter",
    "partner",
    "advisor",
    "seminar",
    "community",
    "newsletter",
    "auto_email",
    "other",
]
ReturnReason = Literal[
    "unreachable", "bad_data", "no_need", "no_budget", "no_authority", "bad_timing", "not_a_fit", "duplicate"
]
FieldValue = str | int | float | bool | list[str] | Money


def check_times(*moments: datetime | None) -> None:
    """Raises ValueError for a time that UTC cannot tell: the first and last hours of the calendar, by their offset.

    For `__post_init__`: whoever takes such a time cannot answer it again.
    """
    for moment in moments:
        if moment is not None and not 1 < moment.year < 9999:
            raise ValueError(f"the year {moment.year} lies outside of 2 to 9998")


class Undecodable(Exception):
    """A record that is no event we understand. `reason` is a short stable word, the message says more."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the data of every event type."""


# --- activities -----------------------------------------------------------------------------------------------------


class Call(Data, frozen=True, kw_only=True):
    """A telephone call with a lead."""

    rep: Name
    direction: Direction
    outcome: CallOutcome
    duration_s: Seconds | None = None
    campaign: Name | None = None


class Touch(Data, frozen=True, kw_only=True):
    """A contact over any channel but the telephone."""

    channel: Channel
    direction: Direction
    rep: Name | None = None
    outcome: TouchOutcome | None = None
    duration_s: Seconds | None = None
    campaign: Name | None = None


class AcceptedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who on the customer's side said yes to the appointment."""

    name: Text | None = None
    title: Text | None = None
    has_authority: bool | None = None


class Appointment(Data, frozen=True, kw_only=True):
    """An appointment as it was really set, and what became of it."""

    appointment_id: Name
    status: Literal["set", "held", "cancelled", "no_show"]
    rep: Name
    scheduled_for: Timestamp | None = None
    accepted_by: AcceptedBy | None = None
    how_set: HowSet | None = None
    pressured: bool | None = None
    problem_clear: bool | None = None
    contact_state: Text | None = None
    note: LongText | None = None

    def __post_init__(self) -> None:
        check_times(self.scheduled_for)


class Opportunity(Data, frozen=True, kw_only=True):
    """A step in the life of a sales opportunity."""

    opportunity_id: Name
    status: Literal["created", "valid", "invalid", "won", "lost"]
    amount: Money | None = None
    credited_rep: Name | None = None
    owner: Name | None = None
    product: Text | None = None
    reason: LongText | None = None


class Contract(Data, frozen=True, kw_only=True):
    """A step in the life of a contract; `arr` is its annual recurring revenue."""

    contract_id: Name
    company: Name
    status: Literal["started", "changed", "ended"]
    effective_on: date
    arr: Money | None = None


class Spend(Data, frozen=True, kw_only=True):
    """Money spent on winning customers."""

    amount: Money
    category: Literal["marketing", "inside_sales", "sales"]
    spent_on: date
    campaign: Name | None = None


class Identity(msgspec.Struct, frozen=True, order=True):
    """What makes an event the same event."""

    source: Name
    id: Name


class Correction(Data, frozen=True, kw_only=True):
    """Says that an earlier (or still awaited) event never was, or was otherwise.

    `data` is the whole new data in the form of the activity's HTTP object; it may hold a new `occurred_at`.
    """

    corrects: Identity
    action: Literal["void", "replace"]
    data: dict[str, msgspec.Raw] | None = None


# --- leads ----------------------------------------------------------------------------------------------------------


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of one field, as somebody or something once said it."""

    observation_id: str
    field: Name
    method: Method
    source: Name
    observed_at: Timestamp
    value: FieldValue | None = None
    status: FieldStatus | None = None
    by: Name | None = None
    quote: LongText | None = None

    def __post_init__(self) -> None:
        check_times(self.observed_at)


class LeadCreated(Data, frozen=True, kw_only=True):
    """A lead became known. `via` tells whether fields or only an activity's reference made it known."""

    source: Name
    external_ids: list[str] = []
    campaign: Name | None = None
    via: Literal["fields", "activity"] = "fields"


class LeadFields(Data, frozen=True, kw_only=True):
    """Observations that came together in one submission. `campaign`: the campaign that this submission came from."""

    observations: list[Observation]
    campaign: Name | None = None


class LeadMerged(Data, frozen=True, kw_only=True):
    """The subject is the same as `into`, which survives."""

    into: Name


class LeadUnmerged(Data, frozen=True, kw_only=True):
    """The subject was merged into `from` by mistake and stands alone again."""

    from_: Name = msgspec.field(name="from")


class LeadConsent(Data, frozen=True, kw_only=True):
    """On what basis the lead may be contacted, or that it may not."""

    basis: Literal["consent", "notified", "relationship", "published"]
    evidence: LongText
    opted_out_at: Timestamp | None = None
    channels: list[Text] = []

    def __post_init__(self) -> None:
        check_times(self.opted_out_at)


class LeadErased(Data, frozen=True, kw_only=True):
    """The lead's personal data is gone; what was counted stays counted."""

    reason: LongText


# --- handoffs -------------------------------------------------------------------------------------------------------


class PolicyVersion(msgspec.Struct, frozen=True):
    """A version of a policy; versions never change."""

    id: Name
    version: int


class StageChanged(Data, frozen=True, kw_only=True):
    """The lead entered a stage. `rule` names what of stages.yaml (or which event) brought it there."""

    from_: Name | None = msgspec.field(name="from", default=None)
    to: Name
    cycle: int
    rule: Text


class HandoffCreated(Data, frozen=True, kw_only=True):
    """Inside sales handed the lead over."""

    handoff_id: Name
    rep: Name
    owner: Name
    segment: Name
    policy: PolicyVersion
    overridden: bool = False


class HandoffAccepted(Data, frozen=True, kw_only=True):
    """Sales took the lead."""

    handoff_id: Name
    sales_rep: Name


class HandoffReturned(Data, frozen=True, kw_only=True):
    """Sales gave the lead back."""

    handoff_id: Name
    sales_rep: Name
    reason: ReturnReason
    comment: LongText | None = None


class HandoffOverdue(Data, frozen=True, kw_only=True):
    """Nobody decided in time."""

    handoff_id: Name


ACTIVITY_TYPES: dict[str, type[Data]] = {
    "call": Call,
    "touch": Touch,
    "appointment": Appointment,
    "opportunity": Opportunity,
    "contract": Contract,
    "spend": Spend,
    "correction": Correction,
}
LEAD_TYPES: dict[str, type[Data]] = {
    "lead-created": LeadCreated,
    "lead-fields": LeadFields,
    "lead-merged": LeadMerged,
    "lead-unmerged": LeadUnmerged,
    "lead-consent": LeadConsent,
    "lead-erased": LeadErased,
}
HANDOFF_TYPES: dict[str, type[Data]] = {
    "stage-changed": StageChanged,
    "handoff-created": HandoffCreated,
    "handoff-accepted": HandoffAccepted,
    "handoff-returned": HandoffReturned,
    "handoff-overdue": HandoffOverdue,
}
TYPES: dict[str, type[Data]] = ACTIVITY_TYPES | LEAD_TYPES | HANDOFF_TYPES
TOPIC_OF: dict[str, str] = (
    dict.fromkeys(ACTIVITY_TYPES, ACTIVITIES)
    | dict.fromkeys(LEAD_TYPES, LEADS)
    | dict.fromkeys(HANDOFF_TYPES, HANDOFFS)
)

_DECODERS = {name: msgspec.json.Decoder(cls) for name, cls in TYPES.items()}
_ENCODER = msgspec.json.Encoder()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact. Times are in UTC; `name` is the short type (`call`), `subject` the lead id ("" without a lead)."""

    id: str
    source: str
    name: str
    time: datetime
    subject: str
    key: str
    recorded_at: datetime
    data: Data
    traceparent: str | None = None

    @property
    def identity(self) -> tuple[str, str]:
        return (self.source, self.id)

    @property
    def order(self) -> tuple[datetime, str, str]:
        """The order of events that every rule of the contract means: (time, source, id)."""
        return (self.time, self.source, self.id)

    @property
    def type(self) -> str:
        return f"tasuki.{self.name}.v1"


def decode_data(name: str, raw: bytes) -> Data:
    """The typed data of a short type name. Raises Undecodable."""
    try:
        return _DECODERS[name].decode(raw)
    except KeyError:
        raise Undecodable("unknown_type", name) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable("invalid_data", str(error)) from error


def encode_data(data: Data) -> bytes:
    """The data as JSON."""
    return _ENCODER.encode(data)


def content_digest(event: Event) -> bytes:
    """16 bytes that are equal when two events of one identity say the same thing (when it was recorded is no part)."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (event.name, event.time.isoformat(), event.subject):
        hashed.update(part.encode())
        hashed.update(b"\0")
    hashed.update(encode_data(event.data))
    return hashed.digest()


def to_message(event: Event) -> Message:
    """The event as it is written to the log."""
    return Message(topic=TOPIC_OF[event.name], key=event.key, headers=_headers(event), value=encode_data(event.data))


def _headers(event: Event) -> tuple[tuple[str, bytes], ...]:
    headers: tuple[tuple[str, bytes], ...] = (
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", rfc3339(event.time).encode()),
        ("ce_partitionkey", event.key.encode()),
        ("ce_recordedtime", rfc3339(event.recorded_at).encode()),
        ("content-type", b"application/json"),
    )
    if event.subject:
        headers += (("ce_subject", event.subject.encode()),)
    if event.traceparent:
        headers += (("ce_traceparent", event.traceparent.encode()),)
    return headers


def from_record(record: Record) -> Event:
    """The event in a record of the log. Raises Undecodable."""
    if record.value is None:
        raise Undecodable("null_value", "the record has no value")
    try:
        headers = {name: value.decode() for name, value in record.headers}
    except UnicodeDecodeError as error:
        raise Undecodable("invalid_headers", str(error)) from error
    missing = [h for h in ("ce_id", "ce_source", "ce_type", "ce_time") if not headers.get(h)]
    if missing:
        raise Undecodable("missing_attribute", ", ".join(missing))
    prefix, _, version = headers["ce_type"].rpartition(".")
    if not prefix.startswith("tasuki."):
        raise Undecodable("unknown_type", headers["ce_type"])
    if version != "v1":
        raise Undecodable("unknown_version", headers["ce_type"])
    time = parse_time(headers["ce_time"])
    recorded = headers.get("ce_recordedtime")
    return Event(
        id=headers["ce_id"],
        source=headers["ce_source"],
        name=prefix.removeprefix("tasuki."),
        time=time,
        subject=headers.get("ce_subject", ""),
        key=headers.get("ce_partitionkey") or record.key or "",
        recorded_at=parse_time(recorded) if recorded else record.appended_at,
        data=decode_data(prefix.removeprefix("tasuki."), record.value),
        traceparent=headers.get("ce_traceparent"),
    )


def rfc3339(moment: datetime) -> str:
    """A time as it is answered everywhere: UTC with `Z`, microseconds only where there are any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"  # several times faster than with the offset


def parse_time(text: str) -> datetime:
    """RFC 3339 with an offset -> UTC. Raises Undecodable."""
    try:
        moment = datetime.fromisoformat(text)
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Undecodable("invalid_time", f"{text[:40]!r}: {error}") from error
    if moment.tzinfo is None:
        raise Undecodable("invalid_time", f"{text[:40]!r} has no offset")
    return in_utc
