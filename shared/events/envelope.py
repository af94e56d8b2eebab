"""The CloudEvents 1.0 envelope, and how an event stands in the log: binary mode, attributes as `ce_*` headers."""

import hashlib
from datetime import UTC, datetime

import msgspec

from shared.eventlog.port import Message, Record
from shared.events.common import Data, Undecodable
from shared.events.types import TOPIC_OF, TYPES

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
        if moment.tzinfo is UTC:
            return moment
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Undecodable("invalid_time", f"{text[:40]!r}: {error}") from error
    if moment.tzinfo is None:
        raise Undecodable("invalid_time", f"{text[:40]!r} has no offset")
    return in_utc
