"""Personal values, sealed by their lead's key: what the log, its archives and metrics hold of them. Pure.

A sealed value is text: `sealed:v1:` and the base64 of nonce and AES-256-GCM of its JSON, bound to the lead. Without its
key it reads as ERASED, which is still a value: what counts whether something is known counts as before.
"""

import base64
from collections.abc import Callable, Collection, Mapping
from os import urandom
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from shared.events import (
    AcceptedBy,
    Appointment,
    Correction,
    Data,
    HandoffReturned,
    LeadConsent,
    LeadCreated,
    LeadFields,
    Observation,
)

PREFIX = "sealed:v1:"
ERASED = "erased"
KEY_BYTES = 32
_NONCE_BYTES = 12

_D = TypeVar("_D", bound=Data)
Change = Callable[[Any], Any]
IsPersonal = Callable[[str], bool]


def seal(value: Any, key: bytes, lead_id: str) -> str:
    """A JSON value as sealed text."""
    nonce = urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, msgspec.json.encode(value), lead_id.encode())
    return PREFIX + base64.b64encode(nonce + sealed).decode()


def unseal(value: Any, key: bytes | None, lead_id: str) -> Any:
    """What was sealed; ERASED when its key is gone. What is not sealed, or not with this key, stays as it is."""
    if not isinstance(value, str) or not value.startswith(PREFIX):
        return value
    if key is None:
        return ERASED
    try:
        raw = base64.b64decode(value.removeprefix(PREFIX), validate=True)
        return msgspec.json.decode(AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], lead_id.encode()))
    except (InvalidTag, ValueError):  # somebody's own text that looks like it
        return value


def sealed_data(data: _D, key: bytes, lead_id: str, personal: Collection[str]) -> _D:
    """An event's data with its personal values sealed. personal: ids of the fields that hold personal data."""
    changed: _D = _changed(data, lambda value: seal(value, key, lead_id), lambda field: field in personal)
    return changed


def sealed_rest(data: _D, key: bytes, lead_id: str, personal: Collection[str]) -> _D:
    """The same of data that may be sealed already."""

    def change(value: Any) -> Any:
        return value if isinstance(value, str) and value.startswith(PREFIX) else seal(value, key, lead_id)

    changed: _D = _changed(data, change, lambda field: field in personal)
    return changed


def unsealed_data(data: _D, key: bytes | None, lead_id: str) -> _D:
    """The inverse of `sealed_data`."""
    changed: _D = _changed(data, lambda value: unseal(value, key, lead_id), lambda field: True)
    return changed


def unsealed_observation(observation: Observation, key: bytes | None, lead_id: str) -> Observation:
    """An observation as it was made, or with what is left of it."""
    return _observation(observation, lambda value: unseal(value, key, lead_id), lambda field: True)


def erased_observation(observation: Observation, personal: Collection[str]) -> Observation:
    """An observation without what it says of the person."""
    return _observation(observation, lambda value: ERASED, lambda field: field in personal)


def erased_data(data: _D, personal: Collection[str]) -> _D:
    """An event's data without what it says of the person."""
    changed: _D = _changed(data, lambda value: ERASED, lambda field: field in personal)
    return changed


def has_personal(data: Data, personal: Collection[str]) -> bool:
    """Whether anything of it is to be sealed."""
    if type(data) not in PERSONAL:
        return False
    found = False

    def note(value: Any) -> Any:
        nonlocal found
        found = True
        return value

    _changed(data, note, lambda field: field in personal)
    return found


def _changed(data: Any, change: Change, is_personal: IsPersonal) -> Any:
    """The data with `change` done to each personal value that is there."""
    changed = _CHANGED.get(type(data))
    return data if changed is None else changed(data, change, is_personal)


def _fields(data: LeadFields, change: Change, is_personal: IsPersonal) -> LeadFields:
    return replace(data, observations=[_observation(o, change, is_personal) for o in data.observations])


def _created(data: LeadCreated, change: Change, _is_personal: IsPersonal) -> LeadCreated:
    return replace(data, external_ids=[change(external_id) for external_id in data.external_ids])


def _consent(data: LeadConsent, change: Change, _is_personal: IsPersonal) -> LeadConsent:
    return replace(data, evidence=change(data.evidence))


def _returned(data: HandoffReturned, change: Change, _is_personal: IsPersonal) -> HandoffReturned:
    return replace(data, **_present(data, ("comment",), change))


def _appointment(data: Appointment, change: Change, _is_personal: IsPersonal) -> Appointment:
    who = data.accepted_by
    by = {} if who is None else {"accepted_by": replace(who, **_present(who, _OF_ACCEPTED_BY, change))}
    return replace(data, **_present(data, _OF_APPOINTMENT, change), **by)


def _correction(data: Correction, change: Change, _is_personal: IsPersonal) -> Correction:
    return data if data.data is None else replace(data, data=_changed_raw(data.data, change))


_CHANGED: Mapping[type, Callable[[Any, Change, IsPersonal], Any]] = {
    LeadFields: _fields,
    LeadCreated: _created,
    LeadConsent: _consent,
    HandoffReturned: _returned,
    Appointment: _appointment,
    Correction: _correction,
}
"""The one list of what is personal."""

PERSONAL = frozenset(_CHANGED)
"""The types of data that may hold anything personal."""

_OF_APPOINTMENT = ("contact_state", "note")
_OF_ACCEPTED_BY = ("name", "title")


def _present(struct: msgspec.Struct, names: Collection[str], change: Change) -> dict[str, Any]:
    return {name: change(value) for name in names if (value := getattr(struct, name)) is not None}


def _changed_raw(data: Mapping[str, msgspec.Raw], change: Change) -> dict[str, msgspec.Raw]:
    """Of a replacement's data, whose type is not told: the names that an appointment has."""
    changed = dict(data)
    for name in _OF_APPOINTMENT:
        if name in changed and (value := msgspec.json.decode(changed[name])) is not None:
            changed[name] = msgspec.Raw(msgspec.json.encode(change(value)))
    if "accepted_by" in changed and (who := msgspec.json.decode(changed["accepted_by"])) is not None:
        changed["accepted_by"] = msgspec.Raw(msgspec.json.encode(_changed_who(who, change)))
    return changed


def _changed_who(who: Any, change: Change) -> Any:
    try:
        typed = msgspec.convert(who, AcceptedBy)
    except msgspec.ValidationError:  # nobody has checked it: it is refused where it is used, and may be anything
        return change(who)
    return replace(typed, **_present(typed, _OF_ACCEPTED_BY, change))


def _observation(observation: Observation, change: Change, is_personal: IsPersonal) -> Observation:
    """A quote is somebody's own words, of whatever field."""
    changed = _present(observation, ("quote",), change)
    if is_personal(observation.field):
        changed |= _present(observation, ("value",), change)
    return replace(observation, **changed) if changed else observation
