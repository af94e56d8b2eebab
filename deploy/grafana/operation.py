"""The dashboard of those who run Tasuki."""

from typing import Any

from deploy.grafana.panels import board, number, trend


def operation_board() -> Any:
    """Whether everything runs, and how far behind it is."""
    refused = "source:tasuki_webhooks_refused:ratio_increase1h or 0 * source:tasuki_webhooks:rate5m"
    errors = "service:tasuki_http_request_errors:ratio_rate5m or 0 * service:tasuki_http_requests:rate5m"
    # Not by increase(): the first of a topic and reason begins its series, in which nothing has increased.
    letters = "max by (service, topic, reason) (tasuki_dead_letters_total)"
    before = "max by (service, topic, reason) (max_over_time(tasuki_dead_letters_total[1d] offset 1d))"
    dead = (
        f"sum by (service) ({letters} - ({before} or 0 * {letters})) or 0 * max by (service) (tasuki_consumer_halted)"
    )
    return board(
        "tasuki-operation",
        "Tasuki: 運用 / Operation",
        "遅れ・エラー・キュー。Lag, errors, queues. 手順は / what to do: docs/operations.md.",
        [
            (
                "健康 / Health",
                [
                    number(
                        "稼働 / Up", "1: answers its scrapes.", 'min by (service) (up{job="tasuki"})', "{{service}}"
                    ),
                    number(
                        "遅れ / Lag",
                        "Events that are in the log and not yet taken.",
                        "service:tasuki_consumer_lag_events:sum",
                        "{{service}}",
                        span=5,
                    ),
                    number(
                        "未発行 / Outbox",
                        "Age of the oldest event that waits to be published.",
                        "service:tasuki_outbox_oldest_seconds:max",
                        "{{service}}",
                        "s",
                        span=5,
                    ),
                    number(
                        "停止 / Halted",
                        "1: what it has to take next is not in the log, or its topics are others.",
                        "max by (group) (tasuki_consumer_halted)",
                        "{{group}}",
                        span=5,
                    ),
                    number(
                        "デッドレター / Dead letters",
                        "Of the last day.",
                        dead,
                        "{{service}}",
                        span=5,
                    ),
                ],
            ),
            (
                "イベント / Events",
                [
                    trend(
                        "処理 / Taken a second",
                        "",
                        [("service:tasuki_events_processed:rate5m", "{{service}}")],
                    ),
                    trend(
                        "鮮度 / From ingest to the numbers",
                        "",
                        [
                            ("service:tasuki_event_freshness_seconds:p50_rate5m", "p50"),
                            ("service:tasuki_event_freshness_seconds:p99_rate5m", "p99"),
                        ],
                        "s",
                    ),
                    trend(
                        "Webhook受信 / Webhooks in",
                        "A second, by source.",
                        [("source:tasuki_webhooks:rate5m", "{{source}}")],
                    ),
                    trend(
                        "署名の拒否 / Signatures refused",
                        "Share of the last hour's deliveries.",
                        [(refused, "{{source}}")],
                        "percentunit",
                    ),
                ],
            ),
            (
                "HTTP",
                [
                    trend(
                        "要求 / Requests a second", "", [("service:tasuki_http_requests:rate5m", "{{service}}")], span=8
                    ),
                    trend("5xx", "Share of the answers.", [(errors, "{{service}}")], "percentunit", span=8),
                    trend(
                        "p99",
                        "",
                        [("service:tasuki_http_request_duration_seconds:p99_rate5m", "{{service}}")],
                        "s",
                        span=8,
                    ),
                ],
            ),
            (
                "プロセス / Processes",
                [
                    trend(
                        "CPU",
                        "Cores.",
                        [('sum by (service) (rate(process_cpu_seconds_total{job="tasuki"}[5m]))', "{{service}}")],
                        span=8,
                    ),
                    trend(
                        "メモリ / Memory",
                        "",
                        [('max by (service) (process_resident_memory_bytes{job="tasuki"})', "{{service}}")],
                        "bytes",
                        span=8,
                    ),
                    trend(
                        "コンテンツ / Content",
                        "Pieces to choose from, and files that are wrong.",
                        [
                            ("sum(max by (kind) (tasuki_content_pieces))", "pieces"),
                            ("max(tasuki_content_problems)", "wrong"),
                        ],
                        span=8,
                    ),
                ],
            ),
        ],
    )
