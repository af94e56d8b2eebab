"""Events in the log as other producers may write them."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shared.eventlog.port import Record
from shared.events import (
    ACTIVITIES,
    TYPES,
    Appointment,
    Call,
    Data,
    HandoffCreated,
    LeadCreated,
    PolicyVersion,
    StageChanged,
    Undecodable,
    content_digest,
    data_of,
    encode_data,
    from_record,
    to_message,
    to_structured,
)

CALL = {"rep": "ito", "direction": "outbound", "outcome": "conversation", "duration_s": 60, "of_theirs": 1}
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "1",
    "source": "dialler",
    "type": "tasuki.call.v1",
    "time": "2026-02-02T09:00:00+09:00",
    "subject": "lead-1",
    "partitionkey": "lead-1",
}
NOW = datetime(2026, 2, 3, tzinfo=UTC)


def record(value: bytes | None, **headers: str) -> Record:
    named = tuple((name.replace("content_type", "content-type"), text.encode()) for name, text in headers.items())
    return Record(ACTIVITIES, 0, 0, "key", named, value, NOW)


def binary(**other: str) -> Record:
    attributes = ATTRIBUTES | other
    headers = {f"ce_{name}": text for name, text in attributes.items() if text}
    return record(json.dumps(CALL).encode(), **headers, content_type="application/json")


def structured(media_type: str = "application/cloudevents+json", **other: Any) -> Record:
    members = ATTRIBUTES | {"datacontenttype": "application/json", "data": CALL} | other
    whole = {name: value for name, value in members.items() if value is not None}
    return record(json.dumps(whole, ensure_ascii=False).encode(), content_type=media_type)


@pytest.mark.parametrize(
    "other",
    [
        structured(),
        structured("application/cloudevents+json; charset=UTF-8"),
        structured(data=None, data_base64=b64encode(json.dumps(CALL).encode()).decode()),
        structured(sampledrate=5, comexampleflag=True, unknown=None),
    ],
)
def test_structured_mode_says_the_same_as_binary_mode(other: Record) -> None:
    ours = from_record(binary())
    theirs = from_record(other)
    assert theirs == ours
    assert content_digest(theirs) == content_digest(ours)
    assert json.loads(data_of(other)) == json.loads(data_of(binary())) == CALL
    assert theirs.data == Call(rep="ito", direction="outbound", outcome="conversation", duration_s=60)
    assert (theirs.time, theirs.recorded_at) == (datetime(2026, 2, 2, tzinfo=UTC), NOW)


def test_an_offset_without_its_colon_is_understood_in_the_log() -> None:
    """At the door it is refused, but what is in the log is there."""
    assert from_record(binary(time="2026-02-02T09:00:00+0900")).time == datetime(2026, 2, 2, tzinfo=UTC)
    said = {"appointment_id": "a", "status": "set", "rep": "ito", "scheduled_for": "2026-02-02T09:00:00+0900"}
    event = from_record(structured(type="tasuki.appointment.v1", data=said))
    assert isinstance(event.data, Appointment)
    assert event.data.scheduled_for == datetime(2026, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (record(None, content_type="application/cloudevents+json"), "invalid_envelope"),
        (record(b"[]", content_type="application/cloudevents+json"), "invalid_envelope"),
        (record(b"{", content_type="application/cloudevents+json"), "invalid_envelope"),
        (record(b"\xff", content_type="application/cloudevents+json"), "invalid_envelope"),
        (record(b'{"id": "\\ud800"}', content_type="application/cloudevents+json"), "invalid_envelope"),
        (record(b'{"data":' + b"[" * 100_000, content_type="application/cloudevents+json"), "invalid_envelope"),
        (structured(data=None, data_base64="?"), "invalid_envelope"),
        (structured(data=None, data_base64=7), "invalid_envelope"),
        (structured(id=7), "missing_attribute"),
        (structured(id=None), "missing_attribute"),
        (structured(data=None), "invalid_data"),
        (structured(data=[1]), "invalid_data"),
        (structured(specversion="2.0"), "unknown_version"),
        (binary(specversion="0.3"), "unknown_version"),
        (structured(type="tasuki.call.v2"), "unknown_version"),
        (structured(type="com.example.call.v1"), "unknown_type"),
        (structured(time="yesterday"), "invalid_time"),
        (binary(id=""), "missing_attribute"),
        (record(json.dumps(ATTRIBUTES | {"data": CALL}).encode()), "missing_attribute"),
    ],
)
def test_what_is_no_event_of_ours_says_why(broken: Record, reason: str) -> None:
    with pytest.raises(Undecodable) as told:
        from_record(broken)
    assert told.value.reason == reason


def test_what_we_write_in_structured_mode_is_the_same_event() -> None:
    event = from_record(binary(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    written = to_structured(event)
    assert json.loads(written)["data"] == json.loads(encode_data(event.data))
    assert from_record(record(written, content_type="application/cloudevents+json")) == event


@pytest.mark.parametrize("partition_key", ["lead-1", ""])
def test_an_event_without_a_subject_is_of_the_lead_that_it_is_kept_in_order_with(partition_key: str) -> None:
    told = msgspec.structs.replace(binary(subject="", partitionkey=partition_key), key="lead-1")
    assert from_record(told).subject == "lead-1"


def test_an_event_of_no_lead_that_would_be_counted_for_none_is_refused() -> None:
    nobody = msgspec.structs.replace(binary(subject="", partitionkey=""), key=None)
    with pytest.raises(Undecodable, match="the lead that it is about") as refused:
        from_record(nobody)
    assert refused.value.reason == "missing_attribute"


def test_what_companies_spend_is_about_no_lead() -> None:
    spend = {"amount": {"value": "500", "currency": "JPY"}, "category": "marketing", "spent_on": "2026-02-01"}
    told = binary(subject="", partitionkey="spring-webinar", type="tasuki.spend.v1")
    told = msgspec.structs.replace(told, value=json.dumps(spend).encode())
    assert (from_record(told).subject, from_record(told).key) == ("", "spring-webinar")


@pytest.mark.parametrize(
    "told",
    [
        record(json.dumps(CALL | {"rep": "a\0b"}).encode(), **{f"ce_{n}": v for n, v in ATTRIBUTES.items()}),
        record(json.dumps(CALL | {"ours\0": 1}).encode(), **{f"ce_{n}": v for n, v in ATTRIBUTES.items()}),
        structured(data=CALL | {"of_theirs": ["a", {"b": "\0"}]}),
        structured(subject="lead\0"),
        structured(id="1\0"),
    ],
)
def test_nul_that_no_database_takes_is_refused_by_every_service_alike(told: Record) -> None:
    with pytest.raises(Undecodable, match="NUL"):
        from_record(told)


def test_a_text_that_only_looks_like_nul_is_one() -> None:
    said = CALL | {"rep": "a\\u0000b"}
    assert from_record(structured(data=said)).data.rep == "a\\u0000b"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("time", "recorded"),
    [
        ("2026-02-03T00:05:01Z", ""),
        ("2026-02-03T00:05:01Z", "2026-02-02T00:00:00Z"),
        ("9999-12-30T00:00:00Z", ""),
        ("1899-12-31T23:59:59Z", ""),
        ("0001-01-02T00:00:00Z", ""),
    ],
)
def test_reliability_21_a_time_that_cannot_be_is_refused_whoever_wrote_it(time: str, recorded: str) -> None:
    with pytest.raises(Undecodable, match="lies") as refused:
        from_record(binary(time=time, recordedtime=recorded))
    assert refused.value.reason == "invalid_time"


@pytest.mark.parametrize(
    ("time", "recorded"),
    [
        ("2026-02-03T00:05:00Z", ""),
        ("2026-02-03T00:06:00Z", "2026-02-03T00:02:00Z"),  # the clock of who took it goes before that of the log
        ("1900-01-01T00:00:00Z", ""),
    ],
)
def test_clocks_may_differ_by_five_minutes(time: str, recorded: str) -> None:
    assert from_record(binary(time=time, recordedtime=recorded)).name == "call"


def test_headers_of_others_need_be_no_text_but_those_of_the_event_must() -> None:
    traced = binary()
    traced = msgspec.structs.replace(traced, headers=(("x-trace-bin", b"\xff\xfe\0\1"), *traced.headers))
    assert from_record(traced) == from_record(binary())
    broken = msgspec.structs.replace(traced, headers=(*traced.headers, ("ce_comment", b"\xff")))
    with pytest.raises(Undecodable, match="invalid_headers"):
        from_record(broken)


def test_media_types_and_times_may_be_written_in_either_case() -> None:
    assert from_record(structured("application/CloudEvents+JSON")) == from_record(binary())
    assert from_record(binary(time="2026-02-02t00:00:00z")).time == datetime(2026, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("contract", {"contract_id": "K", "company": "c", "status": "started", "effective_on": "0001-01-01"}),
        ("spend", {"amount": {"value": "5", "currency": "JPY"}, "category": "sales", "spent_on": "1899-12-31"}),
    ],
)
def test_days_before_any_inside_sales_are_mistakes(type_: str, data: dict[str, Any]) -> None:
    with pytest.raises(Undecodable, match="lies before the year 1900"):
        from_record(structured(type=f"tasuki.{type_}.v1", data=data))


SPARE: list[tuple[Data, dict[str, Any]]] = [
    (LeadCreated(source="website"), {"source": "website", "external_ids": []}),
    (
        StageChanged(to="Awareness", cycle=1, rule="known"),
        {"from": None, "to": "Awareness", "cycle": 1, "rule": "known"},
    ),
    (
        HandoffCreated(
            handoff_id="h", rep="ito", owner="sato", segment="smb", policy=PolicyVersion(id="default", version=1)
        ),
        {
            "handoff_id": "h",
            "rep": "ito",
            "owner": "sato",
            "segment": "smb",
            "policy": {"id": "default", "version": 1},
            "overridden": False,
        },
    ),
]


@pytest.mark.parametrize(("data", "told"), SPARE)
def test_what_says_nothing_is_told_where_readers_expect_it_and_is_no_content(data: Data, told: dict[str, Any]) -> None:
    name = next(name for name, type_ in TYPES.items() if type_ is type(data))
    event = replace(from_record(binary()), name=name, data=data)
    message = to_message(event)
    assert json.loads(message.value) == told
    assert json.loads(to_structured(event))["data"] == told
    there = from_record(Record(message.topic, 0, 0, message.key, message.headers, message.value, NOW))
    before = from_record(Record(message.topic, 0, 0, message.key, message.headers, encode_data(data), NOW))
    assert there.data == before.data == data
    assert content_digest(there) == content_digest(before)
