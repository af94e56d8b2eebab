"""The SQL of metrics. Always sets of rows, never single ones."""

from services.metrics.store.cells import DimensionIds, add_cells, ensure_dimensions
from services.metrics.store.counters import CounterKey, add_counters, counters
from services.metrics.store.events import (
    all_corrections,
    corrected_leads,
    corrections_of,
    digests,
    event_of,
    history,
    insert_events,
    leads_with_waiting_corrections,
    units_from,
)
from services.metrics.store.leads import StoredLead, insert_leads, load_leads, save_leads
from services.metrics.store.locks import lock_world
from services.metrics.store.state import as_of, get_meta, set_membership, set_meta, state_number

__all__ = [
    "CounterKey",
    "DimensionIds",
    "StoredLead",
    "add_cells",
    "add_counters",
    "all_corrections",
    "as_of",
    "corrected_leads",
    "corrections_of",
    "counters",
    "digests",
    "ensure_dimensions",
    "event_of",
    "get_meta",
    "history",
    "insert_events",
    "insert_leads",
    "leads_with_waiting_corrections",
    "load_leads",
    "lock_world",
    "save_leads",
    "set_membership",
    "set_meta",
    "state_number",
    "units_from",
]
