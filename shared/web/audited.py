"""What the audit log is told of a request: whom its answer was about, read from the answer itself."""

from typing import Any

import msgspec

from shared.audit import AuditEvent, By
from shared.web.endpoint import Answer, Call

_LEAD_PATHS = "/v1/leads/{id}"


class _Item(msgspec.Struct):
    lead_id: str | None = None
    lead_ids: list[str] = msgspec.field(default_factory=list)


class _Document(_Item):
    """The names under which answers tell whom they are about; all else is skipped."""

    merged_ids: list[str] = msgspec.field(default_factory=list)
    handoff_id: str | None = None
    id: Any = None
    items: list[Any] = msgspec.field(default_factory=list)
    differing: list[_Item] = msgspec.field(default_factory=list)


_DECODER = msgspec.json.Decoder(_Document)


def audit_event(call: Call[Any, Any], answer: Answer) -> AuditEvent:
    """The audit event of a call, by its answer, whose body is encoded."""
    document = _document(answer)
    leads = [document.lead_id, *document.lead_ids, *document.merged_ids]
    for raw in document.items:
        item = msgspec.convert(raw, _Item, strict=False) if isinstance(raw, dict) else _Item()
        leads += [item.lead_id, *item.lead_ids]
    leads += [item.lead_id for item in document.differing]
    subject = call.path.get("id")
    if call.operation.partition(" ")[2].startswith(_LEAD_PATHS):
        leads.insert(0, subject)
        subject = None
    found = list(dict.fromkeys(lead for lead in leads if lead))
    if subject is None and isinstance(document.handoff_id or document.id, str):
        subject = document.handoff_id or document.id
    return AuditEvent(By(call.caller.name, call.operation), found, subject)


def _document(answer: Answer) -> _Document:
    if not isinstance(answer.body, bytes) or not answer.body.startswith(b"{"):
        return _Document()
    return _DECODER.decode(answer.body)
