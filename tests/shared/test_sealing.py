"""Sealing: everything personal, nothing else, and back again with the key alone."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import (
    AcceptedBy,
    Appointment,
    Call,
    Correction,
    Data,
    HandoffReturned,
    Identity,
    LeadConsent,
    LeadCreated,
    LeadFields,
    decode_data,
    encode_data,
)
from shared.sealing import ERASED, KEY_BYTES, has_personal, seal, sealed_data, unseal, unsealed_data
from tests.shared.samples import observe

KEY, OTHER = bytes(range(KEY_BYTES)), bytes(KEY_BYTES)
PERSONAL = frozenset({"email", "title"})
values = st.text(max_size=200) | st.lists(st.text(max_size=20), max_size=3) | st.integers(-(2**53), 2**53)


@given(values)
def test_only_the_key_of_the_lead_opens_it(value: Any) -> None:
    sealed = seal(value, KEY, "lead-1")
    assert seal(value, KEY, "lead-1") != sealed, "the same value twice looks different"
    assert unseal(sealed, KEY, "lead-1") == value
    assert unseal(sealed, None, "lead-1") == ERASED
    for key, lead in ((OTHER, "lead-1"), (KEY, "lead-2")):
        assert unseal(sealed, key, lead) == sealed


@given(values | st.sampled_from(["sealed:v1:", "sealed:v1:AAAA", "sealed:v1:é", "sealed:v1:" + "A" * 80]))
def test_what_nobody_sealed_stays_as_it_is(value: Any) -> None:
    assert unseal(value, KEY, "lead-1") == value


CANARY = "canary-9f2c"
OPEN = "open-9f2c"
WHO = AcceptedBy(name=CANARY, title=CANARY, has_authority=True)
NOTED = {"appointment_id": "a", "status": "set", "rep": "ito", "note": CANARY, "accepted_by": {"name": CANARY}}
SAID = [
    ("lead-created", LeadCreated(source=OPEN, external_ids=[CANARY, CANARY])),
    (
        "lead-fields",
        LeadFields(
            observations=[
                observe("email", CANARY),
                observe("title", CANARY),
                msgspec.structs.replace(observe("industry", OPEN), quote=CANARY, by=OPEN),
            ]
        ),
    ),
    ("lead-consent", LeadConsent(basis="consent", evidence=CANARY, channels=["email"])),
    (
        "appointment",
        Appointment(appointment_id=OPEN, status="set", rep="ito", accepted_by=WHO, contact_state=CANARY, note=CANARY),
    ),
    (
        "correction",
        Correction(
            corrects=Identity("s", OPEN),
            action="replace",
            data={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in NOTED.items()},
        ),
    ),
    ("handoff-returned", HandoffReturned(handoff_id=OPEN, sales_rep="ito", reason="no_need", comment=CANARY)),
]


@pytest.mark.parametrize(("name", "data"), SAID)
def test_nothing_personal_can_be_read_in_the_log_and_all_of_it_with_the_key(name: str, data: Data) -> None:
    assert has_personal(data, PERSONAL)
    written = encode_data(sealed_data(data, KEY, "lead-1", PERSONAL))
    assert CANARY.encode() not in written
    assert OPEN.encode() in written or name == "lead-consent"
    read = decode_data(name, written)
    if name != "correction":  # a replacement's data is read by what it replaces
        assert unsealed_data(read, KEY, "lead-1") == data
        erased = encode_data(unsealed_data(read, None, "lead-1"))
        assert CANARY.encode() not in erased
        assert ERASED.encode() in erased


def test_what_is_not_personal_needs_no_key() -> None:
    assert not has_personal(Call(rep="ito", direction="outbound", outcome="busy"), PERSONAL)
    assert not has_personal(LeadFields(observations=[observe("industry", OPEN)]), PERSONAL)
    assert not has_personal(Correction(corrects=Identity("s", "i"), action="void"), PERSONAL)


def test_the_longest_text_can_be_sealed_and_read_again() -> None:
    longest = Appointment(appointment_id="a", status="set", rep="ito", note="鍵" * 20_000)
    written = encode_data(sealed_data(longest, KEY, "lead-1", PERSONAL))
    assert unsealed_data(decode_data("appointment", written), KEY, "lead-1") == longest
