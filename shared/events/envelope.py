"""The CloudEvents 1.0 envelope, and how an event stands in the log.

We write binary mode: attributes as `ce_*` headers, the value is the data. Other producers may also use structured mode:
one JSON object with attributes and data as the value.
"""

import hashlib
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain

import msgspec

from shared.eventlog.port import UNREADABLE, Message, Record
from shared.events.common import EARLIEST, FUTURE_TOLERANCE, Data, Undecodable
from shared.events.types import TOPIC_OF, TYPES, WEBHOOK_TYPES, WITHOUT_LEAD

_DECODERS = {name: msgspec.json.Decoder(cls) for name, cls in TYPES.items()}
_WEBHOOK_DECODERS = _DECODERS | {name: msgspec.json.Decoder(cls) for name, cls in WEBHOOK_TYPES.items()}
_ENCODER = msgspec.json.Encoder()
_ENVELOPE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRACEPARENT = "ce_traceparent"
_REQUIRED = ("ce_id", "ce_source", "ce_type", "ce_time")
_NAMES = {f"tasuki.{name}.v1": name for name in TYPES | WEBHOOK_TYPES}
_NUL = "a text holds NUL, which PostgreSQL does not take"
VALUE_BYTES = 2 * 1024 * 1024
"""Greatest value of a record that is looked at. What ingest takes is a request of 1 MiB at most."""
STRUCTURED = b"application/cloudevents+json"
"""Media type of structured mode."""


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


def decode_data(name: str, raw: bytes, *, webhook: bool = False) -> Data:
    """The typed data of a short type name; webhook: also of those that stand in no log. Raises Undecodable."""
    try:
        return (_WEBHOOK_DECODERS if webhook else _DECODERS)[name].decode(raw)
    except KeyError:
        raise Undecodable("unknown_type", name) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable("invalid_data", str(error)) from error


def encode_data(data: Data) -> bytes:
    """The data as JSON."""
    return _ENCODER.encode(data)


def _wire(data: Data) -> bytes:
    """The data as JSON, as others read it: with what is always there (`Data.ALWAYS`)."""
    always = type(data).ALWAYS
    return _ENCODER.encode({**always, **msgspec.to_builtins(data)}) if always else _ENCODER.encode(data)


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
    return Message(topic=TOPIC_OF[event.name], key=event.key, headers=_headers(event), value=_wire(event.data))


def to_structured(event: Event) -> bytes:
    """The event as one JSON object, as structured mode has it: what is told to whoever does not read the log."""
    told = {name.removeprefix("ce_"): value.decode() for name, value in _headers(event) if name.startswith("ce_")}
    data = msgspec.Raw(_wire(event.data))
    return _ENCODER.encode(told | {"datacontenttype": "application/json", "data": data})


def _headers(event: Event) -> tuple[tuple[str, bytes], ...]:
    headers: tuple[tuple[str, bytes], ...] = (
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", _rfc3339(event.time)),
        ("ce_partitionkey", event.key.encode()),
        ("ce_recordedtime", _rfc3339(event.recorded_at)),
        ("content-type", b"application/json"),
    )
    if event.subject:
        headers += (("ce_subject", event.subject.encode()),)
    if event.traceparent:
        headers += ((_TRACEPARENT, event.traceparent.encode()),)
    return headers


def from_record(record: Record, *, webhook: bool = False) -> Event:
    """The event in a record of the log; webhook: in what was kept for one. Raises Undecodable."""
    if len(record.value or b"") > VALUE_BYTES:
        raise Undecodable("oversized", f"{len(record.value or b'')} bytes, of {VALUE_BYTES} at most")
    attributes, data = _structured(record) if is_structured(record) else _binary(record)
    if not all(map(attributes.get, _REQUIRED)):
        raise Undecodable("missing_attribute", ", ".join(name for name in _REQUIRED if not attributes.get(name)))
    if attributes.get("ce_specversion", "1.0") != "1.0":
        raise Undecodable("unknown_version", f"CloudEvents {attributes['ce_specversion']}")
    name = _name_of(attributes["ce_type"])
    time = parse_time(attributes["ce_time"])
    recorded = attributes.get("ce_recordedtime")
    recorded_at = parse_time(recorded) if recorded else record.appended_at
    if time > recorded_at or time < EARLIEST:  # else `_check_time` would find nothing
        _check_time(time, max(recorded_at, record.appended_at))
    key = attributes.get("ce_partitionkey") or record.key or ""
    subject = attributes.get("ce_subject", "")
    if not subject and name not in WITHOUT_LEAD:
        subject = key  # which is the lead id wherever there is a lead
        if not subject:
            raise Undecodable("missing_attribute", "ce_subject: the lead that it is about")
    if "\0" in attributes["ce_id"] or "\0" in attributes["ce_source"] or "\0" in subject or "\0" in key:
        raise Undecodable("invalid_attribute", _NUL)
    if b"\\u0000" in data and _holds_nul(data):
        raise Undecodable("invalid_data", _NUL)
    return Event(
        id=attributes["ce_id"],
        source=attributes["ce_source"],
        name=name,
        time=time,
        subject=subject,
        key=key,
        recorded_at=recorded_at,
        data=decode_data(name, data, webhook=webhook),
        traceparent=attributes.get(_TRACEPARENT),
    )


