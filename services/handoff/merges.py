"""The merges that handoff was told of, see shared/lead_merges.py."""

from services.handoff.tables import SCHEMA
from shared.lead_merges import LeadMerges, is_told

__all__ = ["MEMBERS", "counting", "is_told", "members", "take"]

_merges = LeadMerges(SCHEMA)

MEMBERS = _merges.members_sql
"""SQL: a lead and those that were merged into it."""

take = _merges.take
counting = _merges.counting
members = _merges.members
