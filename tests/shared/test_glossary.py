"""The words that all sides share: nothing that is defined is left out."""

import msgspec

from shared.config import load_config
from shared.config.definitions import AppointmentDefinition, Customer, Needs
from shared.config.glossary import glossary
from tests.system import ROOT


def test_every_definition_has_its_question() -> None:
    config = load_config(ROOT / "config")
    agreed = config.definitions
    assert agreed is not None
    customer, appointment, stages = glossary(agreed.customer, agreed.appointment, config.stages)
    asked = len(msgspec.structs.fields(Customer)) - 1 + len(msgspec.structs.fields(Needs))
    assert len({question for question, _ in customer.answers}) == asked
    assert len({question for question, _ in appointment.answers}) == len(msgspec.structs.fields(AppointmentDefinition))
    assert stages.answers == [(stage.label, stage.definition) for stage in config.stages]
    assert (customer.answers[0][1], customer.answers[5][1]) == (
        agreed.customer.what_they_do,
        agreed.customer.needs.executives,
    )


def test_without_definitions_there_are_the_stages() -> None:
    assert [defined.name.en for defined in glossary(None, None, ())] == ["The stages"]
