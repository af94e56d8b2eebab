"""A catalogue so many times as large as the shipped one, of KPIs as a company would add them."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain, combinations, count, islice
from pathlib import Path
from typing import Any

import yaml

from bench.corpus import OUTCOMES

COPIED = "calls"
"""A count of facts that nearly every event has: a KPI that no event touched would cost nothing."""


def enlarge(config: Path, times: int) -> None:
    """Have so many times as many KPIs in a folder of configuration."""
    file = config / "kpis.yaml"
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    written["kpis"] = enlarged(written["kpis"], times)
    file.write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), encoding="utf-8")


def enlarged(kpis: Sequence[Mapping[str, Any]], times: int) -> list[dict[str, Any]]:
    """The entries, and after them others until there are so many times as many."""
    copied = next(kpi for kpi in kpis if kpi["id"] == COPIED)
    # deep, since YAML would write a text that two entries share as an alias, which the service refuses
    more = (
        deepcopy({**copied, "id": f"{COPIED}_{n}", "facts": {**copied["facts"], **tests}})
        for n, tests in enumerate(_tests())
    )
    return [dict(kpi) for kpi in chain(kpis, islice(more, (times - 1) * len(kpis)))]


def _tests() -> Iterator[dict[str, Any]]:
    """What facts must have, never twice the same: some of the outcomes, and any industry but one, so that many pass."""
    some = [list(outcomes) for size in range(1, len(OUTCOMES) + 1) for outcomes in combinations(OUTCOMES, size)]
    for n in count():
        yield from ({"outcome": outcomes, "industry": {"not": [f"industry-{n}"]}} for outcomes in some)