def _check_time(time: datetime, known_by: datetime) -> None:
    """What nobody has checked before it came into the log. `known_by`: when it was there at the latest."""
    if time > known_by + FUTURE_TOLERANCE:
        raise Undecodable("invalid_time", f"{rfc3339(time)} lies more than 5 minutes in the future")
    if time < EARLIEST:
        raise Undecodable("invalid_time", f"{rfc3339(time)} lies before the year {EARLIEST.year}")


def _holds_nul(data: bytes) -> bool:
    """Whether a text or a name in JSON that has `\\u0000` somewhere does hold NUL."""
    try:
        return _any_nul(msgspec.json.decode(data))
    except (msgspec.MsgspecError, RecursionError):
        return False  # decode_data says what is wrong with it


def _any_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_any_nul, chain(value, value.values())))
    if isinstance(value, list):
        return any(map(_any_nul, value))
    return isinstance(value, str) and "\0" in value


def _name_of(type_: str) -> str:
    """The short name of a type of our first version, known or not."""
    if (known := _NAMES.get(type_)) is not None:
        return known
    prefix, _, version = type_.rpartition(".")
    if not prefix.startswith("tasuki."):
        raise Undecodable("unknown_type", type_)
    if version != "v1":
        raise Undecodable("unknown_version", type_)
    return prefix.removeprefix("tasuki.")


def traceparent_of(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """The traceparent in the headers of a message that we have written."""
    return next((value.decode("latin-1") for name, value in headers if name == _TRACEPARENT), None)


def is_structured(record: Record) -> bool:
    """Whether the record's value is a whole event, not only its data."""
    for name, value in reversed(record.headers):  # the last one counts; ours stands near the end
        if name == "content-type":
            return value[: len(STRUCTURED)].lower() == STRUCTURED
    return False


def data_of(record: Record) -> bytes:
    """The JSON of an event's data in a record that `from_record` has understood."""
    return _structured(record)[1] if is_structured(record) else record.value or b""


def _binary(record: Record) -> tuple[dict[str, str], bytes]:
    """Attributes by the names of their headers, and the data."""
    if record.value is None:
        for name, error in record.headers:
            if name == UNREADABLE:
                raise Undecodable("unreadable_record", error.decode(errors="replace"))
        raise Undecodable("null_value", "the record has no value")
    try:
        return {name: value.decode() for name, value in record.headers}, record.value
    except UnicodeDecodeError:
        return _attributes(record.headers), record.value


def _attributes(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    """Those of CloudEvents alone: what else programs put on a record on its way (traces) need be no text."""
    try:
        return {name: value.decode() for name, value in headers if name.startswith("ce_")}
    except UnicodeDecodeError as error:
        raise Undecodable("invalid_headers", str(error)) from error


def _structured(record: Record) -> tuple[dict[str, str], bytes]:
    """As _binary, from one JSON object. Its data may be JSON, or JSON in base64."""
    try:
        members = _ENVELOPE.decode(record.value or b"null")
        attributes = {f"ce_{name}": value for name, raw in members.items() if isinstance(value := _simple(raw), str)}
        if "data_base64" in members:
            return attributes, b64decode(attributes["ce_data_base64"], validate=True)
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError) as error:
        raise Undecodable("invalid_envelope", f"no CloudEvent in JSON: {error}") from error
    return attributes, bytes(members.get("data", b"null"))


def _simple(raw: msgspec.Raw) -> object:
    """The value of an attribute; data and whatever else is no string mean nothing here."""
    return msgspec.json.decode(raw) if bytes(raw)[:1] == b'"' else None


def rfc3339(moment: datetime) -> str:
    """A time as it is answered everywhere: UTC with `Z`, microseconds only where there are any."""
    return _rfc3339(moment).decode()


def _rfc3339(moment: datetime) -> bytes:
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return _ENCODER.encode(moment)[1:-1]  # eight times faster than datetime's own


def parse_time(text: str) -> datetime:
    """RFC 3339 with an offset -> UTC. Raises Undecodable."""
    try:
        moment = datetime.fromisoformat(text.upper() if text[-1:] == "z" else text)
        if moment.tzinfo is UTC:
            return moment
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Undecodable("invalid_time", f"{text[:40]!r}: {error}") from error
    if moment.tzinfo is None:
        raise Undecodable("invalid_time", f"{text[:40]!r} has no offset")
    return in_utc
