"""What became of handoffs: what sales made of them, and what was won. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import sqrt
from typing import Any, Literal, NamedTuple

import msgspec

from services.handoff.corrections import Fact
from shared.events import Opportunity
from shared.money import Money, of_minor

Status = Literal["pending", "accepted", "returned"]
"""How far a handoff is."""


class Deal(NamedTuple):
    """An opportunity as it stands: `won` is None while it is open. since: when it was first heard of."""

    since: datetime
    won: bool | None
    amount: Money | None


class Outcomes(msgspec.Struct, kw_only=True):
    """Handoffs and what became of them. Rates are null where there is nothing to divide by; `booked`: by won deals."""

    handed_over: int = 0
    accepted: int = 0
    returned: int = 0
    pending: int = 0
    acceptance_rate: float | None = None
    returned_by_reason: dict[str, int] = {}
    opportunities: int = 0
    won: int = 0
    lost: int = 0
    win_rate: float | None = None
    booked: list[Money] = []


def deals(facts: Iterable[Fact]) -> list[Deal]:
    """The opportunities that these facts tell of. The latest known amount counts, and the latest of won and lost."""
    found: dict[str, Deal] = {}
    for fact in sorted(facts, key=lambda fact: fact.order):
        if isinstance(said := fact.data, Opportunity):
            before = found.get(said.opportunity_id, Deal(fact.time, None, None))
            won = said.status == "won" if said.status in ("won", "lost") else before.won
            found[said.opportunity_id] = Deal(before.since, won, said.amount or before.amount)
    return list(found.values())


def attached(made_at: Sequence[datetime], sold: Iterable[Deal]) -> list[list[Deal]]:
    """The deals of each handoff of one lead, from when the handoffs were made, in order of time.

    A deal belongs to the latest handoff before it, and one that was there before the first to the first.
    """
    found: list[list[Deal]] = [[] for _ in made_at]
    for deal in sold if made_at else ():
        before = [n for n, at in enumerate(made_at) if at <= deal.since]
        found[before[-1] if before else 0].append(deal)
    return found


def booked(sold: Iterable[Deal]) -> list[Money]:
    """What the won ones of these deals are worth, per currency."""
    return in_money(_minor(sold))


def in_money(minor: Mapping[str, int]) -> list[Money]:
    """Minor units per currency as amounts."""
    return [of_minor(amount, currency) for currency, amount in sorted(minor.items())]


class OutcomeSum:
    """Adds up handoffs and deals."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._reasons = Counter[str]()
        self._booked = Counter[str]()

    def add_handoff(self, status: Status, reason: str | None) -> None:
        """One handoff, as sales left it; reason: of a return."""
        self._counts["handed_over"] += 1
        self._counts[status] += 1
        if status == "returned" and reason is not None:
            self._reasons[reason] += 1

    def add_deals(self, sold: Iterable[Deal]) -> None:
        """What came of it."""
        for deal in sold:
            self._counts["opportunities"] += 1
            self._counts["won"] += deal.won is True
            self._counts["lost"] += deal.won is False
            self._booked.update(_minor([deal]))

    def figures(self) -> dict[str, Any]:
        """The fields of `Outcomes`."""
        counts = {name: self._counts[name] for name in _COUNTED}
        return counts | {
            "acceptance_rate": share(counts["accepted"], counts["returned"]),
            "returned_by_reason": dict(sorted(self._reasons.items())),
            "win_rate": share(counts["won"], counts["lost"]),
            "booked": in_money(self._booked),
        }


_COUNTED = ("handed_over", "accepted", "returned", "pending", "opportunities", "won", "lost")


def share(of: int, others: int) -> float | None:
    """of / (of + others); None where there are none."""
    return of / (of + others) if of + others else None


class Tries(NamedTuple):
    """How often something was tried and how often it succeeded."""

    successes: int
    number: int


class Difference(NamedTuple):
    """The difference of two shares, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def difference(a: Tries, b: Tries) -> Difference | None:
    """Share of a minus share of b, with Newcombe's interval from Wilson's scores; None where one was never tried.

    R. G. Newcombe: Interval estimation for the difference between independent proportions, Statistics in Medicine 17
    (1998), method 10.
    """
    if not a.number or not b.number:
        return None
    (p, low_p, high_p), (q, low_q, high_q) = _wilson(a), _wilson(b)
    low = sqrt((p - low_p) ** 2 + (high_q - q) ** 2)
    high = sqrt((high_p - p) ** 2 + (q - low_q) ** 2)
    return Difference(p - q, p - q - low, p - q + high)


_Z = 1.959963984540054  # of 95 %


def _wilson(tries: Tries) -> tuple[float, float, float]:
    """A share and the ends of Wilson's score interval (E. B. Wilson, JASA 22, 1927)."""
    n, share_ = tries.number, tries.successes / tries.number
    middle = share_ + _Z**2 / (2 * n)
    reach = _Z * sqrt(share_ * (1 - share_) / n + _Z**2 / (4 * n**2))
    whole = 1 + _Z**2 / n
    return share_, (middle - reach) / whole, (middle + reach) / whole


def _minor(sold: Iterable[Deal]) -> Counter[str]:
    found = Counter[str]()
    for deal in sold:
        if deal.won and deal.amount is not None:
            found[deal.amount.currency] += deal.amount.minor
    return found
