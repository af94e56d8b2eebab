"""The fact of one appointment: that it was won, by whom, and how wanted and how well known the lead is. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.metrics.contributions.facts import Amount, Contribution, Fact, of_lead
from services.metrics.contributions.order import Order, latest
from services.metrics.contributions.rules import KnownAt, Rules
from shared.events import Appointment, Event


class Setting(NamedTuple):
    """One event of an appointment."""

    order: Order
    status: str
    rep: str
    how_set: str

    @classmethod
    def of(cls, event: Event, data: Appointment) -> "Setting":
        return cls(event.order, data.status, data.rep, data.how_set or "")


def appointment_facts(
    settings: Sequence[Setting], known: KnownAt, standing: tuple[str, str], rules: Rules
) -> Iterator[Contribution]:
    """`appointment` at the first `set`; one that was cancelled later was won all the same.

    `known`: what is known of the lead; `standing`: tier and rank.
    """
    first = next((s for s in settings if s.status == "set"), None)
    if first is not None:
        moment, source, _ = first.order
        tier, rank = standing
        dimensions = of_lead(
            "appointment",
            known(moment),
            source,
            latest(s.rep for s in settings),
            latest(s.how_set for s in settings),
            tier=tier,
            rank=rank,
        )
        yield Contribution(Fact(dimensions, *rules.place(moment)), Amount(1), settings)
