"""The appointment that a lead is handed over with, from what its activities told of it: pure."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.handoff.appointment import AppointmentForm, AsSet, as_told, handed_over
from services.handoff.corrections import Fact
from shared.events import AcceptedBy, Appointment, Identity
from tests.handoff.desk import NOW, at


def told(what: str, minutes: int, status: Any = "set", of: str = "A1", rep: str = "tanaka", **more: Any) -> Fact:
    data = Appointment(appointment_id=of, status=status, rep=rep, **more)
    return Fact("test", what, "appointment", NOW + timedelta(minutes=minutes), data)


def found(*facts: Fact, minutes: int = 60, named: str | None = None) -> AsSet | None:
    return as_told(facts, NOW + timedelta(minutes=minutes), named)


def id_of(known: AsSet | None) -> str | None:
    return known.appointment.appointment_id if known else None


def test_each_attribute_is_the_latest_known_of_it() -> None:
    known = found(
        told("e3", 3, "held", rep="ito", pressured=False),
        told("e1", 1, scheduled_for=at("2026-11-25 10:00"), how_set="call", pressured=True, contact_state="比較検討中"),
        told("e2", 2, accepted_by=AcceptedBy(name="佐々木", has_authority=True), problem_clear=False),
    )
    assert known is not None
    assert known.appointment == AppointmentForm(
        appointment_id="A1",
        scheduled_for=at("2026-11-25 10:00"),
        accepted_by=known.appointment.accepted_by,
        contact_state="比較検討中",
        how_set="call",
        pressured=False,
        problem_clear=False,
    )
    who = known.appointment.accepted_by
    assert who is not None
    assert (who.name, who.title, who.has_authority) == ("佐々木", None, True)
    said = known.told
    assert (said.origin, said.rep, said.status, said.at) == ("activities", "ito", "held", NOW + timedelta(minutes=3))
    assert said.events == [Identity("test", f"e{n}") for n in (1, 2, 3)]


def test_of_two_the_one_told_of_last_is_it() -> None:
    assert id_of(found(told("e1", 1, of="A1"), told("e2", 2, of="A2"))) == "A2"
    assert id_of(found(told("e1", 1, of="A1"), told("e2", 2, of="A2"), told("e3", 3, "held", of="A1"))) == "A1"
    assert id_of(found(told("e1", 1, of="A1"), told("e2", 1, of="A2"))) == "A2", "of one time: source and id decide"


@pytest.mark.parametrize("off", ["cancelled", "no_show"])
def test_one_that_is_off_is_none_unless_it_was_set_again(off: str) -> None:
    first, second = told("e1", 1), told("e2", 2, off)
    assert found(first, second) is None
    assert id_of(found(first, second, told("e3", 3))) == "A1"
    assert id_of(found(first, second, told("e4", 0, of="A2"))) == "A2", "the other one stands"
    assert id_of(found(first, second, named="A1")) == "A1", "whoever names it means it"


def test_what_happened_later_is_not_looked_at() -> None:
    first, second = told("e1", 1, pressured=True), told("e2", 5, "cancelled", pressured=False)
    known = found(first, second, minutes=4)
    assert known is not None
    assert known.appointment.pressured is True
    assert found(first, second, minutes=5) is None, "at the moment itself it is known"
    assert found(first, minutes=0) is None
    assert found() is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(["set", "held", "cancelled", "no_show"]),
            st.sampled_from(["A1", "A2", "A3"]),
            st.sampled_from([None, True, False]),
        ),
        max_size=6,
    ),
    st.randoms(),
)
def test_the_order_of_arrival_does_not_matter(steps: list[Any], shuffle: Any) -> None:
    facts = [told(f"e{n}", m, status, of, pressured=said) for n, (m, status, of, said) in enumerate(steps)]
    in_order = found(*facts, minutes=3)
    shuffle.shuffle(facts)
    assert found(*facts, minutes=3) == in_order


def test_what_the_request_tells_holds_whole() -> None:
    events = [told("e1", 1, how_set="email", pressured=True)]
    for given_ in (AppointmentForm(how_set="call"), AppointmentForm(appointment_id="A1", how_set="call")):
        known = handed_over(given_, "ito", NOW + timedelta(hours=1), events)
        assert known is not None
        assert known.appointment == given_, "what nobody told there is not filled in"
        assert (known.told.origin, known.told.rep, known.told.events) == ("request", "ito", [])


def test_a_request_that_tells_nothing_of_it_has_what_activities_told() -> None:
    events = [told("e1", 1, of="A1", pressured=True), told("e2", 2, of="A2", pressured=False)]

    def pressured(given_: AppointmentForm | None) -> bool | None:
        known = handed_over(given_, "ito", NOW + timedelta(hours=1), events)
        return known.appointment.pressured if known else None

    assert pressured(None) is False
    assert pressured(AppointmentForm()) is False
    assert pressured(AppointmentForm(appointment_id="A1")) is True
    unheard_of = AppointmentForm(appointment_id="A9")
    known = handed_over(unheard_of, "ito", NOW, events)
    assert known is not None
    assert (known.appointment, known.told.origin) == (unheard_of, "request")
    assert handed_over(None, "ito", NOW, []) is None
