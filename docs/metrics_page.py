"""docs/reference/metrics.md, made from what the code declares for `/metrics`."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.metrics.live import exporter
from services.outreach import folder, mails
from shared.telemetry import Metrics
from shared.telemetry.histogram import Histogram

Described = tuple[str, str, str, tuple[str, ...]]
"""Type, name, text, labels: a `Family` is one, and so is what is described by the library's own metrics."""

INTRODUCTION = """\
# Metrics

Everything that the services tell Prometheus at `/metrics`, which is open to all. KPIs, and what waits or has been taken
from the log, come from the database: every replica says the same, so ask one of them. What is counted on the way
(requests, webhooks, attempts, decisions, freshness) is each process's own since its start: add it up. Labels are
bounded: a rep whom the configuration does not name is `other`, and no label ever tells of a lead.

Beside these each process has the figures of its runtime, `process_*` and `python_*`, as Prometheus' library for Python
has them. `deploy/prometheus.yml` scrapes, `deploy/rules.yml` and `deploy/alerts.yml` make alerts of them
([operations](../operations.md#alerts)), `deploy/grafana` shows them. The numbers of the business themselves are in
[KPIs](../kpis.md).

This page is generated from the code's own declarations (`make generate`).
"""
LABELS = {
    "channel": "the channel of a touch; of a call it is `call`",
    "class": "`activity`, `result` or `efficiency`",
    "collector": "which figures could not be had: `lag` asks the brokers, too, all others the database alone",
    "currency": "ISO 4217; empty where the KPI is not money",
    "decision": "`ready`, `not_ready` or `needs_information`",
    "dimension": "`total`, `rep`, `team`, `segment`, `channel` or `hour`",
    "direction": "`outbound` or `inbound`",
    "endpoint": "the id in `webhooks.yaml`",
    "group": "the group of consumers",
    "kind": "`template`, `snippet`, `talk` or `case_study`",
    "kpi": "the id in `kpis.yaml`",
    "member": "the value of the dimension; empty for `total`",
    "method": "the method of HTTP",
    "name_en": "the name in English",
    "name_ja": "the name in Japanese",
    "outcome": "the outcome of a call or touch",
    "partition": "the partition's number",
    "period": "`today`, `this_week`, `this_month`, `this_quarter`, `this_fiscal_year` or `last_28_days`",
    "policy": "the id of the policy",
    "reason": "why the record was not understood",
    "rep": "the id in `team.yaml`",
    "result": "what came of it",
    "action": "`void` or `replace`",
    "route": "the path as it is declared, without ids",
    "segment": "the segment of the policy, of activities as it was known when they were recorded",
    "service": "the service that answered",
    "source": "the id in `sources.yaml`",
    "state": "`pending` or `overdue`",
    "status": "the status of HTTP",
    "team": "the id in `team.yaml`",
    "topic": "the topic of the log",
    "type": "the type of the event",
    "unit": "the unit in `kpis.yaml`",
}
"""What each label holds."""


def metrics_page() -> str:
    """The page's text."""
    return (
        INTRODUCTION
        + _section("The numbers, on metrics alone", exporter.FAMILIES)
        + _section("Operation, on every service", operational())
        + _section("Texts, on outreach alone", (folder.PIECES, folder.PROBLEMS, mails.UNCERTAIN))
    )


def operational() -> Iterator[Described]:
    """The catalogue that all services share. The library keeps names of labels to itself."""
    for metric in vars(Metrics(CollectorRegistry())).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        (described,) = metric.describe()
        suffix = "_total" if described.type == "counter" else ""
        yield described.type, described.name + suffix, described.documentation, getattr(metric, "_labelnames", ())


def _section(title: str, families: Iterable[Described]) -> str:
    return f"\n## {title}\n" + "".join(_entry(family) for family in families)


def _entry(described: Described) -> str:
    type_, name, text, names = described
    labels = "".join(f"- `{label}`: {LABELS[label]}\n" for label in names)
    return f"\n### {name}\n\n{text}\n\nType: {type_}.\n" + (f"\n{labels}" if labels else "")
