"""HubSpot: events of an app tell which contact to fetch; webhooks of workflows carry a contact, company or call whole.

Three versions of signatures are about. The third one signs the time; where it is sent, the older ones, which are sent
beside it, count for nothing: else a replay would only have to leave it out.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from services.ingest.providers.base import (
    Access,
    Broken,
    Delivery,
    Entry,
    Form,
    Happened,
    Nothing,
    Payload,
    Provider,
    Thin,
    Unusable,
    Verdict,
    is_recent,
    is_same,
    needed,
)
from services.ingest.providers.calls import ANSWERED, call, is_outbound
from services.ingest.providers.encodings import JSON, read_json
from services.ingest.providers.fetching import get_object
from services.ingest.providers.reading import id_of, in_order, object_at, text_of, time_of
from services.ingest.providers.signatures import base64_hmac, by_any, read_stamp
from shared.events import CallOutcome

API = "https://api.hubapi.com"
MAX_EVENTS = 100
_TO_FETCH = {"contact.creation", "contact.propertyChange"}
_CONTACT_TYPE = "0-1"
_VALUE = "propertyValue"
"""What a property was changed to. It is fetched with the contact; in a notice that is kept no erasure would find it."""
_OF_THE_COMPANY = ("company", "website", "industry", "numberofemployees")
"""What a workflow says of a contact's company that is said of the contact, unless it says so itself."""
DISPOSITIONS: Mapping[str, CallOutcome] = {
    "f240bbac-87c9-4f6e-bf70-924b57d47db7": "conversation",  # connected
    "a4c4c377-d246-4b32-a13b-75a56a4cd0ff": "gatekeeper",  # left a live message, so it was somebody else
    "b2cf5968-551e-4856-9783-52b3da59a7d0": "voicemail",
    "73a0d17f-1163-4015-bdd5-ec830791da20": "no_answer",
    "9d9162e7-6cf3-4944-bf63-4dff82258764": "busy",
    "17b47fee-58de-441e-a44c-c6300d46f273": "invalid_number",
}
"""What the rep said of a call, by the ids that these outcomes have in every account."""
STATUSES: Mapping[str, CallOutcome] = {
    "COMPLETED": ANSWERED,
    "BUSY": "busy",
    "NO_ANSWER": "no_answer",
    "MISSED": "no_answer",
    "CANCELED": "no_answer",
}
"""What the telephone said of it; every other one is on the way to one of these."""
_COMPANY, _CALL = ("0-2", "COMPANY"), ("0-48", "CALL")
_DECODED = {"%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")"}
_DECODED |= {"%2A": "*", "%2C": ",", "%3B": ";"}


class HubSpot(Provider):
    """Contacts by `hubspot:<id>`; the names are HubSpot's own for the properties that every account has."""

    media_types = frozenset({JSON})
    names: ClassVar = {
        "firstname": "first_name",
        "lastname": "last_name",
        "jobtitle": "title",
        "company": "company_name",
        "phone": "phone",
        "mobilephone": "phone",
        "numemployees": "employees",
        "numberofemployees": "employees",
    }

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        if "x-hubspot-signature-v3" in delivery.headers:
            return _verify_v3(delivery, secrets)
        signature = delivery.headers.get("x-hubspot-signature", "")
        is_v2 = delivery.headers.get("x-hubspot-signature-version", "v1") == "v2"
        before = f"POST{delivery.url}".encode() if is_v2 else b""
        return by_any(secrets, lambda secret: is_same(signature, _plain_hash(secret, before + delivery.body)))

    async def read(self, delivery: Delivery) -> Payload:
        body = read_json(delivery.body)
        if isinstance(body, dict):
            return Payload(entries=[_event(body) if "objectId" in body and "properties" not in body else _object(body)])
        if not isinstance(body, list) or not 0 < len(body) <= MAX_EVENTS:
            raise Unusable(f"the body is neither an object nor a list of 1 to {MAX_EVENTS} events")
        entries = [_event(e) if isinstance(e, dict) else Broken(reason="is no event", raw=e) for e in body]
        return Payload(entries=entries, is_batch=True)

    async def fetch(self, client: httpx.AsyncClient, reference: Mapping[str, Any], access: Access) -> Form | Nothing:
        """The contact as it is now, said at the time of the event: later changes have events of their own."""
        id_ = str(reference["contact"])
        asked = {"email", "phone", "website", "industry", *access.names}
        query = {"properties": ",".join(sorted(asked)), "archived": "false"}
        contact = await get_object(client, access, API, f"/crm/v3/objects/contacts/{quote(id_, safe='')}", query)
        values = {name: value for name, value in object_at(contact, "properties").items() if value is not None}
        if not values:
            return Nothing(reason="the contact has no properties")
        at = time_of(reference.get("at"))
        return Form(values=in_order(self.names, values), raw=contact, external_id=f"hubspot:{id_}", observed_at=at)


