"""The facts of one opportunity: created, found valid, closed, how long that took, and what it adds to open pipeline."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from services.metrics.contributions.facts import Amount, Contribution, Fact, of_lead
from services.metrics.contributions.order import Order, latest
from services.metrics.contributions.rules import KnownAt, Rules
from shared.events import Event, Opportunity

RepBefore = Callable[[Order], str]
"""Rep of the lead's latest handoff before a place in the order of events, or ""."""


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


def first_created(steps: Sequence[Step]) -> Step | None:
    """The step at which the opportunity was first created."""
    return next((s for s in steps if s.status == "created"), None)


def holding_close(steps: Sequence[Step]) -> Step | None:
    """The latest of won and lost."""
    return next((s for s in reversed(steps) if s.status in ("won", "lost")), None)


def opportunity_facts(
    steps: Sequence[Step], known: KnownAt, rep_before: RepBefore, rules: Rules
) -> Iterator[Contribution]:
    """Facts from all steps, in order. Each attribute is the latest known over all of them.

    `opportunity` stands at the first created, `validity` (outcome valid or invalid) at the latest of both, `close`
    (outcome won or lost) at the latest of won and lost, `sales_cycle` (value: microseconds from created to won) there
    too if it is won. `open_pipeline` is +1 where it opens (outcome opened) and -1 where it stops being open (closed).
    """
    created, closed = first_created(steps), holding_close(steps)
    judged = next((s for s in reversed(steps) if s.status in ("valid", "invalid")), None)
    priced = next((s for s in reversed(steps) if s.minor is not None), None)
    credited = latest(s.credited_rep for s in steps)
    owner, product = latest(s.owner for s in steps), latest(s.product for s in steps)
    currency = priced.currency if priced else ""
    minor = (priced.minor or 0) if priced else 0

    def fact(name: str, at: Step, outcome: str = "", value: int = 0) -> Fact:
        moment, source, _ = at.order
        rep = credited or rep_before(at.order)
        dimensions = of_lead(
            name, known(moment), source, rep, outcome=outcome, owner=owner, product=product, currency=currency
        )
        return Fact(dimensions, *rules.place(moment), value)

    if created:
        yield Contribution(fact("opportunity", created), Amount(1, minor), steps)
    if judged:
        yield Contribution(fact("validity", judged, judged.status), Amount(1, minor), steps)
    if closed:
        yield Contribution(fact("close", closed, closed.status), Amount(1, minor), steps)
    if created and closed and closed.status == "won":
        took = (closed.order[0] - created.order[0]) // timedelta(microseconds=1)
        yield Contribution(fact("sales_cycle", closed, value=took), Amount(1), steps)
    if created:
        # A stock is cut at its period's end, so what it is cut by must not change between opening and closing. The team
        # of the rep does; therefore the fact's value tells which day's team it is.
        # Opening and closing are told apart, so that what opens and closes within an hour has been there all the same.
        stock = fact("open_pipeline", created)
        day = stock.day.toordinal()
        for at, outcome in _openings(steps, created):
            dimensions, sign = stock.dimensions._replace(outcome=outcome), 1 if outcome == "opened" else -1
            yield Contribution(Fact(dimensions, *rules.place(at.order[0]), day), Amount(sign, sign * minor), steps)


def _openings(steps: Sequence[Step], created: Step) -> Iterator[tuple[Step, str]]:
    """Where the opportunity is `opened` (created, and not won, lost or invalid) and `closed`."""
    is_open = exists = closed = invalid = False
    for step in steps:
        exists = exists or step is created
        closed = closed or step.status in ("won", "lost")
        invalid = step.status == "invalid" if step.status in ("valid", "invalid") else invalid
        now_open = exists and not closed and not invalid
        if now_open != is_open:
            yield step, "opened" if now_open else "closed"
        is_open = now_open
