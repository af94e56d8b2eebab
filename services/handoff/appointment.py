"""An appointment as it was really set: what was told, and the answer to each question that defines one. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from shared.config.definitions import AppointmentDefinition
from shared.events import HowSet, LongText, Name, Text, Timestamp, check_times
from shared.policy import Missing
from shared.words import Words


class AcceptedBy(msgspec.Struct, frozen=True, kw_only=True):
    """Who on the customer's side said yes."""

    name: Text | None = None
    title: Text | None = None
    has_authority: bool | None = None


class AppointmentForm(msgspec.Struct, frozen=True, kw_only=True):
    """The appointment as it was really set. What nobody told stays null: it is never filled in."""

    appointment_id: Name | None = None
    scheduled_for: Timestamp | None = None
    accepted_by: AcceptedBy | None = None
    contact_state: Text | None = None
    how_set: HowSet | None = None
    pressured: bool | None = None
    problem_clear: bool | None = None
    note: LongText | None = None

    def __post_init__(self) -> None:
        check_times(self.scheduled_for)


class DefinedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A question of definitions.yaml (`asks`: its words there, null where there are none), and the answer in words."""

    question: str
    asks: Words | None
    known: bool
    answer: Words


UNKNOWN = Words("不明", "unknown")
_YES, _NO = Words("はい", "yes"), Words("いいえ", "no")
_WAYS = {
    "call": Words("電話", "call"),
    "email": Words("メール", "e-mail"),
    "sns_dm": Words("SNSのメッセージ", "SNS message"),
    "cxo_letter": Words("手紙", "letter"),
    "partner": Words("パートナーの紹介", "partner"),
    "advisor": Words("アドバイザーの紹介", "advisor"),
    "seminar": Words("セミナー", "seminar"),
    "community": Words("コミュニティ", "community"),
    "newsletter": Words("メールマガジン", "newsletter"),
    "auto_email": Words("自動メール", "automated e-mail"),
    "other": Words("その他", "another way"),
}


def answers(definition: AppointmentDefinition | None, appointment: AppointmentForm | None) -> list[DefinedAnswer]:
    """One answer for each question. What nobody told, of an appointment or because there is none, is unknown."""
    told = appointment or AppointmentForm()
    found = {
        "who_may_accept": _who(told.accepted_by),
        "in_what_state": Words(told.contact_state, told.contact_state) if told.contact_state else None,
        "how_it_was_set": _how(told),
        "problem_clear": None if told.problem_clear is None else _yes_no(told.problem_clear),
    }
    return [
        DefinedAnswer(
            question=question,
            asks=getattr(definition, question) if definition else None,
            known=answer is not None,
            answer=answer or UNKNOWN,
        )
        for question, answer in found.items()
    ]


def open_questions(missing: Sequence[Missing], answered: Iterable[DefinedAnswer]) -> list[Words]:
    """What sales has to find out by itself: what the policy still asks for, and what of the appointment is unknown."""
    asks = [one.ask or Words(one.field, one.field) for one in missing]
    return asks + [one.asks or Words(one.question, one.question) for one in answered if not one.known]


def _who(by: AcceptedBy | None) -> Words | None:
    if by is None or (by.name is None and by.title is None and by.has_authority is None):
        return None
    authority = _yes_no(by.has_authority)
    ja = (by.name or UNKNOWN.ja) + (f"（{by.title}）" if by.title else "")
    en = (by.name or UNKNOWN.en) + (f" ({by.title})" if by.title else "")
    return Words(f"{ja}、決裁権: {authority.ja}", f"{en}, can decide: {authority.en}")


def _how(told: AppointmentForm) -> Words | None:
    if told.how_set is None and told.pressured is None:
        return None
    way, pressed = _WAYS.get(told.how_set or "", UNKNOWN), _yes_no(told.pressured)
    return Words(f"{way.ja}、断り切れずに承諾: {pressed.ja}", f"{way.en}, accepted under pressure: {pressed.en}")


def _yes_no(said: bool | None) -> Words:
    return UNKNOWN if said is None else _YES if said else _NO
