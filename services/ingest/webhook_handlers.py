"""Webhooks and their quarantine: verify the raw bytes, read them, store, answer."""

import base64
import os
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from services.ingest import quarantine
from services.ingest.activities import Refused
from services.ingest.answers import QuarantineEntry, Receipt, WebhookAnswer
from services.ingest.context import Context, identity_conflict, submit
from services.ingest.items import Outcome, Submission
from services.ingest.providers import PROVIDERS, Delivery, Payload, Provider, Unusable
from services.ingest.providers.encodings import JSON, media_type
from services.ingest.submissions import Arrival, read_entry
from shared.config.sources import Source
from shared.web import Answer, Call, FieldError, Paging, Problem, not_found, page, read_cursor
from shared.web.problems import unauthorized, unsupported_media_type


class Intake(NamedTuple):
    """What became of a delivery. `unused`: what could not be used of it, for the quarantine."""

    receipts: list[Receipt]
    outcomes: list[Outcome]
    is_batch: bool
    unused: list[quarantine.Unused]


class WebhookHandlers:
    """The handlers of `/v1/webhooks/{source}` and `/v1/quarantine`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def post(self, call: Call) -> Answer:
        """One delivery of a source."""
        source, provider = self._source(call.path["source"])
        headers = {name.lower(): value for name, value in call.request.headers.items()}
        delivery = Delivery(call.raw, headers.get("content-type", ""), headers)
        if media_type(delivery.content_type) not in provider.media_types:
            raise unsupported_media_type(f"{source.id} takes {', '.join(sorted(provider.media_types))}.")
        if not provider.is_authentic(delivery, _secrets(source)):
            self._count(source.id, "unauthorized")
            raise unauthorized("The secret of this source is missing or wrong.")
        arrival = self._context.arrival(call)
        intake = await self._take(source, provider, delivery, arrival, call.idempotency_key)
        if intake.unused:
            async with self._context.database() as db:
                await quarantine.keep(db, intake.unused, arrival.at)
        self._count(source.id, "unusable", len(intake.unused))
        for outcome in intake.outcomes:
            self._count(source.id, outcome.status)
        return _answer(intake)

    async def list_quarantine(self, call: "Call[None, Paging]") -> Answer:
        """What could not be used, the latest first."""
        before = read_cursor(call.query.cursor, int)
        async with self._context.database() as db:
            kept = await quarantine.page(db, before, call.query.limit + 1)
        paged = page(kept, call.query.limit, lambda entry: entry.id)
        return Answer(paged | {"items": [_shown(entry) for entry in paged["items"]]})

    async def retry(self, call: Call) -> Answer:
        """Try an entry again with the configuration as it is now. One that was brought in answers as it did then."""
        entry = await self._entry(call.path["id"])
        if entry.resolved_at is not None:
            return Answer(_shown(entry))
        source, provider = self._source(entry.source)
        arrival = Arrival(
            at=entry.received_at,
            day=entry.received_at.astimezone(self._context.zone).date().isoformat(),
            seed=entry.idempotency_key and f" {entry.idempotency_key}",
        )
        delivery = Delivery(entry.body, entry.content_type)
        intake = await self._take(source, provider, delivery, arrival, entry.idempotency_key)
        async with self._context.database() as db:
            if intake.unused:
                await quarantine.failed_again(db, entry.id, intake.unused[0].errors)
            else:
                await quarantine.resolve(db, entry.id, intake.receipts, self._context.clock.now())
        if intake.unused:
            raise _unusable(intake.unused[0].errors)
        return Answer(_shown(await self._entry(call.path["id"])))

    def _source(self, source_id: str) -> tuple[Source, Provider]:
        source = self._context.config.sources.get(source_id)
        provider = PROVIDERS.get(source.provider) if source else None
        if source is None or provider is None:
            self._count("other", "unknown_source")
            raise not_found(f"There is no source {source_id[:100]} that this version can read; see sources.yaml.")
        return source, provider

    async def _entry(self, entry_id: str) -> quarantine.Kept:
        is_number = entry_id.isascii() and entry_id.isdecimal() and len(entry_id) <= 18
        async with self._context.database() as db:
            entry = await quarantine.read(db, int(entry_id)) if is_number else None
        if entry is None:
            raise not_found(f"There is no entry {entry_id[:20]} in the quarantine.")
        return entry

    async def _take(
        self, source: Source, provider: Provider, delivery: Delivery, arrival: Arrival, key: str | None
    ) -> Intake:
        try:
            payload = await provider.read(delivery)
        except Unusable as error:
            errors = [FieldError("", str(error))]
            unused = [quarantine.Unused(source.id, key, delivery.content_type, delivery.body, errors)]
            return Intake([Receipt(errors=errors)], [], False, unused)
        read: dict[int, Submission] = {}
        refused: dict[int, tuple[FieldError, ...]] = {}
        for index, entry in enumerate(payload.entries):
            try:
                read[index] = read_entry(
                    entry, source, self._context.config.fields, _nth(arrival, index, payload.is_batch)
                )
            except Refused as error:
                refused[index] = error.errors
        outcomes = await submit(self._context.recorder.submissions, list(read.values())) if read else []
        receipts = dict(zip(read, map(_receipt, outcomes), strict=True))
        receipts |= {index: Receipt(errors=errors) for index, errors in refused.items()}
        unused = [_unused(source, key, payload, i, delivery, errors) for i, errors in refused.items()]
        ordered = [receipts[index] for index in range(len(payload.entries))]
        return Intake(ordered, list(outcomes), payload.is_batch, unused)

    def _count(self, source: str, result: str, times: int = 1) -> None:
        if times:
            self._context.telemetry.metrics.webhooks.labels(source, result).inc(times)


def _secrets(source: Source) -> Sequence[str]:
    try:
        return source.secrets(os.environ)
    except LookupError as error:
        raise Problem(503, "source-not-configured", "The source has no secret", str(error.args[0])) from error


def _nth(arrival: Arrival, index: int, is_batch: bool) -> Arrival:
    if not is_batch or arrival.seed is None:
        return arrival
    return msgspec.structs.replace(arrival, seed=f"{arrival.seed} {index}")


def _unused(
    source: Source, key: str | None, payload: Payload, index: int, delivery: Delivery, errors: Sequence[FieldError]
) -> quarantine.Unused:
    """What to keep: the whole body, or of a batch the one entry, each under the identity that it would have had."""
    if not payload.is_batch:
        return quarantine.Unused(source.id, key, delivery.content_type, delivery.body, list(errors))
    body = msgspec.json.encode(payload.entries[index])
    return quarantine.Unused(source.id, key and f"{key} {index}", JSON, body, list(errors))


def _receipt(outcome: Outcome) -> Receipt:
    if outcome.taken:
        return Receipt(outcome.event_id, outcome.lead_id, outcome.status == "duplicate")
    return Receipt(errors=(FieldError("", "the Idempotency-Key came before with other content"),))


def _answer(intake: Intake) -> Answer:
    taken = any(outcome.taken for outcome in intake.outcomes)
    if not taken and any(outcome.status == "conflict" for outcome in intake.outcomes):
        raise identity_conflict()
    if not taken:
        raise _unusable([error for receipt in intake.receipts for error in receipt.errors])
    return Answer(WebhookAnswer(results=intake.receipts) if intake.is_batch else intake.receipts[0], 202)


def _unusable(errors: Sequence[FieldError]) -> Problem:
    detail = "It is kept in the quarantine and can be tried again from there: GET /v1/quarantine."
    return Problem(422, "unusable-payload", "Nothing of the payload can be used", detail, errors=errors[:100])


def _shown(entry: quarantine.Kept) -> QuarantineEntry:
    try:
        encoding, body = "utf-8", entry.body.decode()
    except UnicodeDecodeError:
        encoding, body = "base64", base64.b64encode(entry.body).decode()
    return QuarantineEntry(
        id=entry.id,
        source=entry.source,
        received_at=entry.received_at,
        content_type=entry.content_type,
        encoding=encoding,
        body=body,
        errors=entry.errors,
        attempts=entry.attempts,
        resolved_at=entry.resolved_at,
        results=entry.results,
    )
