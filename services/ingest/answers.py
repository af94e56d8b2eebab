"""What ingest answers about leads: the documents of the contract, made from what is stored. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.ingest.items import LeadRow, Unmapped
from shared.domains import company_domain
from shared.events import FieldStatus, FieldValue, Method, Observation
from shared.fields import Field, FieldRegistry, believed_of_merged
from shared.mistakes import FieldError


class FieldAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The believed value of a field, and where it is from."""

    method: Method
    source: str
    observed_at: datetime
    observation_id: str
    value: FieldValue | None = None
    status: FieldStatus | None = None
    by: str | None = None
    quote: str | None = None


class Company(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of the lead's company."""

    domain: str | None = None
    name: FieldValue | None = None
    corporate_number: FieldValue | None = None


class LeadAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A lead as it is known now."""

    lead_id: str
    external_ids: list[str]
    stage: str
    fields: dict[str, FieldAnswer]
    created_at: datetime
    company: Company
    campaign: str | None = None


class LeadPage(msgspec.Struct, frozen=True):
    """A page of leads."""

    items: list[LeadAnswer]
    next_cursor: str | None


class ObservationAnswer(FieldAnswer, frozen=True, kw_only=True):
    """One value that was once given; `winner`: it is the believed one."""

    field: str
    winner: bool


class UnmappedAnswer(Unmapped, frozen=True, kw_only=True):
    """What came with a submission and is no field of ours."""

    source: str
    observed_at: datetime


class ObservationPage(msgspec.Struct, frozen=True):
    """Every value ever given to a lead, the latest first. `unmapped` comes whole with each page."""

    items: list[ObservationAnswer]
    next_cursor: str | None
    unmapped: list[UnmappedAnswer]


class FieldPage(msgspec.Struct, frozen=True):
    """The field registry."""

    items: list[Field]
    next_cursor: str | None = None


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one entry of a webhook; `errors` when it could not be used and is kept in the quarantine,
    `ignored`: why it has no effect. `lead_id` is not known yet where the submission has to be fetched first."""

    event_id: str | None = None
    lead_id: str | None = None
    duplicate: bool | None = None
    errors: Sequence[FieldError] = ()
    ignored: str | None = None


class WebhookAnswer(Receipt, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a delivery: of its one submission, or of each of a batch (`results`, in its order)."""

    results: Sequence[Receipt] = ()


class ConsentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about whether a lead may be contacted; `channels`: where the basis holds, or with `opted_out_at`
    where the lead may not be contacted. None of them: everywhere. `basis` is null where an opt-out told of none."""

    basis: str | None
    evidence: str
    opted_out_at: datetime | None
    channels: list[str]
    said_by: str
    recorded_at: datetime


class BasisOf(msgspec.Struct, frozen=True):
    """A channel over which the lead may be contacted, and on what basis; None: all that have none of their own."""

    channel: str | None
    basis: str


class OptOut(msgspec.Struct, frozen=True):
    """A channel over which the lead may not be contacted, whatever the basis, and since when; None: any."""

    channel: str | None
    since: datetime


class ConsentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a lead may be contacted: the basis told last (None: there is none), where which basis holds, opt-outs
    (they come before any basis), and all that was said."""

    lead_id: str
    basis: str | None
    bases: list[BasisOf]
    opted_out: list[OptOut]
    history: list[ConsentEntry]


class Erased(msgspec.Struct, frozen=True):
    """A lead whose personal data is gone."""

    lead_id: str
    erased_at: datetime


class CompanyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A company: leads that share a domain or a corporate number. `names`: as written, the commonest first."""

    domains: list[str]
    corporate_numbers: list[str]
    names: list[str]
    lead_ids: list[str]


class CompanyPage(msgspec.Struct, frozen=True):
    """Companies."""

    items: list[CompanyAnswer]
    next_cursor: str | None


class DuplicateAnswer(msgspec.Struct, frozen=True):
    """Leads that might be one: they share an e-mail address or a phone. Merge them if they are."""

    shared: str
    value: str
    lead_ids: list[str]


class DuplicatePage(msgspec.Struct, frozen=True):
    """A page of leads that might be one."""

    items: list[DuplicateAnswer]
    next_cursor: str | None


class ActivityResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one activity: accepted, duplicate or rejected."""

    index: int
    status: str
    event_id: str | None = None
    lead_id: str | None = None
    errors: Sequence[FieldError] = ()


class ActivityReceipt(msgspec.Struct, frozen=True):
    """What became of a request's activities."""

    accepted: int
    duplicates: int
    results: list[ActivityResult]


class TagScanAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last look at a lead's website. `reason`: why the last attempt failed; a queued one is tried again."""

    lead_id: str
    scan_id: str
    state: Literal["queued", "running", "done", "failed"]
    requested_at: datetime
    attempts: int
    next_attempt_at: datetime | None = None
    website: str | None = None
    observed_at: datetime | None = None
    tags: list[str] | None = None
    finished_at: datetime | None = None
    reason: str | None = None


Encoding = Literal["utf-8", "base64", "withheld"]


class QuarantineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A body that could not be used. `body` is text where it is UTF-8, else base64 (`encoding`); to a key without
    `admin` it is blank (`withheld`): a tool may have written its secret there."""

    id: int
    source: str
    received_at: datetime
    content_type: str
    encoding: Encoding
    body: str
    errors: list[FieldError]
    attempts: int
    resolved_at: datetime | None
    results: Any


class RejectedOfImport(msgspec.Struct, frozen=True, kw_only=True):
    """A row of an imported file that was not taken, and why."""

    import_id: str
    row: int
    errors: list[FieldError]
    cells: list[str]


class PersonExport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ingest holds on a person, also what could not be used (`unusable` bodies, `rejected_rows`). Contacts and
    handoffs are handoff's to tell: docs/security.md."""

    lead: LeadAnswer
    merged_ids: list[str]
    observations: list[ObservationAnswer]
    unmapped: list[UnmappedAnswer]
    consent: ConsentAnswer
    unusable: list[QuarantineEntry]
    rejected_rows: list[RejectedOfImport]


class QuarantinePage(msgspec.Struct, frozen=True):
    """A page of the quarantine."""

    items: list[QuarantineEntry]
    next_cursor: str | None


def lead_answer(row: LeadRow, registry: FieldRegistry) -> LeadAnswer:
    """The lead as the contract has it. What is computed here does not depend on the order in which things came."""
    winners = believed_of_merged(registry, row.observations, row.merged)
    said = {field: observation.value for field, observation in winners.items()}
    earliest = min((o.observed_at for o in (*row.observations, *row.merged)), default=None)
    return LeadAnswer(
        lead_id=row.lead_id,
        external_ids=row.external_ids,
        stage=row.stage,
        fields={field.id: _field(FieldAnswer, winners[field.id]) for field in registry if field.id in winners},
        created_at=earliest or (row.submitted[0][0] if row.submitted else row.first_activity_at or row.recorded_at),
        campaign=next((campaign for _, campaign in row.submitted if campaign is not None), None),
        company=Company(
            domain=_domain(row, said),
            name=said.get("company_name"),
            corporate_number=said.get("corporate_number"),
        ),
    )


def observation_answers(row: LeadRow, registry: FieldRegistry) -> list[ObservationAnswer]:
    """All observations of a lead, the latest first."""
    winners = {o.observation_id for o in believed_of_merged(registry, row.observations, row.merged).values()}
    ordered = sorted((*row.observations, *row.merged), key=lambda o: (o.observed_at, o.observation_id), reverse=True)
    return [_field(ObservationAnswer, o, field=o.field, winner=o.observation_id in winners) for o in ordered]


def unmapped_answers(kept: Sequence[tuple[str, datetime, str]]) -> list[UnmappedAnswer]:
    """What came along and is no field of ours, from (source, observed_at, JSON) of `store.read_unmapped`."""
    return [
        UnmappedAnswer(item.name, item.value, item.reason, source=source, observed_at=at)
        for source, at, raw in kept
        for item in _UNMAPPED.decode(raw)
    ]


_UNMAPPED = msgspec.json.Decoder(list[Unmapped])


def _field(answer: type[Any], observation: Observation, **more: Any) -> Any:
    return answer(
        method=observation.method,
        source=observation.source,
        observed_at=observation.observed_at,
        observation_id=observation.observation_id,
        value=observation.value,
        status=observation.status,
        by=observation.by,
        quote=observation.quote,
        **more,
    )


def _domain(row: LeadRow, said: dict[str, FieldValue | None]) -> str | None:
    website, email = said.get("website"), said.get("email")
    told = company_domain(
        website=website if isinstance(website, str) else None, email=email if isinstance(email, str) else None
    )
    return told or next(iter(row.domains), None)
