"""The words that marketing, inside sales and sales share, as people read them: what a customer, an appointment and each
stage is. Pure."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import msgspec

from shared.config.definitions import AppointmentDefinition, Customer
from shared.words import Words

_CUSTOMER = Words("顧客", "A customer")
_APPOINTMENT = Words("アポイント", "An appointment")
_STAGES = Words("ステージ", "The stages")
_QUESTIONS = {
    "what_they_do": Words("何をしている会社か", "What they do"),
    "problems": Words("抱えている課題", "Their problems"),
    "their_customers": Words("その会社の顧客", "Their customers"),
    "users": Words("使う人が求めること", "What users need"),
    "evaluators": Words("評価する人が求めること", "What evaluators need"),
    "executives": Words("経営層が求めること", "What executives need"),
    "why_they_look": Words("探し始めた理由", "Why they look for a solution"),
    "state_at_first_contact": Words("最初に接触したときの状態", "Their state at the first contact"),
    "who_may_accept": Words("誰が承諾できるか", "Who may accept it"),
    "in_what_state": Words("どのような状態で承諾するか", "In what state they accept"),
    "how_it_was_set": Words("どのように設定されたか", "How it was set"),
    "problem_clear": Words("課題が明確か", "Whether the problem is clear"),
}


class InWords(Protocol):
    """A stage."""

    @property
    def label(self) -> Words:
        """What it is called."""

    @property
    def definition(self) -> Words:
        """What being in it means."""


class Defined(NamedTuple):
    """Something that is defined, by (question, answer)."""

    name: Words
    answers: list[tuple[Words, Words]]


def glossary(
    customer: Customer | None, appointment: AppointmentDefinition | None, stages: Iterable[InWords]
) -> list[Defined]:
    """Everything that is defined; what definitions.yaml does not define is left out."""
    found = [
        Defined(name, _answers(defined))
        for name, defined in ((_CUSTOMER, customer), (_APPOINTMENT, appointment))
        if defined is not None
    ]
    return [*found, Defined(_STAGES, [(stage.label, stage.definition) for stage in stages])]


def _answers(defined: msgspec.Struct) -> list[tuple[Words, Words]]:
    """Of a definition's members in their order, those of nested ones in between."""
    found: list[tuple[Words, Words]] = []
    for name, said in ((name, getattr(defined, name)) for name in defined.__struct_fields__):
        found += [(_QUESTIONS[name], said)] if isinstance(said, Words) else _answers(said)
    return found
