"""What can be asked of ingest."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from .operation import Operation, Upload, given, part
from .types import (
    ActivityReceipt,
    Consent,
    Erased,
    FieldInfo,
    Import,
    ImportReport,
    Lead,
    Observed,
    Page,
    Quarantined,
    TagScan,
)

ACTIVITIES_MAX = 1_000
_BYTES_MAX = 1_000_000  # the service takes 1 MiB


def submit_lead(
    fields: Mapping[str, Any],
    *,
    external_id: str | None = None,
    observed_at: datetime | None = None,
    campaign: str | None = None,
) -> Operation[Lead]:
    """A form submission; it makes the lead or adds to the one that it is about."""
    body = _given(fields=fields, external_id=external_id, observed_at=observed_at, campaign=campaign)
    return Operation("ingest", "POST", "/v1/leads", Lead, body)


def lead(lead_id: str) -> Operation[Lead]:
    """A lead as it is known now."""
    return Operation("ingest", "GET", f"/v1/leads/{part(lead_id)}", Lead)


def observations(lead_id: str, limit: int | None = None) -> Operation[Page[Observed]]:
    """Every value ever given."""
    path = f"/v1/leads/{part(lead_id)}/observations"
    return Operation("ingest", "GET", path, Page[Observed], query=given(limit=limit))


def search(
    *,
    email: str | None = None,
    domain: str | None = None,
    stage: str | None = None,
    rep: str | None = None,
    q: str | None = None,
    limit: int | None = None,
) -> Operation[Page[Lead]]:
    """Leads for which all that is given holds."""
    query = given(email=email, domain=domain, stage=stage, rep=rep, q=q, limit=limit)
    return Operation("ingest", "GET", "/v1/leads", Page[Lead], query=query)


def hearing(lead_id: str, *, rep: str, heard_at: datetime, channel: str, answers: Mapping[str, Any]) -> Operation[Lead]:
    """What a rep heard: `answers` maps a field to `{"status"?, "value"?, "quote"?}`."""
    body = {"rep": rep, "heard_at": heard_at, "channel": channel, "answers": answers}
    return Operation("ingest", "POST", f"/v1/leads/{part(lead_id)}/hearings", Lead, body)


def tool_result(lead_id: str, *, tool: str, observed_at: datetime, fields: Mapping[str, Any]) -> Operation[Lead]:
    """What a tool found out."""
    body = {"tool": tool, "observed_at": observed_at, "fields": fields}
    return Operation("ingest", "POST", f"/v1/leads/{part(lead_id)}/tool-results", Lead, body)


def merge(lead_id: str, into: str) -> Operation[Lead]:
    """Have a lead count as another one; the answer is the one that survives."""
    return Operation("ingest", "POST", f"/v1/leads/{part(lead_id)}/merge", Lead, {"into": into})


def unmerge(lead_id: str) -> Operation[Lead]:
    """Have a merged lead stand by itself again."""
    return Operation("ingest", "POST", f"/v1/leads/{part(lead_id)}/unmerge", Lead)


def consent(
    lead_id: str,
    *,
    basis: str,
    evidence: str,
    opted_out_at: datetime | None = None,
    channels: Sequence[str] = (),
) -> Operation[Consent]:
    """On what basis the lead may be contacted, and how that is known; with `opted_out_at`, that it may not be any more.
    Without `channels` it holds everywhere."""
    body = _given(basis=basis, evidence=evidence, opted_out_at=opted_out_at, channels=list(channels))
    return Operation("ingest", "POST", f"/v1/leads/{part(lead_id)}/consent", Consent, body)


def consents(lead_id: str) -> Operation[Consent]:
    """What was told of contacting the lead, and what holds. Its `opted_out` is heeded whatever basis there is."""
    return Operation("ingest", "GET", f"/v1/leads/{part(lead_id)}/consent", Consent)


def erase(lead_id: str, *, reason: str) -> Operation[Erased]:
    """Have the lead's personal data gone for good, also from the log; what was counted stays."""
    return Operation("ingest", "POST", f"/v1/leads/{part(lead_id)}/erase", Erased, {"reason": reason})


def ask_tag_scan(lead_id: str) -> Operation[TagScan]:
    """Have the lead's website looked at for tags, in the background."""
    return Operation("ingest", "POST", f"/v1/leads/{part(lead_id)}/tag-scan", TagScan)


def tag_scan(lead_id: str) -> Operation[TagScan]:
    """The last look at the lead's website."""
    return Operation("ingest", "GET", f"/v1/leads/{part(lead_id)}/tag-scan", TagScan)


def activities(items: Sequence[Mapping[str, Any]]) -> Operation[ActivityReceipt]:
    """Up to 1,000 activities, judged one by one."""
    return Operation("ingest", "POST", "/v1/activities", ActivityReceipt, list(items))


def activity_chunks(items: Iterable[Mapping[str, Any]]) -> Iterator[Operation[ActivityReceipt]]:
    """Any number of activities, as operations that are neither too long nor too large."""
    chunk: list[Mapping[str, Any]] = []
    size = 0
    for item in items:
        length = len(msgspec.json.encode(item)) + 1
        if chunk and (len(chunk) == ACTIVITIES_MAX or size + length > _BYTES_MAX):
            yield activities(chunk)
            chunk, size = [], 0
        chunk.append(item)
        size += length
    if chunk:
        yield activities(chunk)


def fields() -> Operation[Page[FieldInfo]]:
    """The field registry."""
    return Operation("ingest", "GET", "/v1/fields", Page[FieldInfo])


def quarantine(limit: int | None = None) -> Operation[Page[Quarantined]]:
    """Bodies of webhooks that could not be used, and why."""
    return Operation("ingest", "GET", "/v1/quarantine", Page[Quarantined], query=given(limit=limit))


def retry_quarantined(id_: str | int) -> Operation[dict[str, Any]]:
    """Read a body once more, after what hindered it was mended."""
    return Operation("ingest", "POST", f"/v1/quarantine/{part(str(id_))}/retry", dict[str, Any])


def import_leads(
    source: str, chunks: Callable[[], Iterator[bytes]], *, dry_run: bool = False, charset: str | None = None
) -> Operation[Import]:
    """Leads from a CSV file of any size; `chunks` gives its bytes from the beginning each time it is called."""
    media_type = "text/csv" if charset is None else f"text/csv; charset={charset}"
    query = given(source=source, dry_run="true" if dry_run else None)
    return Operation("ingest", "POST", "/v1/imports", Import, Upload(media_type, chunks), query)


def import_report(import_id: str, limit: int | None = None) -> Operation[ImportReport]:
    """How far an import is, and a page of its rejected rows."""
    return Operation("ingest", "GET", f"/v1/imports/{part(import_id)}", ImportReport, query=given(limit=limit))


def imports(limit: int | None = None) -> Operation[Page[Import]]:
    """Imports, the latest first."""
    return Operation("ingest", "GET", "/v1/imports", Page[Import], query=given(limit=limit))


def rejected_rows(import_id: str) -> Operation[bytes]:
    """The rejected rows of an import as CSV."""
    return Operation("ingest", "GET", f"/v1/imports/{part(import_id)}/rejected.csv", bytes)


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
