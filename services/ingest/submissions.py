"""From a typed form, a hearing, a tool result or a webhook's entry to a submission, or to what is wrong. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.ingest import whom
from services.ingest.activities import Refused, check_time
from services.ingest.forms import HearingForm, LeadForm, ToolResultForm
from services.ingest.items import Submission, Unmapped, Whom, made_id
from services.ingest.mapping import map_names
from services.ingest.observations import Origin, escape, observation, observe_answers, observe_fields, submission_digest
from services.ingest.providers.base import Form
from shared.audit import By
from shared.config.sources import Source
from shared.events import Name, Observation, Timestamp
from shared.fields import FieldRegistry
from shared.mistakes import FieldError

FORM_SOURCE = "api"
MAX_CAMPAIGN = 200
TAG_COLLECTOR = "tag-collector"
_TAGS_FIELD = "website_tags"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """How a submission came. `seed`: what the sender repeats when it repeats (an Idempotency-Key), if anything.

    `day`: the business day of its arrival; a webhook's form without any identity is the same only within one.
    """

    at: datetime
    day: str
    by: By
    seed: str | None = None
    traceparent: str | None = None


def read_lead(form: LeadForm, registry: FieldRegistry, arrival: Arrival, request: str) -> Submission:
    """A typed form: one wrong field refuses it. Raises Refused.

    `request`: its identity where the sender gave none. What it says is none: who says the same again means it again.
    """
    errors = [] if form.observed_at is None else check_time(form.observed_at, "/observed_at", arrival.at)
    if form.external_id is not None and not whom.is_id(form.external_id):
        errors.append(FieldError("/external_id", "1 to 200 printable characters without spaces"))
    digest = submission_digest(form.external_id, form.fields, form.observed_at, form.campaign)
    origin = Origin(
        source=FORM_SOURCE,
        id=made_id("lead", arrival.seed or request),
        method="form",
        observed_at=_utc(form.observed_at, errors, arrival),
        said_by=FORM_SOURCE,
    )
    observed, wrong = observe_fields(registry, origin, form.fields)
    errors += [FieldError(f"/fields/{escape(field)}", reason) for field, reason in wrong.items()]
    if not observed and form.external_id is None and not errors:
        errors.append(FieldError("/fields", "give at least one field, or an external_id"))
    if errors:
        raise Refused(errors)
    about = whom.by_fields(registry, observed, form.external_id)
    return _submission(origin, digest, about, observed, arrival, campaign=form.campaign)


def read_hearing(lead_id: str, form: HearingForm, registry: FieldRegistry, arrival: Arrival) -> Submission:
    """What a rep heard. Raises Refused."""
    errors = check_time(form.heard_at, "/heard_at", arrival.at)
    digest = submission_digest("hearing", lead_id, form)
    origin = Origin(
        source=FORM_SOURCE,
        id=made_id("hearing", lead_id, arrival.seed or digest.hex()),
        method="hearing",
        observed_at=_utc(form.heard_at, errors, arrival),
        said_by=form.channel or "hearing",
        by=form.rep,
    )
    observed, wrong = observe_answers(registry, origin, form.answers)
    if errors or wrong:
        raise Refused([*errors, *wrong])
    about = _of_lead(lead_id, registry, observed)
    return _submission(origin, digest, about, observed, arrival, rep=form.rep)


def read_tool_result(lead_id: str, form: ToolResultForm, registry: FieldRegistry, arrival: Arrival) -> Submission:
    """What a tool found. Raises Refused."""
    errors = check_time(form.observed_at, "/observed_at", arrival.at)
    digest = submission_digest("tool", lead_id, form)
    origin = Origin(
        source=FORM_SOURCE,
        id=made_id("tool", lead_id, arrival.seed or digest.hex()),
        method="tool",
        observed_at=_utc(form.observed_at, errors, arrival),
        said_by=form.tool,
        by=form.tool,
    )
    observed, wrong = observe_fields(registry, origin, form.fields)
    errors += [FieldError(f"/fields/{escape(field)}", reason) for field, reason in wrong.items()]
    if not observed and not errors:
        errors.append(FieldError("/fields", "give at least one field with a value"))
    if errors:
        raise Refused(errors)
    return _submission(origin, digest, _of_lead(lead_id, registry, observed), observed, arrival)


def takes_tags(registry: FieldRegistry) -> bool:
    """Whether fields.yaml has a place for what the tag collector finds."""
    return (
        _TAGS_FIELD in registry and registry.get(_TAGS_FIELD).type == "list" and registry.allowed(_TAGS_FIELD, "tool")
    )


def read_tag_scan(lead_id: str, scan_id: str, tags: list[str], observed_at: datetime) -> Submission:
    """What the tag collector found in the lead's website; that there was nothing is an observation, too."""
    origin = Origin(
        source=TAG_COLLECTOR,
        id=scan_id,
        method="tool",
        observed_at=observed_at,
        said_by=TAG_COLLECTOR,
        by=TAG_COLLECTOR,
    )
    return Submission(
        source=origin.source,
        id=origin.id,
        digest=submission_digest("tag-scan", lead_id, tags, observed_at),
        method=origin.method,
        whom=Whom(lead_id=lead_id, create=False),
        by=By(TAG_COLLECTOR, "tag scan"),
        observed_at=observed_at,
        observations=(observation(origin, _TAGS_FIELD, value=tags),),
    )


