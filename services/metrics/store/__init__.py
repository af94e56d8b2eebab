"""The SQL of metrics. Always sets of rows, never single ones."""

from services.metrics.store.cells import DimensionIds, add_cells, ensure_dimensions
from services.metrics.store.counters import CounterKey, add_counters, counters
from services.metrics.store.events import (
    NewEvent,
    Stored,
    all_corrections,
    awaited,
    corrections_of,
    digests,
    event_of,
    groups_from,
    history,
    insert_events,
    roots_of,
)
from services.metrics.store.groups import add_ties, group_names, groups_of, is_new, join_groups, members_of
from services.metrics.store.leads import StoredLead, insert_leads, load_leads, save_leads
from services.metrics.store.locks import lock_world, lock_world_unless
from services.metrics.store.state import as_of, get_meta, set_membership, set_meta, state_number

__all__ = [
    "CounterKey",
    "DimensionIds",
    "NewEvent",
    "Stored",
    "StoredLead",
    "add_cells",
    "add_counters",
    "add_ties",
    "all_corrections",
    "as_of",
    "awaited",
    "corrections_of",
    "counters",
    "digests",
    "ensure_dimensions",
    "event_of",
    "get_meta",
    "group_names",
    "groups_from",
    "groups_of",
    "history",
    "insert_events",
    "insert_leads",
    "is_new",
    "join_groups",
    "load_leads",
    "lock_world",
    "lock_world_unless",
    "members_of",
    "roots_of",
    "save_leads",
    "set_membership",
    "set_meta",
    "state_number",
]
