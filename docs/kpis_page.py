"""docs/kpis.md, made from config/kpis.yaml: what each KPI means, how it is made, and how to ask for it."""

from pathlib import Path

from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.catalogue.kpis import (
    Catalogue,
    Coverage,
    Definition,
    Exclusion,
    Kpi,
    Measure,
    Ratio,
    Share,
    Simple,
    Test,
    Trailing,
)
from services.metrics.contributions.kinds import kind_of
from services.metrics.live.sources import GAUGE_DIMENSIONS
from shared.config import load_config

CONFIG = Path(__file__).resolve().parent.parent / "config"

FACTS = {
    "activity": ("calls and touches", ""),
    "content_use": ("uses of content", ""),
    "second_call": ("outbound calls that are the second of their lead", ""),
    "second_action": ("outbound calls or touches that are the second of their lead", ""),
    "lead": ("leads", "by their creation"),
    "first_response": ("leads with an outbound call or touch at or after their creation", "by their creation"),
    "stage_entry": ("entries of leads into a stage", ""),
    "appointment": ("appointments", "each at its first `set`"),
    "handoff": ("handoffs created", ""),
    "handoff_decision": ("handoffs decided", "by the decision"),
    "opportunity": ("opportunities", "each at its first `created`"),
    "validity": ("opportunities judged", "each at its latest `valid` or `invalid`"),
    "close": ("opportunities closed", "each at its latest `won` or `lost`"),
    "sales_cycle": ("opportunities won", "each at its latest `won` or `lost`"),
    "open_pipeline": ("opportunities created and not won, lost or invalid by then", ""),
    "contract": ("contracts running then", ""),
    "running_company": ("companies with a contract running then", ""),
    "new_customer": ("companies", "by the day from which their first contract ran"),
    "spend": ("expenses", "by the day on which they were made"),
}
"""What each kind of fact is, and by which time it is counted where that is not its own."""
MEASURED = {
    "second_action": "the time since the lead's first",
    "first_response": "the time until the first such call or touch",
    "sales_cycle": "the time since the first `created`",
}
INTRODUCTION = """\
# KPIs

Every number of Tasuki: what it means, what it is for, how it is made, and how to ask for it. The definitions are data,
in `config/kpis.yaml`; a new KPI of a known kind is an entry there, and is right for all the past after a restart.

Periods (`grain`: `day week month quarter fiscal_year all`) are cut by the time at which things happened, in the
business time zone. Corrections, late events and duplicates leave every number as if the log had held the truth from the
start. `segment`, `industry` and `campaign` are the lead's as best known now: when a tool finds 2,500 employees, the
lead's past counts move to that segment. An entry with `as_of: event` keeps what was known then: all that had been
observed and told by the time of each fact (of open pipeline: by its opening). `team` is the rep's at that time. Amounts
of money are never added across currencies: each row has its `currency`, also of a rate that is made of money and a
count.

`GET /v1/kpis/{id}/contributors` takes the same query as `values` and lists the events and leads behind each number.
One request is answered with 100,000 rows at most, and 422 beyond: ask for a shorter time, or a coarser grain.
`tasuki kpi verify` counts everything again from the log by other means, and lists what differs.

This page is generated from `config/kpis.yaml` (`make generate`).
"""


def kpis_page() -> str:
    """The page's text."""
    config = load_config(CONFIG)
    catalogue: Catalogue = compile_catalogue(config)
    links = "".join(f"- [{kpi.id}](#{kpi.id}): {_name(kpi)}\n" for kpi in catalogue)
    return f"{INTRODUCTION}\n{links}" + "".join(_entry(kpi) for kpi in catalogue)


def _entry(kpi: Kpi) -> str:
    d = kpi.definition
    dimensions = ", ".join(f"`{dimension}`" for dimension in kpi.dimensions) or "none"
    return f"""
## {kpi.id}

**{_name(kpi)}**

{d.definition.ja}<br>
{d.definition.en}

Purpose: {d.purpose.ja}<br>
{d.purpose.en}

| unit | class | kind | owner | good |
|---|---|---|---|---|
| {d.unit} | {d.class_} | {d.kind} | {d.owner} | {d.good} |

Formula: {formula(kpi)}

Dimensions: {dimensions}.

```sh
curl -s "localhost:8003/v1/kpis/{kpi.id}/values?{_query(kpi)}" -H "Authorization: Bearer $KEY"
```
```promql
{_promql(kpi)}
```
"""


