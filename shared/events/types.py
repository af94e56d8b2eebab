"""Topics, and which type of event has which data and stands in which topic."""

from shared.events.activities import (
    Appointment,
    Call,
    ContentUsed,
    Contract,
    Correction,
    Opportunity,
    Spend,
    Touch,
)
from shared.events.common import Data
from shared.events.handoffs import (
    HandoffAccepted,
    HandoffCreated,
    HandoffDueSoon,
    HandoffOverdue,
    HandoffReassigned,
    HandoffReturned,
    StageChanged,
)
from shared.events.leads import (
    LeadConsent,
    LeadCreated,
    LeadErased,
    LeadFields,
    LeadMerged,
    LeadUnmerged,
)

LEADS = "tasuki.leads.v1"
ACTIVITIES = "tasuki.activities.v1"
HANDOFFS = "tasuki.handoffs.v1"
DEAD_LETTERS = "tasuki.dead-letters.v1"
TOPICS = (LEADS, ACTIVITIES, HANDOFFS, DEAD_LETTERS)

ACTIVITY_TYPES: dict[str, type[Data]] = {
    "call": Call,
    "touch": Touch,
    "content-used": ContentUsed,
    "appointment": Appointment,
    "opportunity": Opportunity,
    "contract": Contract,
    "spend": Spend,
    "correction": Correction,
}
LEAD_TYPES: dict[str, type[Data]] = {
    "lead-created": LeadCreated,
    "lead-fields": LeadFields,
    "lead-merged": LeadMerged,
    "lead-unmerged": LeadUnmerged,
    "lead-consent": LeadConsent,
    "lead-erased": LeadErased,
}
HANDOFF_TYPES: dict[str, type[Data]] = {
    "stage-changed": StageChanged,
    "handoff-created": HandoffCreated,
    "handoff-accepted": HandoffAccepted,
    "handoff-returned": HandoffReturned,
    "handoff-overdue": HandoffOverdue,
}
WEBHOOK_TYPES: dict[str, type[Data]] = {
    "handoff-due-soon": HandoffDueSoon,
    "handoff-reassigned": HandoffReassigned,
}
"""What only webhooks tell. In the log, whoever reads it with an older release would take these for mistakes."""
TYPES: dict[str, type[Data]] = ACTIVITY_TYPES | LEAD_TYPES | HANDOFF_TYPES
WITHOUT_LEAD = frozenset({"contract", "spend", "correction"})
"""Types that may be about no lead: their subject may be missing."""
TOPIC_OF: dict[str, str] = (
    dict.fromkeys(ACTIVITY_TYPES, ACTIVITIES)
    | dict.fromkeys(LEAD_TYPES, LEADS)
    | dict.fromkeys(HANDOFF_TYPES, HANDOFFS)
)
