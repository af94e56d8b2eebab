"""The dashboards for Grafana: `make generate` writes them as JSON into deploy/grafana/dashboards.

Those of KPIs are here; that of who runs the system is in operation.py.
"""

import json
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.operation import operation_board
from deploy.grafana.panels import NAMED, PERIODS, bars, board, kpi, named, number, paced, rows, trend

PERIOD = ",".join(PERIODS)
ACTIVITY = "calls|connects|conversations|touches"
RESULT = "appointments|handoffs|opportunities|deals"
MONEY = "pipeline_amount|booked_amount"
FUNNEL = "leads|appointments|handoffs|handoffs_accepted|opportunities|deals"
RATES = "connect_rate|conversation_rate|appointment_rate|call_to_appointment_rate|handoff_acceptance_rate"
CONVERSIONS = "lead_to_opportunity_rate|appointment_to_opportunity_rate|opportunity_to_deal_rate|lead_to_deal_rate"


def team_board() -> Any:
    """What the team reached, against its targets."""
    return board(
        "tasuki-team",
        "Tasuki: チーム / Team",
        "成果・ペース・活動。数値の意味は /v1/kpis と docs/kpis.md。What the team reached, its pace, and what it did.",
        [
            (
                "成果 / Results",
                [
                    number("件数 / Counts", "Results of the period.", named(kpi(RESULT)), NAMED, span=12),
                    number("金額 / Money", "In major units, each currency apart.", named(kpi(MONEY)), NAMED, span=12),
                    paced(
                        "ペース / Pace",
                        "Value / what the business days so far should have brought.",
                        named('kpi:tasuki_kpi_value:pace_ratio{period="$period", dimension="total"}'),
                        NAMED,
                    ),
                    paced(
                        "目標比 / Share of the target",
                        "Value / target of the whole period.",
                        named('kpi:tasuki_kpi_value:target_ratio{period="$period", dimension="total"}'),
                        NAMED,
                    ),
                ],
            ),
            (
                "活動 / Activities",
                [
                    number("活動 / Activities", "Collected, not steered by.", named(kpi(ACTIVITY)), NAMED, span=12),
                    number("率 / Rates", "Of the period.", named(kpi(RATES)), NAMED, "percentunit", span=12),
                    bars(
                        "時間帯別の通電 / Connects by hour",
                        "Hours of the business time zone.",
                        kpi("connects", "hour"),
                        "{{member}}",
                    ),
                    bars("チャネル別の接触 / Touches by channel", "", kpi("touches", "channel"), "{{member}}"),
                ],
            ),
            (
                "推移 / Trends",
                [
                    trend(
                        "今日の活動 / Today's activities",
                        "Each line starts anew at midnight.",
                        [(named(kpi(ACTIVITY, period="today")), NAMED)],
                    ),
                    trend(
                        "今月の成果 / This month's results",
                        "Each line starts anew with the month.",
                        [(named(kpi(RESULT, period="this_month")), NAMED)],
                    ),
                    rows(
                        "チーム別 / By team",
                        "",
                        [(one, kpi(one, "team")) for one in ("calls", "connects", "appointments", "opportunities")],
                        "member",
                    ),
                ],
            ),
        ],
        period=PERIOD,
    )


def rep_board() -> Any:
    """One rep's numbers, beside those of all."""
    mine = ', member="$rep"'
    return board(
        "tasuki-rep",
        "Tasuki: 担当者 / Rep",
        "一人の数値と、全員の一覧。One rep's numbers, and everybody's.",
        [
            (
                "$rep",
                [
                    number("活動 / Activities", "", named(kpi(ACTIVITY, "rep", more=mine)), NAMED, span=12),
                    number("成果 / Results", "", named(kpi(RESULT, "rep", more=mine)), NAMED, span=12),
                    number("率 / Rates", "", named(kpi(RATES, "rep", more=mine)), NAMED, "percentunit", span=12),
                    number("金額 / Money", "", named(kpi(MONEY, "rep", more=mine)), NAMED, span=12),
                    trend(
                        "今日 / Today",
                        "",
                        [(named(kpi(ACTIVITY, "rep", "today", more=mine)), NAMED)],
                    ),
                    paced(
                        "ペース / Pace",
                        "Of the KPIs of which the rep has a target.",
                        named(f'kpi:tasuki_kpi_value:pace_ratio{{period="$period", dimension="rep"{mine}}}'),
                        NAMED,
                    ),
                ],
            ),
            (
                "全員 / Everybody",
                [
                    rows(
                        "担当者別 / By rep",
                        "",
                        [
                            (one, kpi(one, "rep"))
                            for one in (
                                "calls",
                                "connects",
                                "connect_rate",
                                "conversations",
                                "appointments",
                                "handoffs",
                                "opportunities",
                            )
                        ],
                        "member",
                    )
                ],
            ),
        ],
        period=PERIOD,
        rep='label_values(tasuki_kpi_value{dimension="rep", member!="other"}, member)',
    )


