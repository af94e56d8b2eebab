"""definitions.yaml: who our customer is and what an appointment is, in words that marketing and sales agreed on."""

from typing import Annotated

import msgspec

from shared.config.document import Document
from shared.words import Words


class Needs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each of the people who decide together needs."""

    users: Words
    evaluators: Words
    executives: Words


class Customer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who our customer is."""

    what_they_do: Words
    problems: Words
    their_customers: Words
    needs: Needs
    why_they_look: Words
    state_at_first_contact: Words


class AppointmentDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as an appointment."""

    who_may_accept: Words
    in_what_state: Words
    how_it_was_set: Words
    problem_clear: Words


class Definitions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. `version` goes up with every change of meaning."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    customer: Customer
    appointment: AppointmentDefinition


def read_definitions(document: Document) -> Definitions:
    """Raises ConfigError."""
    return document.convert(Definitions)
