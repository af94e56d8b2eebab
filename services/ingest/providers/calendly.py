"""Calendly: appointments that a lead set, cancelled or did not come to, and what the lead answered when booking."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.ingest.providers.base import (
    UNKNOWN_REP,
    Delivery,
    Entry,
    Form,
    Happened,
    Nothing,
    Payload,
    Provider,
    Verdict,
)
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.parts import instant, mapping, needed, objects, part, text
from services.ingest.providers.signatures import verify_stamped

STATUSES = {"invitee.created": "set", "invitee.canceled": "cancelled", "invitee_no_show.created": "no_show"}
TELLING = ("email", "first_name", "last_name", "text_reminder_number")


class Calendly(Provider):
    """An appointment belongs to one invitee. One that is moved is cancelled, and set anew as another one.

    Whether it was held, and how it came about, Calendly does not know.
    """

    media_types = frozenset({JSON})
    names: Mapping[str, str] = {"name": "last_name", "text_reminder_number": "phone"}

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        header = delivery.headers.get("calendly-webhook-signature", "")
        told = [(name, value) for name, _, value in (p.strip().partition("=") for p in header.split(","))]
        stamp = next((value for name, value in told if name == "t"), "")
        signed = f"{stamp}.".encode("utf-8", "surrogatepass") + delivery.body
        return verify_stamped(delivery, secrets, stamp, signed, [value for name, value in told if name == "v1"])

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        event = needed(text(body.get("event")), "event")
        if event not in STATUSES:
            return Payload(entries=[Nothing(reason="no event of an invitee", raw=body)])
        invitee = needed(mapping(body.get("payload")), "payload")
        appointment = _appointment(event, invitee)
        return Payload(entries=[*_form(event, invitee), appointment])


def _appointment(event: str, invitee: dict[str, Any]) -> Entry:
    uri = needed(text(invitee.get("uri")), "payload.uri")
    hosts = objects(part(invitee, "scheduled_event", "event_memberships"))
    activity = {
        "id": f"{event} {uri}",
        "type": "appointment",
        "appointment_id": uri,
        "status": STATUSES[event],
        "occurred_at": _time(event, invitee),
        "lead": {"email": needed(text(invitee.get("email")), "payload.email")},
        "rep": next((user for host in hosts if (user := text(host.get("user")))), UNKNOWN_REP),
        "scheduled_for": instant(part(invitee, "scheduled_event", "start_time")),
    }
    return Happened(activity=activity, raw=invitee)


def _time(event: str, invitee: dict[str, Any]) -> datetime:
    """When the lead did it, and not when Calendly told of it."""
    said = {
        "invitee.created": [invitee.get("created_at")],
        "invitee.canceled": [part(invitee, "cancellation", "created_at"), invitee.get("updated_at")],
        "invitee_no_show.created": [part(invitee, "no_show", "created_at"), invitee.get("updated_at")],
    }[event]
    return needed(next((moment for value in said if (moment := instant(value))), None), "payload.created_at")


def _form(event: str, invitee: dict[str, Any]) -> list[Form]:
    """What the lead said of itself, once, when booking. Calendly's own names win over questions that are called so."""
    if event != "invitee.created":
        return []
    answers = [
        (question, answer)
        for item in objects(invitee.get("questions_and_answers"))
        if (question := text(item.get("question"))) and (answer := text(item.get("answer")))
    ]
    own = {name: value for name in TELLING if (value := text(invitee.get(name)))}
    if not own.keys() & {"first_name", "last_name"} and (name := text(invitee.get("name"))):
        own["name"] = name
    at = instant(invitee.get("created_at"))
    return [Form(values=dict(answers) | own, raw=invitee, id=f"{event} {text(invitee.get('uri'))}", observed_at=at)]
