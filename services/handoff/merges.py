"""The merges that handoff was told of, see shared/lead_merges.py."""

from services.handoff.tables import SCHEMA
from shared.lead_merges import LeadMerges, is_told

__all__ = ["MEMBERS", "OF_MEMBERS", "counting", "is_told", "members", "take"]

_merges = LeadMerges(SCHEMA)

MEMBERS = _merges.members_sql
"""SQL: a lead and those that were merged into it."""
OF_MEMBERS = f"lead_id = any(array({MEMBERS}))"
"""SQL: whether a row is of one of these. An array, since PostgreSQL does not know how few they are: joined with them,
it reads all rows of a table that has grown since it was looked at last."""

take = _merges.take
counting = _merges.counting
members = _merges.members