def webhook_id(source: str, name: str) -> str:
    """Our id of a submission that its source calls by a name."""
    return made_id("webhook", source, name)


def read_entry(form: Form, source: Source, registry: FieldRegistry, arrival: Arrival) -> Submission:
    """One submission of a webhook: a wrong value is kept aside and the rest is taken. Raises Refused."""
    digest = submission_digest(form.values)
    mapped = map_names(form.values, source.fields, registry, form.also)
    aside = mapped.unmapped
    observed_at = form.observed_at or _own(mapped.own, "observed_at", Timestamp, aside)
    if observed_at is not None and (late := check_time(observed_at, "", arrival.at)):
        aside.append(Unmapped("observed_at", observed_at, late[0].detail))
        observed_at = None
    external_id = form.external_id or _own(mapped.own, "external_id", str | int, aside)
    if external_id is not None and not whom.is_id(str(external_id)):
        aside.append(Unmapped("external_id", external_id, "is not 1 to 200 printable characters without spaces"))
        external_id = None
    origin = Origin(
        source=source.id,
        id=webhook_id(source.id, form.id or arrival.seed or f"{arrival.day} {digest.hex()}"),
        method="form",
        observed_at=(observed_at or arrival.at).astimezone(UTC),
        said_by=source.id,
    )
    observed, wrong = observe_fields(registry, origin, mapped.fields)
    if not observed and (external_id is None or form.external_id is not None):  # an id alone is no lead to talk to
        errors = [FieldError(f"/{escape(field)}", reason) for field, reason in wrong.items()]
        hint = "holds no field that we know: map the names in `fields` of sources.yaml"
        raise Refused(errors or [FieldError("", hint)])
    aside += [Unmapped(field, mapped.fields[field], reason) for field, reason in wrong.items()]
    about = whom.by_fields(registry, observed, None if external_id is None else str(external_id))
    campaign = _own(mapped.own, "campaign", Name, aside) or source.campaign
    return _submission(origin, digest, about, observed, arrival, campaign=campaign, unmapped=tuple(aside))


def _own(own: Mapping[str, Any], name: str, type_: Any, aside: list[Unmapped]) -> Any:
    """What the sender says of the submission itself; a wrong value is put aside."""
    if name not in own:
        return None
    try:
        return msgspec.convert(own[name], type_)
    except msgspec.ValidationError as error:
        aside.append(Unmapped(name, own[name], str(error)))
        return None


def _utc(given: datetime | None, errors: list[FieldError], arrival: Arrival) -> datetime:
    """In UTC; what is wrong already may lie outside of what a UTC time can be."""
    return arrival.at if given is None or errors else given.astimezone(UTC)


def _of_lead(lead_id: str, registry: FieldRegistry, observed: list[Observation]) -> Whom:
    said = whom.by_fields(registry, observed, None)
    return Whom(lead_id=lead_id, keys=said.keys, terms=said.terms, create=False)


def _submission(
    origin: Origin, digest: bytes, about: Whom, observed: list[Observation], arrival: Arrival, **more: Any
) -> Submission:
    return Submission(
        source=origin.source,
        id=origin.id,
        digest=digest,
        method=origin.method,
        whom=about,
        by=arrival.by,
        observed_at=origin.observed_at,
        observations=tuple(observed),
        traceparent=arrival.traceparent,
        **more,
    )
