"""The data of one event of each type, as the log may hold it: examples for docs/asyncapi.yaml."""

from typing import Any

_HANDOFF = {"handoff_id": "01a20d5f-a087-7049-84d3-1eaa89cbb2c8"}
_LEAD = "01a20d5f-a087-7049-84d3-1eaa89cbb2c7"

EVENT_EXAMPLES: dict[str, dict[str, Any]] = {
    "lead-created": {"source": "website", "external_ids": ["crm-4711"], "campaign": "autumn-seminar", "via": "fields"},
    "lead-fields": {
        "observations": [
            {
                "observation_id": "92cafd33-82e1-5a95-b0d7-6c566e1fbb80",
                "field": "employees",
                "method": "form",
                "source": "website",
                "observed_at": "2026-11-20T01:00:00Z",
                "value": 350,
            },
            {
                "observation_id": "f6e2795e-bb60-55b5-bddf-37124b3f01b7",
                "field": "needs",
                "method": "hearing",
                "source": "call",
                "observed_at": "2026-11-20T01:00:00Z",
                "status": "confirmed",
                "by": "tanaka",
            },
        ]
    },
    "lead-merged": {"into": _LEAD},
    "lead-unmerged": {"from": _LEAD},
    "lead-consent": {"basis": "published", "evidence": "their website names the address", "channels": ["email"]},
    "lead-erased": {"reason": "asked for by the person on 2026-11-20"},
    "call": {"rep": "tanaka", "direction": "outbound", "outcome": "conversation", "duration_s": 240},
    "touch": {"channel": "email", "direction": "outbound", "rep": "tanaka", "outcome": "replied"},
    "content-used": {
        "rep": "tanaka",
        "content": "machine-tools-exhibition",
        "kind": "case_study",
        "language": "ja",
        "channel": "email",
    },
    "appointment": {
        "appointment_id": "a-17",
        "status": "set",
        "rep": "tanaka",
        "scheduled_for": "2026-11-27T05:00:00Z",
        "accepted_by": {"title": "Head of sales", "has_authority": True},
        "how_set": "call",
        "pressured": False,
        "problem_clear": True,
    },
    "opportunity": {
        "opportunity_id": "o-9",
        "status": "created",
        "amount": {"value": "1200000", "currency": "JPY"},
        "credited_rep": "tanaka",
        "owner": "sato",
    },
    "contract": {
        "contract_id": "k-3",
        "company": "example.co.jp",
        "status": "started",
        "effective_on": "2026-12-01",
        "arr": {"value": "1200000", "currency": "JPY"},
    },
    "spend": {
        "amount": {"value": "300000", "currency": "JPY"},
        "category": "marketing",
        "spent_on": "2026-11-01",
        "campaign": "autumn-seminar",
    },
    "correction": {"corrects": {"source": "dialer", "id": "c-1"}, "action": "replace", "data": {"outcome": "busy"}},
    "stage-changed": {"from": "Target", "to": "MQL", "cycle": 1, "rule": "needs_confirmed"},
    "handoff-created": _HANDOFF
    | {"rep": "tanaka", "owner": "sato", "segment": "smb", "policy": {"id": "default", "version": 1}},
    "handoff-accepted": _HANDOFF | {"sales_rep": "sato"},
    "handoff-returned": _HANDOFF | {"sales_rep": "sato", "reason": "bad_timing", "comment": "Budget comes in April"},
    "handoff-overdue": _HANDOFF,
}
