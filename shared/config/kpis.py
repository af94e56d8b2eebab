"""kpis.yaml as far as the rest of the configuration needs it; metrics reads the catalogue itself."""

from collections.abc import Iterator
from typing import Any

from shared.config.document import Document

ACTIVITY_KPIS = frozenset(
    {
        "calls",
        "connects",
        "conversations",
        "touches",
        "replies",
        "time_spent",
        "second_calls",
        "expected_weekly_connects",
    }
)
"""The activities of the shipped catalogue: they stay activities whatever kpis.yaml calls them."""


def known_kpis(document: Document) -> frozenset[str] | None:
    """The ids of the catalogue, None when there is no catalogue."""
    return frozenset(entry["id"] for entry in _entries(document)) or None


def activity_kpis(document: Document) -> frozenset[str]:
    """The ids of what is done, as opposed to what comes of it."""
    own = {entry["id"] for entry in _entries(document) if entry.get("class") == "activity"}
    return ACTIVITY_KPIS | own


def rank_fields(document: Document) -> tuple[str, ...]:
    """The fields whose being known makes a lead's rank."""
    listed = document.data.get("rank_fields") if isinstance(document.data, dict) else None
    return tuple(field for field in listed if isinstance(field, str)) if isinstance(listed, list) else ()


def _entries(document: Document) -> Iterator[dict[str, Any]]:
    """What looks like a KPI. What does not is for metrics to refuse, which knows the inner form."""
    data = document.data
    listed = data.get("kpis") if isinstance(data, dict) else data
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            yield entry
