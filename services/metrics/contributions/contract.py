"""The facts of one company's contracts: recurring revenue as it comes and goes, and since when it is a customer. Pure.

A contract runs from the day of `started` up to and without the day of `ended`; its revenue is that of the latest
`started` or `changed` effective by then. Stocks are kept as changes: their sum up to a day is the stock of that day.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

from services.metrics.contributions.facts import Amount, Contribution, Dimensions, Fact
from services.metrics.contributions.order import Order
from shared.events import Contract, Event


class Term(NamedTuple):
    """One event of a contract. In order of the day it takes effect, then of events."""

    effective_on: date
    order: Order
    status: str
    minor: int | None
    currency: str

    @classmethod
    def of(cls, event: Event, data: Contract) -> "Term":
        minor, currency = (None, "") if data.arr is None else (data.arr.minor, data.arr.currency)
        return cls(data.effective_on, event.order, data.status, minor, currency)


class Running(NamedTuple):
    """What holds of one contract from a day on. `revenue`: minor units and currency, None where nothing is known."""

    since: date
    runs: bool
    revenue: tuple[int, str] | None


def contract_facts(contracts: Mapping[str, Sequence[Term]]) -> Iterator[Contribution]:
    """`contract` (total: change of annual revenue), `running_company` (+1, -1) and `new_customer`."""
    histories = [list(running(terms)) for terms in contracts.values()]
    for history, terms in zip(histories, contracts.values(), strict=True):
        held: tuple[int, str] | None = None
        for state in history:
            now = state.revenue if state.runs else None
            if now != held:
                yield from _change(state.since, held, -1, terms)
                yield from _change(state.since, now, 1, terms)
                held = now
    said = [term for terms in contracts.values() for term in terms]
    yield from _companies(histories, said)
    first = min((s.since for history in histories for s in history if s.runs), default=None)
    if first is not None:
        yield Contribution(Fact(Dimensions("new_customer"), first, 0), Amount(1), said)


def running(terms: Sequence[Term]) -> Iterator[Running]:
    """The states of a contract, one for each day on which something took effect; terms in order."""
    runs, revenue = False, None
    for day, effective in groupby(terms, key=lambda term: term.effective_on):
        for term in effective:
            runs = term.status == "started" or (runs and term.status != "ended")
            if term.status in ("started", "changed") and term.minor is not None:
                revenue = (term.minor, term.currency)
        yield Running(day, runs, revenue)


def _change(day: date, revenue: tuple[int, str] | None, sign: int, said: Sequence[Term]) -> Iterator[Contribution]:
    if revenue is not None:
        minor, currency = revenue
        fact = Fact(Dimensions("contract", currency=currency), day, 0)
        yield Contribution(fact, Amount(sign, sign * minor), said)


def _companies(histories: Sequence[Sequence[Running]], said: Sequence[Term]) -> Iterator[Contribution]:
    changes: dict[date, int] = {}
    for history in histories:
        ran = False
        for state in history:
            changes[state.since] = changes.get(state.since, 0) + state.runs - ran
            ran = state.runs
    running_contracts = 0
    for day in sorted(changes):
        before, running_contracts = running_contracts, running_contracts + changes[day]
        sign = (running_contracts > 0) - (before > 0)
        if sign:
            yield Contribution(Fact(Dimensions("running_company"), day, 0), Amount(sign), said)
