"""Every operational metric of every service, in one typed catalogue (the KPIs belong to services/metrics)."""

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.telemetry.histogram import Histogram

# `_created` series would double every counter and tell nothing that a scrape does not.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has no types here

_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FRESHNESS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)


class Metrics:
    """The metrics, registered in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.http_request_duration = Histogram(
            "tasuki_http_request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ("service", "route", "method", "status"),
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.http_requests_in_flight = Gauge(
            "tasuki_http_requests_in_flight",
            "Requests that a process works on, the scrape itself among them.",
            ("service",),
            registry=registry,
        )
        self.webhooks = Counter(
            "tasuki_webhooks_total", "Webhook deliveries by result.", ("source", "result"), registry=registry
        )
        self.tag_scans = Counter(
            "tasuki_tag_scans_total",
            "Attempts to find tags in a lead's website by result: done, failed, postponed.",
            ("result",),
            registry=registry,
        )
        self.webhook_deliveries = Counter(
            "tasuki_webhook_deliveries_total",
            "Attempts to tell an endpoint something by result: delivered, failed, dead, gone.",
            ("endpoint", "result"),
            registry=registry,
        )
        self.webhook_pending = Gauge(
            "tasuki_webhook_deliveries_pending",
            "Deliveries that an endpoint has not got yet.",
            ("endpoint",),
            registry=registry,
        )
        self.webhook_oldest = Gauge(
            "tasuki_webhook_deliveries_oldest_seconds",
            "Age of the oldest event that an endpoint has not got yet.",
            ("endpoint",),
            registry=registry,
        )
        self.outbox_pending = Gauge("tasuki_outbox_pending", "Events stored and not yet in the log.", registry=registry)
        self.outbox_oldest = Gauge(
            "tasuki_outbox_oldest_seconds", "Age of the oldest event that is not yet in the log.", registry=registry
        )
        self.consumer_lag = Gauge(
            "tasuki_consumer_lag_events",
            "Events in the log that this service has not taken yet.",
            ("topic", "partition"),
            registry=registry,
        )
        self.consumer_halted = Gauge(
            "tasuki_consumer_halted",
            "1: the consumer has stopped, since its position does not fit what the log holds.",
            ("group",),
            registry=registry,
        )
        self.event_freshness = Histogram(
            "tasuki_event_freshness_seconds",
            "Time from an event's recording at ingest to its commit here.",
            buckets=_FRESHNESS_BUCKETS,
            registry=registry,
        )
        self.handoff_decisions = Counter(
            "tasuki_handoff_decisions_total",
            "Decisions whether a lead may be handed over.",
            ("segment", "decision", "policy"),
            registry=registry,
        )
        self.handoffs_open = Gauge(
            "tasuki_handoffs_open",
            "Handoffs that sales has not closed: pending, and overdue, those of them whose time is over.",
            ("state",),
            registry=registry,
        )
        self.events_processed = Counter(
            "tasuki_events_processed_total",
            "Events taken from the log for the first time.",
            ("topic",),
            registry=registry,
        )
        self.events_duplicate = Counter(
            "tasuki_events_duplicate_total", "Events of the log that were known already.", ("topic",), registry=registry
        )
        self.dead_letters = Counter(
            "tasuki_dead_letters_total",
            "Records of the log that could not be understood.",
            ("topic", "reason"),
            registry=registry,
        )
        self.scrape_failures = Counter(
            "tasuki_scrape_failures_total",
            "Collectors that could not get their figures from the database.",
            ("collector",),
            registry=registry,
        )
