"""Calendly."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import pytest

from services.ingest.providers import Form, Nothing, Verdict
from shared.config.sources import Source
from tests.ingest.door import Door
from tests.ingest.providers.provider_contract import SECRET, Posted, ProviderContract, given, given_json
from tests.ingest.providers.unpromised import (
    activity,
    assert_anything_is_read_or_unusable,
    entries,
    happened,
    verdict,
)

HOST = "https://api.calendly.com/users/H"
URI = "https://api.calendly.com/scheduled_events/E/invitees/I"
QUESTIONS = [
    {"question": "会社名", "answer": "株式会社アクメ", "position": 0},
    {"question": "email", "answer": "other@example.com", "position": 1},
    {"question": "ご要望", "answer": "", "position": 2},
]


def signed(body: bytes, secret: str, at_s: float) -> Posted:
    digest = hmac.new(secret.encode(), f"{int(at_s)}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Calendly-Webhook-Signature": f"t={int(at_s)},v1={digest}", "Content-Type": "application/json"}
    return Posted(body, headers)


def event(kind: str = "invitee.created", **change: Any) -> dict[str, Any]:
    invitee = {
        "uri": URI,
        "email": "mei@acme.co.jp",
        "name": "山田 芽衣",
        "first_name": None,
        "last_name": None,
        "text_reminder_number": "+81 90-1234-5678",
        "created_at": "2026-11-24T01:40:00.000000Z",
        "updated_at": "2026-11-24T02:00:00.000000Z",
        "questions_and_answers": QUESTIONS,
        "scheduled_event": {"event_memberships": [{"user": HOST}], "start_time": "2026-12-01T06:30:00.000000Z"},
    }
    return {"event": kind, "created_at": "2026-11-24T01:40:05.000000Z", "payload": invitee | change}


class TestCalendly(ProviderContract):
    provider = "calendly"
    settings: ClassVar = {"fields": {"会社名": "company_name"}, "reps": {HOST: "tanaka"}}

    def valid(self, secret: str, at_s: float, change: Mapping[str, Any] = {}) -> Posted:
        return signed(json.dumps(event(**change)).encode(), secret, at_s)

    def unmapped(self, secret: str, at_s: float) -> Posted | None:
        return self.valid(secret, at_s, {"questions_and_answers": [{"question": "shoe_size", "answer": "42"}]})

    def resigned(self, posted: Posted, body: bytes, secret: str, at_s: float) -> Posted:
        return signed(body, secret, at_s)

    async def check(self, door: Door, receipt: Mapping[str, Any]) -> None:
        lead = (await door.get(f"/v1/leads/{receipt['lead_id']}")).json()
        assert {name: field["value"] for name, field in lead["fields"].items()} == {
            "email": "mei@acme.co.jp",
            "last_name": "山田 芽衣",
            "phone": "+819012345678",
            "company_name": "株式会社アクメ",
        }
        (told,) = await door.outbox("appointment")
        assert told.subject == receipt["lead_id"]
        assert msgspec.to_builtins(told.time) == "2026-11-24T01:40:00Z"
        assert msgspec.to_builtins(told.data) == {
            "appointment_id": URI,
            "status": "set",
            "rep": "tanaka",
            "scheduled_for": "2026-12-01T06:30:00Z",
        }

    async def test_an_appointment_that_is_moved(self, door: Door, source: Source) -> None:
        """Cancelled, and set anew as another one, in whatever order they come."""
        later = URI.replace("/E/", "/F/")
        moved = event("invitee.canceled", rescheduled=True, cancellation={"created_at": "2026-11-24T02:00:00Z"})
        anew = event(uri=later, old_invitee=URI, created_at="2026-11-24T02:00:00Z")
        for body in (anew, moved, event()):
            answer = await self.post(door, signed(json.dumps(body).encode(), SECRET, self.now_s(door)))
            assert answer.status_code == 202, answer.text
        told = [msgspec.to_builtins(one.data) for one in await door.outbox("appointment")]
        assert {(one["appointment_id"], one["status"]) for one in told} == {
            (URI, "set"),
            (URI, "cancelled"),
            (later, "set"),
        }
        assert len(await door.outbox("lead-created")) == 1


def test_the_given_signature() -> None:
    told, body = (
        given_json("calendly/invitee_created.headers.json"),
        given("calendly/invitee_created.captured_sanitized.body"),
    )
    posted, key, at_s = Posted(body, told["headers"]), [told["signing_key"]], told["freeze_clock_at"]
    assert verdict("calendly", posted, key, at_s) is Verdict.GENUINE
    assert verdict("calendly", posted, ["new", *key], at_s) is Verdict.GENUINE
    assert verdict("calendly", posted, key, at_s - 301) is Verdict.STALE
    assert verdict("calendly", posted, ["other"], at_s) is Verdict.WRONG
    assert verdict("calendly", Posted(body + b" ", told["headers"]), key, at_s) is Verdict.WRONG


def test_the_given_booking() -> None:
    form, entry = entries("calendly", given_json("calendly/invitee_created.captured_sanitized.body"))
    invitee = (
        "https://api.calendly.com/scheduled_events/00000000-0000-0000-0000-000000000002"
        "/invitees/00000000-0000-0000-0000-000000000001"
    )
    assert isinstance(form, Form)
    assert form.values == {"email": "john.doe@example.com", "name": "John Doe"}
    assert (form.id, form.observed_at) == (
        f"invitee.created {invitee}",
        datetime(2026, 6, 9, 21, 37, 17, 731525, UTC),
    )
    assert happened(entry) == {
        "id": f"invitee.created {invitee}",
        "type": "appointment",
        "appointment_id": invitee,
        "status": "set",
        "occurred_at": datetime(2026, 6, 9, 21, 37, 17, 731525, UTC),
        "lead": {"email": "john.doe@example.com"},
        "rep": "https://api.calendly.com/users/00000000-0000-0000-0000-0000000000a1",
        "scheduled_for": datetime(2026, 6, 10, 6, 30, tzinfo=UTC),
    }


def test_the_given_cancellation() -> None:
    said = activity("calendly", given_json("calendly/invitee_canceled.captured_sanitized.body"))
    invitee = (
        "https://api.calendly.com/scheduled_events/00000000-0000-0000-0000-000000000004"
        "/invitees/00000000-0000-0000-0000-000000000003"
    )
    assert said == {
        "id": f"invitee.canceled {invitee}",
        "type": "appointment",
        "appointment_id": invitee,
        "status": "cancelled",
        "occurred_at": datetime(2026, 6, 17, 1, 40, 57, 223808, UTC),
        "lead": {"email": "jane.doe@example.com"},
        "rep": "https://api.calendly.com/users/00000000-0000-0000-0000-0000000000a1",
        "scheduled_for": datetime(2026, 7, 1, 6, 30, tzinfo=UTC),
    }


def test_a_lead_that_did_not_come() -> None:
    said = activity("calendly", event("invitee_no_show.created", no_show={"created_at": "2026-12-01T07:00:00Z"}))
    assert (said["appointment_id"], said["status"]) == (URI, "no_show")
    assert said["occurred_at"] == datetime(2026, 12, 1, 7, tzinfo=UTC)


def test_names_that_are_told_apart_are_kept_apart() -> None:
    form, _ = entries("calendly", event(first_name="芽衣", last_name="山田"))
    assert isinstance(form, Form)
    assert (form.values["first_name"], form.values["last_name"], "name" in form.values) == ("芽衣", "山田", False)
    assert form.values["email"] == "mei@acme.co.jp", "a question cannot say whose booking it is"


@pytest.mark.parametrize("kind", ["invitee_no_show.deleted", "routing_form_submission.created", "event_type.updated"])
def test_other_events_have_no_effect(kind: str) -> None:
    (entry,) = entries("calendly", event(kind))
    assert isinstance(entry, Nothing)


def test_anything() -> None:
    assert_anything_is_read_or_unusable("calendly", event())
    assert_anything_is_read_or_unusable("calendly", event("invitee.canceled"))
