"""How long ingest keeps what it needs for a time only. Imports are swept by their worker: it knows what is in use."""

from datetime import timedelta

from shared.prune import Retention
from shared.settings import Settings

TOKENS_KEPT = timedelta(days=8)
"""A signature that is older is refused as stale long before."""


def retentions(settings: Settings) -> tuple[Retention, ...]:
    """By table."""
    unused = timedelta(days=settings.retention_quarantine_days)
    return (
        Retention("ingest.quarantine", "received_at", unused),
        Retention("ingest.fetches", "received_at", unused, where="state <> 'waiting'"),
        Retention("ingest.webhook_tokens", "seen_at", TOKENS_KEPT),
    )
