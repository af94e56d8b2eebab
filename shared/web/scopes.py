"""What a caller may be allowed to do."""

SCOPES = (
    "leads:write",
    "leads:read",
    "activities:write",
    "handoffs:write",
    "handoffs:decide",
    "handoffs:override",
    "kpis:read",
    "outreach:read",
    "admin",
)
ADMIN = "admin"
"""The scope that holds all others, and the name of the key that TASUKI_ADMIN_KEY sets."""
