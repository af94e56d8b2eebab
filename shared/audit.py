"""Who read and changed what of which leads, as it is put on record."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

LEADS_MAX = 1_000
"""Leads of one entry; more of them make more entries."""


class By(NamedTuple):
    """Who does something and what: the name of a key (`webhook:...`, `import:...` where there is none) and an
    operation such as `GET /v1/leads/{id}`."""

    who: str
    operation: str


class AuditEvent(NamedTuple):
    """One operation that was answered. `subject`: what it was about where that is no lead (a handoff, a policy)."""

    by: By
    lead_ids: Sequence[str] = ()
    subject: str | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is on record."""

    number: int
    at: datetime
    who: str
    operation: str
    subject: str | None
    lead_ids: list[str]


def by_group(about: Iterable[tuple[By, str | None]]) -> list[AuditEvent]:
    """One event for each of those who did something, with all of their leads in order."""
    leads: defaultdict[By, set[str]] = defaultdict(set)
    for by, lead_id in about:
        of_one = leads[by]
        if lead_id is not None:
            of_one.add(lead_id)
    return [
        AuditEvent(by, ordered[begin : begin + LEADS_MAX])
        for by, ordered in sorted((by, sorted(found)) for by, found in leads.items())
        for begin in range(0, max(1, len(ordered)), LEADS_MAX)
    ]
