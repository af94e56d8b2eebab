"""An appointment as it was really set: what was told, by whom, and the answer to each question that defines one. Pure.

The request that hands a lead over may tell of it. Where it does not, the lead's activities do: they are read whenever
the package is, so late ones and corrections count as in the contact history, and erasing has nothing more to reach.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from services.handoff.corrections import Fact
from shared.config.definitions import AppointmentDefinition
from shared.events import Appointment, HowSet, Identity, LongText, Name, Text, Timestamp, check_times
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


class AppointmentTold(msgspec.Struct, frozen=True, kw_only=True):
    """Who told of the appointment and when last. `origin`: the `request` that handed the lead over, or the `activities`
    before it, `events` in their order, with the appointment's `status` by then."""

    origin: Literal["request", "activities"]
    rep: str
    at: datetime
    status: str | None = None
    events: list[Identity] = []


class AsSet(NamedTuple):
    """An appointment, and who told of it."""

    appointment: AppointmentForm
    told: AppointmentTold


_OFF = ("cancelled", "no_show")


def handed_over(given: AppointmentForm | None, rep: str, at: datetime, facts: Iterable[Fact]) -> AsSet | None:
    """The appointment with which a rep handed a lead over at a moment: what the request tells of it holds, whole. One
    that tells nothing, or no more than which it is, leaves it to the activities."""
    if given is None or msgspec.structs.replace(given, appointment_id=None) == AppointmentForm():
        known = as_told(facts, at, given.appointment_id if given else None)
        if given is None or known is not None:
            return known
    return AsSet(given, AppointmentTold(origin="request", rep=rep, at=at))


def as_told(facts: Iterable[Fact], by: datetime, appointment_id: str | None = None) -> AsSet | None:
    """The appointment of a lead by a moment, from its activities: the one that is named, else of those that are not off
    the one told of last."""
    told: dict[str, list[_Step]] = defaultdict(list)
    for fact in sorted(facts, key=lambda fact: fact.order):
        if isinstance(fact.data, Appointment) and fact.time <= by:
            told[fact.data.appointment_id].append(_Step(fact, fact.data))
    if appointment_id is not None:
        return _together(told[appointment_id]) if appointment_id in told else None
    standing = [steps for steps in told.values() if steps[-1].said.status not in _OFF]
    return _together(max(standing, key=lambda steps: steps[-1].fact.order)) if standing else None


class _Step(NamedTuple):
    fact: Fact
    said: Appointment


def _together(steps: Sequence[_Step]) -> AsSet:
    """One appointment's steps in their order: of each attribute the latest that is known."""
    known: dict[str, Any] = {}
    for _, said in steps:
        known |= {name: value for name, value in msgspec.structs.asdict(said).items() if value is not None}
    if "accepted_by" in known:
        known["accepted_by"] = AcceptedBy(**msgspec.structs.asdict(known["accepted_by"]))
    last = steps[-1].fact
    return AsSet(
        AppointmentForm(**{name: known[name] for name in AppointmentForm.__struct_fields__ if name in known}),
        AppointmentTold(
            origin="activities",
            rep=known["rep"],
            at=last.time,
            status=known["status"],
            events=[fact.identity for fact, _ in steps],
        ),
    )


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