def funnel_board() -> Any:
    """From lead to deal."""
    return board(
        "tasuki-funnel",
        "Tasuki: ファネル / Funnel",
        "リードから成約まで。From lead to deal.",
        [
            (
                "ファネル / Funnel",
                [
                    bars("件数 / Counts", "Of the period.", named(kpi(FUNNEL)), NAMED),
                    bars(
                        "転換率 / Conversion",
                        "Cohorts (by the lead's creation) and counts of the period.",
                        named(kpi(CONVERSIONS)),
                        NAMED,
                        "percentunit",
                    ),
                    number("速さ / Speed", "Mean.", named(kpi("speed_to_lead")), NAMED, "s", span=8),
                    number(
                        "日数 / Days",
                        "Means.",
                        named(kpi("days_to_second_action|sales_cycle_days")),
                        NAMED,
                        "d",
                        span=16,
                    ),
                ],
            ),
            (
                "セグメント / Segments",
                [
                    rows(
                        "セグメント別 / By segment",
                        "",
                        [(one, kpi(one, "segment")) for one in ("leads", "appointments", "handoffs", "opportunities")],
                        "member",
                    ),
                    bars(
                        "市場比率 / Share of opportunities",
                        "",
                        kpi("segment_share", "segment"),
                        "{{member}}",
                        "percentunit",
                    ),
                    number(
                        "保有Pipeline / Open pipeline",
                        "At the end of the period, or now.",
                        named(kpi("open_pipeline_amount")),
                        NAMED,
                        span=12,
                    ),
                ],
            ),
        ],
        period=PERIOD,
    )


def handoffs_board() -> Any:
    """What waits for sales, what was decided and why."""
    return board(
        "tasuki-handoffs",
        "Tasuki: 引き渡し / Handoffs",
        "営業を待つ引き渡しと判定。What waits for sales, and what was decided.",
        [
            (
                "受け渡し / Handing over",
                [
                    number(
                        "営業待ち / Waiting for sales",
                        "pending: all that wait; overdue: longer than agreed.",
                        "max by (state) (tasuki_handoffs_open)",
                        "{{state}}",
                        span=8,
                    ),
                    number(
                        "引き渡し / Handoffs",
                        "Of the period.",
                        named(kpi("handoffs|handoffs_accepted|handoffs_decided")),
                        NAMED,
                        span=16,
                    ),
                    trend(
                        "営業待ちの推移 / Waiting",
                        "",
                        [("max by (state) (tasuki_handoffs_open)", "{{state}}")],
                    ),
                    bars(
                        "受諾率 / Acceptance by rep",
                        "",
                        kpi("handoff_acceptance_rate", "rep"),
                        "{{member}}",
                        "percentunit",
                    ),
                ],
            ),
            (
                "判定 / Decisions",
                [
                    trend(
                        "判定 / Decisions",
                        "A second, by answer.",
                        [("sum by (decision) (rate(tasuki_handoff_decisions_total[5m]))", "{{decision}}")],
                    ),
                    trend(
                        "セグメント別 / By segment",
                        "A second.",
                        [("sum by (segment) (rate(tasuki_handoff_decisions_total[5m]))", "{{segment}}")],
                    ),
                ],
            ),
            (
                "Webhooks",
                [
                    trend(
                        "未配信 / Not yet delivered",
                        "",
                        [("max by (endpoint) (tasuki_webhook_deliveries_pending)", "{{endpoint}}")],
                    ),
                    trend(
                        "配信 / Attempts",
                        "A second, by result.",
                        [
                            (
                                "sum by (endpoint, result) (rate(tasuki_webhook_deliveries_total[5m]))",
                                "{{endpoint}}: {{result}}",
                            )
                        ],
                    ),
                ],
            ),
        ],
        period=PERIOD,
    )


BOARDS = {
    "team": team_board,
    "rep": rep_board,
    "funnel": funnel_board,
    "handoffs": handoffs_board,
    "operation": operation_board,
}


def board_as_json(name: str) -> str:
    """The text of deploy/grafana/dashboards/NAME.json."""
    return json.dumps(BOARDS[name](), cls=JSONEncoder, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
