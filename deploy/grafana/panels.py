"""The few kinds of panels that our dashboards are made of, each a query or more of Prometheus.

Titles are in Japanese and English, since Grafana has one language for all who look. What a KPI is called comes from
`tasuki_kpi_info` when it is looked at: KPIs of your own have their names without these files being made anew.
"""

from collections.abc import Iterable, Sequence
from itertools import count

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableOption,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
PERIODS = ("this_month", "today", "this_week", "this_quarter", "this_fiscal_year", "last_28_days")
NAMED = "{{name_ja}} / {{name_en}} {{currency}}"

WIDTH = 24
"""Columns of Grafana's grid."""

Panel = stat.Panel | bargauge.Panel | table.Panel | timeseries.Panel


def named(expression: str) -> str:
    """The expression, whose series have a `kpi`, with that KPI's names."""
    info = "max by (kpi, name_ja, name_en) (tasuki_kpi_info)"
    return f"({expression}) * on (kpi) group_left (name_ja, name_en) {info}"


def kpi(ids: str, dimension: str = "total", period: str = "$period", metric: str = "value:max", more: str = "") -> str:
    """The series of some KPIs (a regular expression of ids) in a period. metric: of the rules of deploy/rules.yml."""
    return f'kpi:tasuki_kpi_{metric}{{kpi=~"{ids}", period="{period}", dimension="{dimension}"{more}}}'


def query(expression: str, legend: str = "", *, instant: bool = False, rows: bool = False) -> prometheus.Dataquery:
    """rows: for a table, one row a series."""
    asked = prometheus.Dataquery().datasource(SOURCE).expr(expression).legend_format(legend or "__auto")
    if rows:
        asked = asked.format(PromQueryFormat.TABLE)
    return asked.instant() if instant or rows else asked.range()


def number(title: str, said: str, expression: str, legend: str = "", unit: str = "short", span: int = 4) -> Panel:
    """One number, or one for each series, as it is now."""
    panel = stat.Panel().title(title).description(said).datasource(SOURCE).unit(unit).height(4).span(span)
    panel = panel.graph_mode(BigValueGraphMode.AREA).color_mode(BigValueColorMode.VALUE).no_value("-")
    return panel.reduce_options(_last()).with_target(query(expression, legend))


def bars(title: str, said: str, expression: str, legend: str, unit: str = "short", span: int = 12) -> Panel:
    """A bar for each series, the greatest first, as it is now."""
    panel = bargauge.Panel().title(title).description(said).datasource(SOURCE).unit(unit).height(8).span(span)
    panel = panel.orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC).min(0)
    return panel.reduce_options(_last()).with_target(query(f"sort_desc({expression})", legend, instant=True))


def paced(title: str, said: str, expression: str, legend: str, span: int = 12) -> Panel:
    """Bars of shares of what should be reached by now: red below 0.8, yellow below 1."""
    steps = [
        Threshold(value=None, color="red"),
        Threshold(value=0.8, color="yellow"),
        Threshold(value=1.0, color="green"),
    ]
    limits = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    panel = bargauge.Panel().title(title).description(said).datasource(SOURCE).unit("percentunit").height(8).span(span)
    panel = panel.orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC).min(0).max(1.5)
    panel = panel.thresholds(limits).reduce_options(_last())
    return panel.with_target(query(expression, legend, instant=True))


def trend(title: str, said: str, queries: Iterable[tuple[str, str]], unit: str = "short", span: int = 12) -> Panel:
    """Lines over the time that is looked at. queries: pairs of expression and legend."""
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = timeseries.Panel().title(title).description(said).datasource(SOURCE).unit(unit).height(8).span(span)
    panel = panel.legend(legend.show_legend(True)).fill_opacity(10)
    for expression, name in queries:
        panel = panel.with_target(query(expression, name))
    return panel


def rows(title: str, said: str, columns: Sequence[tuple[str, str]], by: str, span: int = WIDTH) -> Panel:
    """A table with a row for each value of the label `by`. columns: pairs of name and expression."""
    panel = table.Panel().title(title).description(said).datasource(SOURCE).height(9).span(span)
    names = {by: by}
    for n, (name, expression) in enumerate(columns):
        asked = query(f"max by ({by}) ({expression})", rows=True).ref_id(chr(ord("A") + n))
        panel = panel.with_target(asked)
        names[f"Value #{chr(ord('A') + n)}" if len(columns) > 1 else "Value"] = name
    panel = panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    organized = {"excludeByName": {"Time": True}, "renameByName": names}
    return panel.with_transformation(DataTransformerConfig(id_val="organize", options=organized))


def board(uid: str, title: str, said: str, sections: Sequence[tuple[str, Sequence[Panel]]], **variables: str) -> object:
    """A dashboard of rows of panels. variables: name -> values separated by commas, or a query of Prometheus."""
    made = dashboard.Dashboard(title).uid(uid).description(said).tags(["tasuki"]).refresh("30s").time("now-24h", "now")
    made = made.timezone("browser").editable()
    made = made.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for name, values in variables.items():
        made = made.with_variable(_asked(name, values) if "(" in values else _chosen(name, values.split(",")))
    numbers = count(1)  # a link to a panel names its id
    for heading, panels in sections:
        made = made.with_row(dashboard.Row(heading).id(next(numbers)))
        for panel in panels:
            made = made.with_panel(panel.id(next(numbers)))
    return made.build()


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _chosen(name: str, values: Sequence[str]) -> dashboard.CustomVariable:
    first = VariableOption(text=values[0], value=values[0], selected=True)
    return dashboard.CustomVariable(name).values(",".join(values)).current(first)


def _asked(name: str, question: str) -> dashboard.QueryVariable:
    return dashboard.QueryVariable(name).datasource(SOURCE).query(question)