def formula(kpi: Kpi) -> str:
    """How a KPI is made, in words."""
    d = kpi.definition
    match kpi:
        case Ratio():
            return f"{_link(kpi.numerator)} / {_link(kpi.denominator)}; null where the denominator is 0."
        case Share():
            return f"{_link(kpi.part)} of each `{kpi.across}` / {_link(kpi.part)} of all."
        case Trailing():
            return (
                f"{_link(kpi.of)} of the last {d.weeks} whole ISO weeks that ended on or before the period's end "
                f"(or today) / {d.weeks}."
            )
        case Coverage():
            return (
                f"{_link(kpi.stock)} at the period's end / (target of {_link(kpi.reached)} - "
                f"{_link(kpi.reached)} of the period); null where the target is met or missing."
            )
        case Simple():
            return _of_facts(d, kpi.measure)
    raise TypeError(f"no words for {kpi.id}")


def _of_facts(d: Definition, measure: Measure) -> str:
    things, when = FACTS[kind_of(measure.fact)]
    facts = things + _tests(measure) + (", as known of the lead then" if d.as_of == "event" else "")
    placed = f", {when}" if when else ""
    money = ", per currency" if measure.money else ""
    match d.kind:
        case "count":
            return f"number of {facts}{placed}{money}."
        case "sum":
            what = "amounts" if measure.money else "`duration_s`"
            return f"sum of the {what} of {facts}{placed}{money}."
        case "mean" if measure.money:
            return f"sum of the amounts / number of {facts} that have an amount{placed}{money}."
        case "mean":
            return f"sum of the `duration_s` / number of {facts}{placed}."
        case "points":
            by = "by the company's target tier and the lead's rank"
            return f"sum of the points of {facts}{placed}, {by}:\n\n{_points(d)}"
        case "duration":
            return f"mean of {MEASURED[measure.fact]}, in {d.unit}, over {facts}{placed}; also `median`, `p90` and `n`."
        case _:
            what = "sum of the amounts" if measure.money else "number"
            return f"at the end of the period, or today: {what} of {facts}{money}."


def _tests(measure: Measure) -> str:
    tests = [f"{dimension} {_words(test)}" for dimension, test in measure.tests]
    return f" with {' and '.join(tests)}" if tests else ""


def _words(test: Test) -> str:
    match test:
        case Exclusion():
            return "other than " + ", ".join(f"`{value}`" for value in test.none_of)
        case str():
            return f"`{test}`"
        case _:
            return " or ".join(f"`{value}`" for value in test)


def _points(d: Definition) -> str:
    rows = "\n".join(
        f"| {tier or 'unknown'} | {' | '.join(str(d.points_of(tier, rank)) for rank in 'ABC')} |" for tier in d.points
    )
    return f"| tier | rank A | rank B | rank C |\n|---|---|---|---|\n{rows}"


def _name(kpi: Kpi) -> str:
    return f"{kpi.definition.name.ja} / {kpi.definition.name.en}"


def _link(kpi: Kpi) -> str:
    return f"[{kpi.id}](#{kpi.id})"


def _query(kpi: Kpi) -> str:
    by = kpi.across if isinstance(kpi, Share) else next(iter(kpi.dimensions), None)
    return "grain=month" + (f"&by={by}" if by and by != "currency" else "")


def _promql(kpi: Kpi) -> str:
    dimension = next((d for d in GAUGE_DIMENSIONS if d in kpi.dimensions), "total")
    if isinstance(kpi, Share):
        dimension = kpi.across if kpi.across in GAUGE_DIMENSIONS else "total"
    currency = ', currency="JPY"' if kpi.money else ""
    return f'tasuki_kpi_value{{kpi="{kpi.id}", period="this_month", dimension="{dimension}"{currency}}}'
