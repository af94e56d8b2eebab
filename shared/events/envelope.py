"""The CloudEvents 1.0 envelope, and how an event stands in the log.

We write binary mode: attributes as `ce_*` headers, the value is the data. Other producers may also use structured mode:
one JSON object with attributes and data as the value.
"""

import hashlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from operator import itemgetter

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
_OTHERS = ("ce_specversion", "ce_recordedtime", "ce_partitionkey", "ce_subject", _TRACEPARENT)
_READ = itemgetter(*_REQUIRED, *_OTHERS)
_NONE = dict[str, bytes | None].fromkeys((*_REQUIRED, *_OTHERS, "content-type"))
_VERSION = b"1.0"
_BACKSLASH = ord("\\")
_NAMES = {f"tasuki.{name}.v1".encode(): name for name in TYPES | WEBHOOK_TYPES}
_NUL = "a text holds NUL, which PostgreSQL does not take"
VALUE_BYTES = 2 * 1024 * 1024
"""Greatest value of a record that is looked at. What ingest takes is a request of 1 MiB at most."""
_JSON = b"application/json"
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
        ("ce_specversion", _VERSION),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", _rfc3339(event.time)),
        ("ce_partitionkey", event.key.encode()),
        ("ce_recordedtime", _rfc3339(event.recorded_at)),
        ("content-type", _JSON),
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
    attributes = _NONE.copy()
    attributes.update(record.headers)  # of two of one name the last counts
    if _is_structured(attributes["content-type"]):
        told, data = _structured(record)
        attributes = _NONE | told
    elif record.value is None:
        raise _without_value(attributes)
    else:
        data = record.value
    try:
        return _event(attributes, data, record, webhook)
    except UnicodeDecodeError as error:
        raise Undecodable("invalid_headers", str(error)) from error


def _event(attributes: Mapping[str, bytes | None], data: bytes, record: Record, webhook: bool) -> Event:
    if len(attributes) > len(_NONE):
        _check_text(attributes)
    id_, source, type_, time_, version, recorded, key_, subject_, traceparent = _READ(attributes)
    if not (id_ and source and type_ and time_):
        _check_text(attributes)
        raise Undecodable("missing_attribute", ", ".join(name for name in _REQUIRED if not attributes.get(name)))
    if version != _VERSION and version is not None:
        raise Undecodable("unknown_version", f"CloudEvents {version.decode()}")
    name = _NAMES.get(type_) or _name_of(type_.decode())
    time = parse_time(time_.decode())
    recorded_at = parse_time(recorded.decode()) if recorded else record.appended_at
    if time > recorded_at or time < EARLIEST:  # else `_check_time` would find nothing
        _check_time(time, max(recorded_at, record.appended_at))
    key = key_.decode() if key_ else record.key or ""
    subject = key if subject_ == key_ and key_ else (subject_ or b"").decode()  # one text where they are the same
    if not subject and name not in WITHOUT_LEAD:
        subject = key  # which is the lead id wherever there is a lead
        if not subject:
            raise Undecodable("missing_attribute", "ce_subject: the lead that it is about")
    # Numbers: where bytes are looked for in bytes, Python first makes an error of its own and drops it.
    if 0 in id_ or 0 in source or "\0" in subject or "\0" in key:
        raise Undecodable("invalid_attribute", _NUL)
    if _BACKSLASH in data and b"\\u0000" in data and _holds_nul(data):
        raise Undecodable("invalid_data", _NUL)
    return Event(
        id=id_.decode(),
        source=_text_of_few(source) if len(source) <= _SHORT else source.decode(),
        name=name,
        time=time,
        subject=subject,
        key=key,
        recorded_at=recorded_at,
        data=decode_data(name, data, webhook=webhook),
        traceparent=None if traceparent is None else traceparent.decode(),
    )


_SHORT = 200
"""Bytes of what is remembered at most: a source of a megabyte may stand in the log, too."""


@lru_cache(maxsize=1000)
def _text_of_few(value: bytes) -> str:
    return value.decode()


def _without_value(attributes: Mapping[str, bytes | None]) -> Undecodable:
    if (error := attributes.get(UNREADABLE)) is not None:
        return Undecodable("unreadable_record", error.decode(errors="replace"))
    return Undecodable("null_value", "the record has no value")


def _check_text(attributes: Mapping[str, bytes | None]) -> None:
    """Raises UnicodeDecodeError. Of CloudEvents alone: what else programs put on a record (traces) need be no text."""
    for name, value in attributes.items():
        if value and name.startswith("ce_"):
            value.decode()


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
    """The short name of a type that is none of _NAMES. Raises Undecodable where it is not of our first version."""
    prefix, _, version = type_.rpartition(".")
    if not prefix.startswith("tasuki."):
        raise Undecodable("unknown_type", type_)
    if version != "v1":
        raise Undecodable("unknown_version", type_)
    return prefix.removeprefix("tasuki.")


def traceparent_of(headers: Sequence[tuple[str, bytes]]) -> str | None:
    """The traceparent in the headers of a message that we have written."""
    return next((value.decode("latin-1") for name, value in headers if name == _TRACEPARENT), None)


def data_of(record: Record) -> bytes:
    """The JSON of an event's data in a record that `from_record` has understood."""
    for name, value in reversed(record.headers):  # the last one counts; ours stands near the end
        if name == "content-type":
            return _structured(record)[1] if _is_structured(value) else record.value or b""
    return record.value or b""


def _is_structured(media: bytes | None) -> bool:
    """Whether a record's value is a whole event, not only its data."""
    return media != _JSON and media is not None and media[: len(STRUCTURED)].lower() == STRUCTURED


def _structured(record: Record) -> tuple[dict[str, bytes], bytes]:
    """Attributes by the names of their headers, and the data, from one JSON object with JSON as data, or its base64."""
    try:
        members = _ENVELOPE.decode(record.value or b"null")
        attributes = {
            f"ce_{name}": value.encode() for name, raw in members.items() if isinstance(value := _simple(raw), str)
        }
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
