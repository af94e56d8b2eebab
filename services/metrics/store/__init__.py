"""The SQL of metrics. Always sets of rows, never single ones."""

from services.metrics.store.cells import DimensionIds, add_cells, ensure_dimensions
from services.metrics.store.counters import CounterKey, add_counters, counters
from services.metrics.store.events import (
    NewEvent,
    Stored,
    all_corrections,
    awaited,
    corrections_of,
    event_of,
    groups_from,
    groups_up_to,
    history,
    roots_of,
    stage_events,
    store_events,
    stored_events,
    told_between,
    tying_events,
)
from services.metrics.store.groups import add_ties, groups_of, join_groups, members_of, reaches_beyond
from services.metrics.store.leads import StoredLead, load_leads, save_leads
from services.metrics.store.locks import lock_shards, lock_units, lock_world, lock_world_unless
from services.metrics.store.sides import Side, advance_side, begin_side, hold_sides, show_side, shown_cells, sides
from services.metrics.store.state import as_of, count_rebuild, set_membership, state_number

__all__ = [
    "CounterKey",
    "DimensionIds",
    "NewEvent",
    "Side",
    "Stored",
    "StoredLead",
    "add_cells",
    "add_counters",
    "add_ties",
    "advance_side",
    "all_corrections",
    "as_of",
    "awaited",
    "begin_side",
    "corrections_of",
    "count_rebuild",
    "counters",
    "ensure_dimensions",
    "event_of",
    "groups_from",
    "groups_of",
    "groups_up_to",
    "history",
    "hold_sides",
    "join_groups",
    "load_leads",
    "lock_shards",
    "lock_units",
    "lock_world",
    "lock_world_unless",
    "members_of",
    "reaches_beyond",
    "roots_of",
    "save_leads",
    "set_membership",
    "show_side",
    "shown_cells",
    "sides",
    "stage_events",
    "state_number",
    "store_events",
    "stored_events",
    "told_between",
    "tying_events",
]
