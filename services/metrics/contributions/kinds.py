"""What each kind of fact is like: its dimensions and their values, what it adds up, how it stands in time. Data, pure.

The engine keeps to it (tests/metrics/test_kinds.py), and kpis.yaml is checked by it.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, get_args

from shared.events import CallOutcome, Channel, ContentKind, Direction, HowSet, SpendCategory, TouchOutcome
from shared.money import CURRENCIES

Values = tuple[str, ...] | None
FREE: Values = None
"""Values that customers choose: in what they send, or in other files of the configuration."""
RANKS = ("A", "B", "C")


class FactKind(NamedTuple):
    """`dimensions`: those that facts of the kind may have, with the values that each may take ("": the fact has none).

    `total`: what `Amount.total` is, "" where it is always 0. `dated`: they have a day and no hour. `stock`: they come
    and go, so that their sum up to a day is what stands then. `measured`: `Fact.value` is a measured time.
    `forms`: where values go together, each fact has those of one of these.
    """

    dimensions: Mapping[str, Values]
    total: Literal["", "seconds", "money"] = ""
    dated: bool = False
    stock: bool = False
    measured: bool = False
    forms: tuple[Mapping[str, tuple[str, ...]], ...] = ({},)

    @property
    def cuts(self) -> tuple[str, ...]:
        """Dimensions that a KPI over such facts may be cut by, but for those of time."""
        return tuple(self._cuts())

    def _cuts(self) -> Iterator[str]:
        for dimension in self.dimensions:
            if dimension not in _ONLY_SELECT:
                yield dimension
            if dimension == "rep":
                yield "team"


_ONLY_SELECT = ("type", "direction", "outcome", "tier", "rank")
_CURRENCY: Mapping[str, Values] = {"currency": ("", *CURRENCIES)}
_LEAD: Mapping[str, Values] = dict.fromkeys(("segment", "campaign", "industry", "source"), FREE)
_REP: Mapping[str, Values] = {"rep": FREE, **_LEAD}
_CONTACT: Mapping[str, Values] = {**_REP, "channel": ("call", *get_args(Channel))}
_HANDOFF: Mapping[str, Values] = {**_REP, "owner": FREE}
_DEAL: Mapping[str, Values] = {"rep": FREE, "owner": FREE, **_LEAD, "product": FREE, **_CURRENCY}

FACTS: Mapping[str, FactKind] = {
    "activity": FactKind(
        {
            "type": ("call", "touch"),
            "direction": get_args(Direction),
            "outcome": ("", *get_args(CallOutcome), *get_args(TouchOutcome)),
            **_CONTACT,
        },
        total="seconds",
        forms=(
            {"type": ("call",), "outcome": get_args(CallOutcome), "channel": ("call",)},
            {"type": ("touch",), "outcome": ("", *get_args(TouchOutcome)), "channel": get_args(Channel)},
        ),
    ),
    "content_use": FactKind({"type": get_args(ContentKind), **_CONTACT, "channel": ("", *get_args(Channel))}),
    "second_call": FactKind({**_REP, "channel": ("call",)}),
    "second_action": FactKind(_CONTACT, measured=True),
    "lead": FactKind({"outcome": ("", "opportunity", "deal", "opportunity+deal"), **_LEAD}),
    "first_response": FactKind(_CONTACT, measured=True),
    "stage_entry": FactKind({**_LEAD, "stage": FREE}),
    "appointment": FactKind({**_REP, "channel": ("", *get_args(HowSet)), "tier": FREE, "rank": RANKS}),
    "handoff": FactKind(_HANDOFF),
    "handoff_decision": FactKind({"outcome": ("accepted", "returned"), **_HANDOFF}),
    "opportunity": FactKind(_DEAL, total="money"),
    "validity": FactKind({"outcome": ("valid", "invalid"), **_DEAL}, total="money"),
    "close": FactKind({"outcome": ("won", "lost"), **_DEAL}, total="money"),
    "sales_cycle": FactKind(_DEAL, measured=True),
    "open_pipeline": FactKind({"outcome": ("opened", "closed"), **_DEAL}, total="money", stock=True),
    "contract": FactKind(_CURRENCY, total="money", dated=True, stock=True),
    "running_company": FactKind({}, dated=True, stock=True),
    "new_customer": FactKind({}, dated=True),
    "spend": FactKind(
        {"category": get_args(SpendCategory), "campaign": FREE, "source": FREE, **_CURRENCY}, total="money", dated=True
    ),
}
"""Every kind of fact by its name."""

_AS_OF_EVENT = "@event"


def as_of_event(name: str) -> str:
    """The name under which facts of a kind stand with what was known of the lead at their time: see past.py."""
    return name + _AS_OF_EVENT


def kind_of(name: str) -> str:
    """The kind of facts, whichever of both names they stand under."""
    return name.removesuffix(_AS_OF_EVENT)