def _verify_v3(delivery: Delivery, secrets: Sequence[str]) -> Verdict:
    signature = delivery.headers["x-hubspot-signature-v3"]
    stamp = delivery.headers.get("x-hubspot-request-timestamp", "")
    signed_ms = read_stamp(stamp)
    if signed_ms is None:
        return Verdict.WRONG
    signed = [f"POST{url}".encode() + delivery.body + stamp.encode() for url in {delivery.url, _decoded(delivery.url)}]
    verdict = by_any(secrets, lambda s: any(is_same(signature, base64_hmac(s, text)) for text in signed))
    is_stale = verdict is Verdict.GENUINE and not is_recent(signed_ms / 1000, delivery)
    return Verdict.STALE if is_stale else verdict


def _decoded(url: str) -> str:
    """HubSpot signs the address with these characters decoded, and no others."""
    return re.sub("%[0-9A-Fa-f]{2}", lambda found: _DECODED.get(found[0].upper(), found[0]), url)


def _plain_hash(secret: str, signed: bytes) -> str:
    """No HMAC: who has seen a delivery could append to its body, after bytes that are no JSON."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape") + signed).hexdigest()


def _event(event: dict[str, Any]) -> Entry:
    kind = event.get("subscriptionType") or event.get("eventType")
    if not isinstance(kind, str):
        return Broken(reason="subscriptionType is missing", raw=event)
    if kind.startswith("object.") and event.get("objectTypeId") == _CONTACT_TYPE:
        kind = kind.replace("object.", "contact.", 1)
    if kind not in _TO_FETCH:
        return Nothing(reason="is no event of a new or changed contact", raw=event)
    id_, contact = id_of(event.get("eventId")), id_of(event.get("objectId"))
    if id_ is None or contact is None:
        return Broken(reason="eventId or objectId is missing", raw=event)
    # HubSpot does not promise that an event's id is unique; of one contact it need not be, it is fetched once
    reference = {"contact": contact, "at": event.get("occurredAt")}
    notice = {name: said for name, said in event.items() if name != _VALUE}
    return Thin(id=f"{id_} {contact}"[:200], reference=reference, raw=notice)


def _object(body: dict[str, Any]) -> Form | Happened | Nothing:
    """A contact, company or call as workflows send it: `{"properties": {"email": {"value": ...}}}`. Raises Unusable."""
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise Unusable("the body is neither an event nor an object with properties")
    id_ = id_of(body.get("vid")) or id_of(body.get("objectId"))
    if _is(body, _CALL):
        return _call(needed(id_, "objectId"), _said(properties), body)
    if _is(body, _COMPANY):
        values, id_ = _company(properties), id_ and f"company:{id_}"
    else:
        company = _company(object_at(body, "associated-company", "properties"))
        values = {name: company[name] for name in _OF_THE_COMPANY if name in company} | _said(properties)
    return Form(
        values=in_order(HubSpot.names, values),
        raw=body,
        external_id=id_ and f"hubspot:{id_}",
        observed_at=_milliseconds_at(values.get("lastmodifieddate") or values.get("hs_lastmodifieddate")),
    )


def _is(body: Mapping[str, Any], kind: tuple[str, str]) -> bool:
    return body.get("objectTypeId") == kind[0] or body.get("objectType") == kind[1]


def _call(id_: str, said: Mapping[str, Any], body: dict[str, Any]) -> Happened | Nothing:
    """A call of which the rep, or else the telephone, has said how it ended."""
    disposition, status = (text_of(said.get(f"hs_call_{name}")) or "" for name in ("disposition", "status"))
    outcome = DISPOSITIONS.get(disposition.lower()) or STATUSES.get(status.upper())
    if outcome is None:
        return Nothing(reason="the call is not over yet, or its outcome is one of your own", raw=body)
    outbound = is_outbound(said.get("hs_call_direction"), "properties.hs_call_direction")
    duration_ms = read_stamp(text_of(said.get("hs_call_duration")) or "")
    is_talk = outcome in ("gatekeeper", "conversation")
    other = (said.get("hs_call_callee_object_type_id"), said.get("hs_call_callee_object_type"))
    contact = id_of(said.get("hs_call_callee_object_id")) if _CONTACT_TYPE in other or "CONTACT" in other else None
    return call(
        f"call {id_}",
        outbound=outbound,
        number=text_of(said.get("hs_call_to_number" if outbound else "hs_call_from_number")),
        external_id=contact and f"hubspot:{contact}",
        rep=text_of(said.get("hubspot_owner_id")),
        outcome=outcome,
        at=needed(_milliseconds_at(said.get("hs_timestamp")), "properties.hs_timestamp"),
        duration_s=duration_ms // 1000 if is_talk and duration_ms is not None else None,
        raw=body,
        compared=("type",),  # a workflow may tell of it again, when something of it has changed
    )


def _said(properties: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: given.get("value") if isinstance(given, dict) else given for name, given in properties.items()}
    return {name: value for name, value in values.items() if value not in ("", None)}


def _company(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A company's `name` is what a contact calls its `company`."""
    return {"company" if name == "name" else name: value for name, value in _said(properties).items()}


def _milliseconds_at(value: Any) -> Any:
    return time_of(int(value)) if isinstance(value, str) and read_stamp(value) is not None else time_of(value)
