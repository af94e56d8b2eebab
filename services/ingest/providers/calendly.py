"""Calendly: appointments that a lead set, cancelled or did not come to, and what the lead answered when booking."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

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
    needed,
)
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import object_at, objects_in, text_of, time_of
from services.ingest.providers.signatures import verify_stamped

STATUSES = {"invitee.created": "set", "invitee.canceled": "cancelled", "invitee_no_show.created": "no_show"}
TELLING = ("email", "first_name", "last_name", "text_reminder_number")


class Calendly(Provider):
    """An appointment belongs to one invitee. One that is moved is cancelled, and set anew as another one.

    Whether it was held, and how it came about, Calendly does not know.
    """

    media_types = frozenset({JSON})
    names: ClassVar[Mapping[str, str]] = {"name": "last_name", "text_reminder_number": "phone"}

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
        event = needed(text_of(body.get("event")), "event")
        if event not in STATUSES:
            return Payload(entries=[Nothing(reason="no event of an invitee", raw=body)])
        invitee = needed(object_at(body, "payload") or None, "payload")
        appointment = _appointment(event, invitee)
        return Payload(entries=[*_form(event, invitee), appointment])


def _appointment(event: str, invitee: dict[str, Any]) -> Entry:
    uri = needed(text_of(invitee.get("uri")), "payload.uri")
    hosts = objects_in(object_at(invitee, "scheduled_event").get("event_memberships"))
    activity = {
        "id": f"{event} {uri}",
        "type": "appointment",
        "appointment_id": uri,
        "status": STATUSES[event],
        "occurred_at": _time(event, invitee),
        "lead": {"email": needed(text_of(invitee.get("email")), "payload.email")},
        "rep": next((user for host in hosts if (user := text_of(host.get("user")))), UNKNOWN_REP),
        "scheduled_for": time_of(object_at(invitee, "scheduled_event").get("start_time")),
    }
    return Happened(activity=activity, raw=invitee)


def _time(event: str, invitee: dict[str, Any]) -> datetime:
    """When the lead did it, and not when Calendly told of it."""
    said = {
        "invitee.created": [invitee.get("created_at")],
        "invitee.canceled": [object_at(invitee, "cancellation").get("created_at"), invitee.get("updated_at")],
        "invitee_no_show.created": [object_at(invitee, "no_show").get("created_at"), invitee.get("updated_at")],
    }[event]
    return needed(next((moment for value in said if (moment := time_of(value))), None), "payload.created_at")


def _form(event: str, invitee: dict[str, Any]) -> list[Form]:
    """What the lead said of itself, once, when booking. Calendly's own names win over questions that are called so."""
    if event != "invitee.created":
        return []
    answers = [
        (question, answer)
        for item in objects_in(invitee.get("questions_and_answers"))
        if (question := text_of(item.get("question"))) and (answer := text_of(item.get("answer")))
    ]
    own = {name: value for name in TELLING if (value := text_of(invitee.get(name)))}
    if not own.keys() & {"first_name", "last_name"} and (name := text_of(invitee.get("name"))):
        own["name"] = name
    at = time_of(invitee.get("created_at"))
    return [Form(values=dict(answers) | own, raw=invitee, id=f"{event} {text_of(invitee.get('uri'))}", observed_at=at)]
