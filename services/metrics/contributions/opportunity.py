"""The facts of one opportunity: that it was created, how it was closed, and how long that took."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.metrics.contributions.facts import Amount, Dimensions, Fact
from services.metrics.contributions.rules import Rules
from shared.events import Event, Opportunity

Order = tuple[datetime, str, str]
RepAt = Callable[[datetime], str]
"""Rep of the lead's latest handoff at a time, or ""."""


class Step(NamedTuple):
    """One event of an opportunity."""

    order: Order
    status: str
    minor: int | None
    currency: str
    credited_rep: str
    owner: str
    product: str

    @classmethod
    def of(cls, event: Event, data: Opportunity) -> "Step":
        return cls(
            event.order,
            data.status,
            None if data.amount is None else data.amount.minor,
            "" if data.amount is None else data.amount.currency,
            data.credited_rep or "",
            data.owner or "",
            data.product or "",
        )


def opportunity_facts(
    steps: Sequence[Step], base: Dimensions, rep_at: RepAt, rules: Rules
) -> Iterator[tuple[Fact, Amount]]:
    """Facts from all steps, in order. Each attribute is the latest known over all of them.

    `opportunity` stands at the first created, `close` (outcome won or lost) at the latest of won and lost,
    `sales_cycle` (value: microseconds from created to won) at the latter if it is won.
    """
    created = next((s for s in steps if s.status == "created"), None)
    closed = next((s for s in reversed(steps) if s.status in ("won", "lost")), None)
    priced = next((s for s in reversed(steps) if s.minor is not None), None)
    credited = _latest(steps, "credited_rep")
    amount = Amount(1, priced.minor or 0) if priced else Amount(1)

    def fact(name: str, at: Step, value: int = 0, outcome: str = "") -> Fact:
        moment, source, _ = at.order
        dimensions = base._replace(
            name=name,
            outcome=outcome,
            rep=credited or rep_at(moment),
            owner=_latest(steps, "owner"),
            product=_latest(steps, "product"),
            source=source,
            currency=priced.currency if priced and name != "sales_cycle" else "",
        )
        return Fact(dimensions, *rules.place(moment), value)

    if created:
        yield fact("opportunity", created), amount
    if closed:
        yield fact("close", closed, outcome=closed.status), amount
    if created and closed and closed.status == "won":
        took = (closed.order[0] - created.order[0]) // timedelta(microseconds=1)
        yield fact("sales_cycle", closed, value=took), Amount(1)


def _latest(steps: Sequence[Step], attribute: str) -> str:
    return next((known for s in reversed(steps) if (known := getattr(s, attribute))), "")
