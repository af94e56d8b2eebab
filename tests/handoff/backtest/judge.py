"""A back-test done again in the plainest way, by somebody who shares no code with it.

Leads and policies are dictionaries. At every moment the lead is looked at from nothing: of each field the observation
of the best method, then of the latest time, then of the greatest id, among those made until then.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

PRECEDENCE = {
    "employees": ["hearing", "tool", "form"],
    "needs": ["hearing"],
    "authority": ["hearing"],
    "industry": ["hearing", "tool", "form"],
}
Lead = Mapping[str, Any]


def known(lead: Lead, field: str, at: datetime, within_days: int | None = None) -> Any:
    """What was believed of a field at a moment; None where nothing was, or what was is too old."""
    said = [s for s in lead["said"] if s["field"] == field and s["at"] <= at and s["method"] in PRECEDENCE[field]]
    for method in PRECEDENCE[field]:
        of_method = [s for s in said if s["method"] == method]
        if of_method:
            best = max(of_method, key=lambda s: (s["at"], s["id"]))
            if within_days is not None and at - best["at"] > timedelta(days=within_days):
                return None
            return best["value"]
    return None


def ready(lead: Lead, at: datetime, policy: Mapping[str, Any]) -> bool:
    """Whether a policy lets the lead pass: up to `limit` employees by `small`, above by `large`, else by `unknown`.

    Each of these is a list of (field, days); what is confirmed within these days is met.
    """
    employees = known(lead, "employees", at)
    if employees is None or employees < 1:
        wanted = policy["unknown"]
    else:
        wanted = policy["small"] if employees <= policy["limit"] else policy["large"]
    return all(known(lead, field, at, days) == "confirmed" for field, days in wanted)


def passes_at(lead: Lead, policy: Mapping[str, Any], first: datetime, last: datetime) -> datetime | None:
    """The first moment in the period at which the lead is ready."""
    moments = sorted({first, *(s["at"] for s in lead["said"])})
    return next((m for m in moments if first <= m <= last and ready(lead, m, policy)), None)


def with_sales(lead: Lead, first: datetime) -> bool:
    """Whether sales had it when the period began."""
    held = False
    for at, what in sorted(lead["history"]):
        if at < first:
            held = what == "handed" or (held and what not in ("returned", "recycled"))
    return held


def groups(leads: Iterable[Lead], policy: Mapping[str, Any], first: datetime, last: datetime) -> dict[str, list[str]]:
    """Ids of the leads of each group, in order."""
    found: dict[str, list[str]] = {
        name: [] for name in ("would_pass", "did_pass", "both", "only_would", "only_did", "neither")
    }
    for lead in sorted(leads, key=lambda lead: lead["id"]):
        if with_sales(lead, first):
            continue
        would = passes_at(lead, policy, first, last) is not None
        did = any(what == "handed" and first <= at <= last for at, what in lead["history"])
        found["both" if would and did else "only_would" if would else "only_did" if did else "neither"].append(
            lead["id"]
        )
        if would:
            found["would_pass"].append(lead["id"])
        if did:
            found["did_pass"].append(lead["id"])
    return found


def money(leads: Iterable[Lead], ids: Sequence[str]) -> int:
    """Yen of the deals of these leads that were won in the end."""
    total = 0
    for lead in leads:
        if lead["id"] in ids:
            for deal in lead["deals"]:
                closes = [step for step in deal["steps"] if step["status"] in ("won", "lost")]
                amounts = [step["amount"] for step in deal["steps"] if step["amount"] is not None]
                if closes and closes[-1]["status"] == "won" and amounts:
                    total += amounts[-1]
    return total
