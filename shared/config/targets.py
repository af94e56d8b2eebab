"""targets.yaml: which value of a KPI whom is to reach in which period."""

from collections.abc import Collection
from decimal import Decimal

import msgspec

from shared.config.document import Document
from shared.money import CURRENCIES
from shared.periods import parse_period

TOO_MUCH = Decimal(10**18)
"""As of amounts of money. Pace is a float, of which 1e400 would be infinite."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One target: of a member, of a team, of a segment, or (with none of them) of all together.

    `value` is in the KPI's unit, money in major units of `currency`.
    """

    kpi: str
    period: str
    value: Decimal
    member: str | None = None
    team: str | None = None
    segment: str | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        parse_period(self.period)
        if sum(one is not None for one in (self.member, self.team, self.segment)) > 1:
            raise ValueError("a target is of one member, one team or one segment; write one entry for each")
        if not self.value.is_finite() or self.value < 0:
            raise ValueError("`value` must not be below 0")
        if self.value >= TOO_MUCH:
            raise ValueError("`value` is too large")
        if self.currency is not None and self.currency not in CURRENCIES:
            raise ValueError(f"`{self.currency}` is not an ISO 4217 currency code")


def read_targets(document: Document, known_kpis: Collection[str] | None) -> tuple[Target, ...]:
    """All targets. `known_kpis`: ids of kpis.yaml, None when there is no such file. Raises ConfigError."""
    targets = document.convert(list[Target])
    seen: set[tuple[str | None, ...]] = set()
    for index, target in enumerate(targets):
        key = (target.kpi, target.period, target.member, target.team, target.segment, target.currency)
        if key in seen:
            raise document.error(
                (index,), f"this target of {target.kpi} for {target.period} stands here twice; keep one"
            )
        seen.add(key)
        if known_kpis is not None and target.kpi not in known_kpis:
            raise document.error((index, "kpi"), f"there is no KPI `{target.kpi}`; add it to kpis.yaml or correct it")
    return tuple(targets)
