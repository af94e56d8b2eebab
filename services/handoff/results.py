"""The loop back: what became of handoffs, by policy version, segment, rep, source and criterion. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

import msgspec

from services.handoff.outcomes import Deal, Difference, Outcomes, OutcomeSum, Status, Tries, difference
from shared.policy import CriterionResult
from shared.words import Words

By = Literal["policy", "segment", "rep", "owner", "source"]
BY: tuple[By, ...] = ("policy", "segment", "rep", "owner", "source")


class Ended(NamedTuple):
    """A handoff with what became of it. by: its value of each dimension; deals: what came of it."""

    lead_id: str
    by: Mapping[By, str]
    made_at: datetime
    status: Status
    reason: str | None
    criteria: Sequence[CriterionResult]
    deals: Sequence[Deal]

    @property
    def won(self) -> bool | None:
        """Whether a deal came of it; None while that is open. A handoff that was returned has lost, unless it won."""
        if any(deal.won for deal in self.deals):
            return True
        closed = any(deal.won is False for deal in self.deals) and all(deal.won is not None for deal in self.deals)
        return False if closed or (self.status == "returned" and not self.deals) else None


class Line(Outcomes, kw_only=True):
    """What became of the handoffs of one policy version, segment, rep, owner or source."""

    by: str
    value: str


class CriterionLine(msgspec.Struct, kw_only=True):
    """What became of handoffs by whether a criterion was met when they were made.

    `difference`: the share of won among the decided ones, met minus not met, with its 95 % interval; null where one of
    the two has none. `matters` is null then, and false where the interval holds 0.
    """

    criterion: str
    label: Words
    met: Outcomes
    not_met: Outcomes
    difference: float | None
    low: float | None
    high: float | None
    matters: bool | None
    says: Words


class Results(msgspec.Struct, kw_only=True):
    """What became of the handoffs that were made in a period."""

    first: datetime | None
    last: datetime | None
    total: Outcomes
    items: list[Line]
    criteria: list[CriterionLine]


def results(ended: Sequence[Ended], first: datetime | None, last: datetime | None) -> Results:
    """All lines of these handoffs."""
    groups: dict[tuple[By, str], list[Ended]] = {}  # as many as there are reps, and anybody may name one
    for handoff in ended:
        for by in BY:
            groups.setdefault((by, handoff.by[by]), []).append(handoff)
    lines = [Line(by=by, value=value, **_figures(group)) for (by, value), group in groups.items()]
    names = dict.fromkeys(result.id for handoff in ended for result in handoff.criteria)
    return Results(
        first=first,
        last=last,
        total=Outcomes(**_figures(ended)),
        items=sorted(lines, key=lambda line: (BY.index(cast(By, line.by)), line.value)),
        criteria=[_criterion(name, ended) for name in sorted(names)],
    )


def _figures(ended: Iterable[Ended]) -> dict[str, Any]:
    adding = OutcomeSum()
    for handoff in ended:
        adding.add_handoff(handoff.status, handoff.reason)
        adding.add_deals(handoff.deals)
    return adding.figures()


def _criterion(name: str, ended: Sequence[Ended]) -> CriterionLine:
    judged = [(handoff, result) for handoff in ended for result in handoff.criteria if result.id == name]
    met = [handoff for handoff, result in judged if result.result == "met"]
    not_met = [handoff for handoff, result in judged if result.result != "met"]
    found = difference(_tries(met), _tries(not_met))
    return CriterionLine(
        criterion=name,
        label=judged[-1][1].label,
        met=Outcomes(**_figures(met)),
        not_met=Outcomes(**_figures(not_met)),
        difference=found and found.value,
        low=found and found.low,
        high=found and found.high,
        matters=None if found is None else not found.low <= 0 <= found.high,
        says=_in_words(found),
    )


def _tries(ended: Iterable[Ended]) -> Tries:
    decided = [handoff.won for handoff in ended if handoff.won is not None]
    return Tries(sum(decided), len(decided))


def _in_words(found: Difference | None) -> Words:
    if found is None:
        return Words(
            "比較できない（満たした、または満たさなかった引き渡しの結果がまだない）",
            "Cannot be compared: of those that met it, or of those that did not, none is decided yet",
        )
    ja = f"成約率の差 {_points(found.value)} ポイント（95%区間 {_points(found.low)} 〜 {_points(found.high)}）"
    en = f"won {_points(found.value)} points more often (95% interval {_points(found.low)} to {_points(found.high)})"
    if found.low <= 0 <= found.high:
        return Words(f"成約への違いは見られない: {ja}", f"Makes no difference that can be seen: {en}")
    if found.value > 0:
        return Words(f"満たすと成約しやすい: {ja}", f"Those that met it are won more often: {en}")
    return Words(f"満たすと成約しにくい: {ja}", f"Those that met it are won less often: {en}")


def _points(share: float) -> str:
    return f"{100 * share:+.0f}"
