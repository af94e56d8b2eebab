"""From a posted object to an activity, or to what is wrong with it. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.ingest import whom
from services.ingest.forms import ActivityEnvelope, LeadReference
from services.ingest.items import Activity, Whom, made_id
from shared import times
from shared.audit import By
from shared.events import (
    ACTIVITY_TYPES,
    EARLIEST,
    FUTURE_TOLERANCE,
    Contract,
    Correction,
    Data,
    Identity,
    Spend,
    Timestamp,
)
from shared.mistakes import FieldError, explain

DEFAULT_SOURCE = "api"

_OURS = "tasuki."
"""Begins the source of what our services tell themselves. Who used it could take an identity that one of them is going
to need: the ids of an erasure or an opt-out can be told from the lead's."""
_WITHOUT_LEAD = ("contract", "spend", "correction")
_REPLACEABLE = {name: cls for name, cls in ACTIVITY_TYPES.items() if name != "correction"}


class Refused(Exception):
    """An item that is not taken, and why."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.pointer}: {e.detail}" for e in errors))
        self.errors = tuple(errors)


class _CorrectionForm(msgspec.Struct, frozen=True):
    """As `events.Correction`, with `data` still as parsed JSON."""

    corrects: Identity
    action: str
    data: dict[str, Any] | None = None


def read_activity(
    raw: Any, now: datetime, by: By, *, seed: str | None = None, traceparent: str | None = None
) -> Activity:
    """One posted object as an activity, sent by `by`.

    `seed`: what to make its id from where the sender gave none (an Idempotency-Key); without one, its content.
    Raises Refused.
    """
    envelope = _convert(raw, ActivityEnvelope)
    if envelope.type not in ACTIVITY_TYPES:
        raise Refused([FieldError("/type", f"{envelope.type[:40]!r} is none of {', '.join(ACTIVITY_TYPES)}")])
    errors = check_time(envelope.occurred_at, "/occurred_at", now)
    about, wrong = _whom(envelope)
    errors += wrong
    try:
        data = _correction(raw, now) if envelope.type == "correction" else _convert(raw, ACTIVITY_TYPES[envelope.type])
    except Refused as refused:
        raise Refused([*errors, *refused.errors]) from refused
    source = envelope.source or DEFAULT_SOURCE
    if source.startswith(_OURS):
        errors.append(FieldError("/source", f"begins with {_OURS}, as only what our own services tell does"))
    if errors:
        raise Refused(errors)
    time = envelope.occurred_at.astimezone(UTC)
    digest = digest_of(envelope.type, time, envelope.lead_id, envelope.lead, data)
    return Activity(
        source=source,
        id=envelope.id or made_id("activity", source, seed or digest.hex()),
        name=envelope.type,
        time=time,
        data=data,
        digest=digest,
        whom=about,
        by=by,
        key=_key_without_lead(data),
        traceparent=traceparent,
    )


def check_time(moment: datetime, pointer: str, now: datetime) -> list[FieldError]:
    """What is wrong with a time that a sender gave: too far in the future, or before any inside sales."""
    if moment - now > FUTURE_TOLERANCE:
        return [FieldError(pointer, "lies more than 5 minutes in the future")]
    if moment < EARLIEST:
        return [FieldError(pointer, "lies before the year 1900")]
    return []


def replacement_errors(name: str, data: Mapping[str, Any], now: datetime) -> list[FieldError]:
    """What is wrong with the `data` of a replacement of an activity of this type."""
    try:
        _replacement_time(data, now)
        _convert(data, _REPLACEABLE[name])
    except Refused as refused:
        return [FieldError(f"/data{e.pointer}", e.detail) for e in refused.errors]
    except KeyError:
        return [FieldError("/action", f"a {name} cannot be replaced, only voided")]
    return []


def _whom(envelope: ActivityEnvelope) -> tuple[Whom | None, list[FieldError]]:
    if envelope.type in ("contract", "spend"):
        return None, []
    if envelope.lead_id is not None and envelope.lead is not None:
        return None, [FieldError("/lead", "give `lead_id` or `lead`, not both")]
    if envelope.lead_id is not None:
        try:
            return whom.by_lead_id(envelope.lead_id, create=True), []
        except ValueError as error:
            return None, [FieldError("/lead_id", str(error))]
    if envelope.lead is not None:
        return whom.by_reference(envelope.lead)
    if envelope.type in _WITHOUT_LEAD:
        return None, []
    return None, [FieldError("/lead_id", 'is missing: give `lead_id`, or `lead` such as {"email": "..."}')]


def _correction(raw: Mapping[str, Any], now: datetime) -> Correction:
    form = _convert(raw, _CorrectionForm)
    if form.action not in ("void", "replace"):
        raise Refused([FieldError("/action", f"{form.action[:40]!r} is none of void, replace")])
    if form.action == "void":
        return Correction(corrects=form.corrects, action="void")
    if form.data is None:
        raise Refused([FieldError("/data", "is missing: a replacement gives the whole new data")])
    attempts = [replacement_errors(name, form.data, now) for name in _REPLACEABLE]
    if all(attempts):  # what it corrects may not be known yet, so it must fit one of the types
        raise Refused(min(attempts, key=_badness))
    data = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in form.data.items()}
    return Correction(corrects=form.corrects, action="replace", data=data)


def _badness(errors: Sequence[FieldError]) -> tuple[bool, int]:
    """An error in a value tells more than a missing field: that type was not meant."""
    return ("missing required field" in errors[0].detail, len(errors))


def _replacement_time(data: Mapping[str, Any], now: datetime) -> None:
    if data.get("occurred_at") is not None:
        moment = _convert({"occurred_at": data["occurred_at"]}, _NewTime).occurred_at
        if errors := check_time(moment, "/occurred_at", now):
            raise Refused(errors)


class _NewTime(msgspec.Struct, frozen=True):
    occurred_at: Timestamp


def _key_without_lead(data: Data) -> str | None:
    if isinstance(data, Contract):
        return data.company
    if isinstance(data, Spend):
        return data.campaign or data.category
    return None


def digest_of(name: str, time: datetime, lead_id: str | None, reference: LeadReference | None, data: Data) -> bytes:
    """Of what was said, however it was written; who the lead turned out to be is no part, as merges change it."""
    said: object = data
    if isinstance(data, Correction) and data.data is not None:
        said = [data.corrects, msgspec.json.decode(msgspec.json.encode(data.data))]
    told = (name, time, lead_id, reference, said)
    return hashlib.blake2b(_ENCODER.encode(told), digest_size=16).digest()


_ENCODER = msgspec.json.Encoder(order="deterministic")


def _convert(raw: Any, type_: type[Any]) -> Any:
    try:
        return times.convert(raw, type_)
    except msgspec.ValidationError as error:
        raise Refused([explain(error, raw, type_)]) from error
