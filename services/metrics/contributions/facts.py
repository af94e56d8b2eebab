"""Facts: the countable things behind the KPIs, each placed in one hour of one business day."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from services.metrics.contributions.kinds import kind_of
from services.metrics.contributions.order import Ordered
from services.metrics.contributions.rules import Attributes


class Dimensions(NamedTuple):
    """All dimensions of a fact but its time; "" where the fact has none.

    `name` is the kind of fact: activity, content_use, second_call, second_action, lead, first_response, handoff,
    handoff_decision, stage_entry, appointment, opportunity, validity, close, sales_cycle, open_pipeline, contract,
    running_company, new_customer, spend. `tier` and `rank` stand for how wanted the company is and how well the lead is
    known.
    """

    name: str
    type: str = ""
    direction: str = ""
    outcome: str = ""
    rep: str = ""
    owner: str = ""
    channel: str = ""
    segment: str = ""
    campaign: str = ""
    industry: str = ""
    source: str = ""
    stage: str = ""
    product: str = ""
    currency: str = ""
    tier: str = ""
    rank: str = ""
    category: str = ""


@lru_cache(maxsize=50_000)  # few are many facts' dimensions, and to make them costs more than to count by them
def of_lead(
    name: str,
    lead: Attributes,
    source: str = "",
    rep: str = "",
    channel: str = "",
    outcome: str = "",
    type_: str = "",
    direction: str = "",
    **others: str,
) -> Dimensions:
    """The dimensions of a fact of a lead with these attributes. Named arguments cost: for what there is much of, by
    place."""
    return Dimensions(
        name,
        type=type_,
        direction=direction,
        outcome=outcome,
        rep=rep,
        channel=channel,
        segment=lead.segment,
        campaign=lead.campaign,
        industry=lead.industry,
        source=source,
        **others,
    )


class Fact(NamedTuple):
    """One cell: where a fact stands.

    `value` is the measured number of a distribution (microseconds), of open_pipeline the day on which the opportunity
    was created (`date.toordinal`), else 0.
    """

    dimensions: Dimensions
    day: date
    hour: int
    value: int = 0

    @property
    def team_day(self) -> date:
        """The day whose team the fact's rep counts for."""
        return date.fromordinal(self.value) if kind_of(self.dimensions.name) == "open_pipeline" else self.day


class Amount(NamedTuple):
    """What stands in a cell: how many, and their sum (seconds, minor units of money, or 0)."""

    n: int
    total: int = 0


class Contribution(NamedTuple):
    """A fact with its amount, and what was said that it rests on: nothing where that are observations alone."""

    fact: Fact
    amount: Amount
    said: Sequence[Ordered] = ()

    @property
    def causes(self) -> tuple[tuple[str, str], ...]:
        """(source, id) of the events in which that was said."""
        return tuple((source, id_) for _, source, id_ in (one.order for one in self.said))


class Contributions:
    """A sum of facts that forgets cells that have come to nothing."""

    def __init__(self) -> None:
        self._cells: dict[Fact, Amount] = {}

    def add(self, fact: Fact, amount: Amount, sign: int = 1) -> None:
        """Add (or with sign -1 take away) one amount."""
        cells, before = self._cells, len(self._cells)
        if sign != 1:
            amount = Amount(-amount[0], -amount[1])
        held = cells.setdefault(fact, amount)  # most are new: their hash is asked for once
        if len(cells) == before:
            amount = cells[fact] = Amount(held[0] + amount[0], held[1] + amount[1])
        if not (amount[0] or amount[1]):
            del cells[fact]

    def add_all(self, contributed: Iterable[Contribution], sign: int = 1) -> None:
        """Add (or with sign -1 take away) many contributions."""
        add = self.add
        for fact, amount, _ in contributed:
            add(fact, amount, sign)

    def add_sum(self, other: "Contributions", sign: int = 1) -> None:
        """Add (or with sign -1 take away) another sum."""
        for fact, amount in other:
            self.add(fact, amount, sign)

    def __iter__(self) -> Iterator[tuple[Fact, Amount]]:
        return iter(self._cells.items())

    def __len__(self) -> int:
        return len(self._cells)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contributions) and self._cells == other._cells

    def __hash__(self) -> int:
        raise TypeError("contributions change, so they have no hash")

    def __repr__(self) -> str:
        return f"Contributions({self._cells!r})"
