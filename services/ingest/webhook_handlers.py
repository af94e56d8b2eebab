"""Webhooks and their quarantine: verify the raw bytes, read them, store, answer."""

import os
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from services.ingest import quarantine
from services.ingest.answers import WebhookAnswer
from services.ingest.browsers import shown
from services.ingest.context import Context, by_of, identity_conflict
from services.ingest.intake import Intake, Taken
from services.ingest.providers import Delivery, Provider, Verdict, with_provider
from services.ingest.providers.encodings import media_type
from services.ingest.submissions import Arrival
from shared.config.sources import Source
from shared.rates import Buckets, parse_rate
from shared.web import Answer, Call, FieldError, Number, Paging, Problem, not_found, page, read_cursor
from shared.web.problems import not_genuine, too_many_requests, unsupported_media_type


class WebhookHandlers:
    """The handlers of `/v1/webhooks/{source}` and `/v1/quarantine`."""

    def __init__(self, context: Context, intake: Intake) -> None:
        self._context = context
        self._intake = intake
        self._limits = {
            s.id: Buckets(parse_rate(s.rate_limit)) for s in context.config.sources.values() if s.rate_limit
        }

    def prove(self, call: Call) -> None:
        """That a delivery is of its source. Raises Problem 401, 404, 503."""
        source, provider = self._source(call.path["source"])
        verdict = provider.verify(_delivery(call, source, self._context.clock.now()), _configured(source))
        if verdict is Verdict.GENUINE:
            return
        self._count(source.id, verdict.value)
        if verdict is Verdict.STALE:  # somebody knows the secret: a clock is wrong, or a delivery is played back
            self._context.telemetry.log.warning("webhook_stale", source=source.id)
        raise not_genuine(
            "The signature is right but too old or from the future: look at the sender's clock and ours."
            if verdict is Verdict.STALE
            else "The signature or the secret of this source is missing or wrong."
        )

    async def post(self, call: Call) -> Answer:
        """One delivery of a source, which is proved to be."""
        source, provider = self._source(call.path["source"])
        delivery = _delivery(call, source, self._context.clock.now())
        if source.id in self._limits and (wait_s := self._limits[source.id].take(source.id)):
            self._count(source.id, "limited")
            raise too_many_requests(wait_s)
        reply = provider.challenge(delivery, _configured(source))
        if reply is not None:
            self._count(source.id, "challenge")
            return Answer(reply.body, 200, reply.headers, reply.media_type)
        if media_type(delivery.content_type) not in provider.media_types:
            raise unsupported_media_type(f"{source.id} takes {', '.join(sorted(provider.media_types))}.")
        arrival = self._context.arrival(call)
        taken = await self._intake.take(source, provider, delivery, arrival, call.idempotency_key)
        if taken.unused:
            async with self._context.database() as db:
                await quarantine.keep(db, taken.unused, arrival.at)
        for result in taken.results:
            self._count(source.id, result)
        return shown(_answer(taken), source, delivery.headers.get("accept", ""))

    async def get(self, call: Call) -> Answer:
        """Whether we are there, as some providers ask before they deliver anything."""
        source, provider = self._source(call.path["source"])
        try:
            verify_token = source.verify_token(os.environ)
        except LookupError as error:
            raise _not_configured(error) from error
        reply = provider.answer_get(call.request.query_params, _configured(source), verify_token)
        if reply is None:
            self._count(source.id, "challenge_refused")
            told = "Look at the verify token (`verify_token_env`, else the secret), and at what the provider asks."
            raise Problem(403, "wrong-challenge", "This is not the question that the source's provider asks", told)
        self._count(source.id, "challenge")
        return Answer(reply.body, 200, reply.headers, reply.media_type)

    async def list_quarantine(self, call: "Call[None, Paging]") -> Answer:
        """What could not be used, the latest first."""
        before = read_cursor(call.query.cursor, Number)
        async with self._context.database() as db:
            kept = await quarantine.page(db, before, call.query.limit + 1)
        paged = page(kept, call.query.limit, lambda entry: entry.id)
        return Answer(paged | {"items": [quarantine.shown(entry, call.caller) for entry in paged["items"]]})

    async def retry(self, call: Call) -> Answer:
        """Try an entry again with the configuration as it is now. One that was brought in answers as it did then."""
        entry = await self._entry(call.path["id"])
        if entry.resolved_at is not None:
            return Answer(quarantine.shown(entry, call.caller))
        source, provider = self._source(entry.source)
        arrival = Arrival(
            at=entry.received_at,
            day=entry.received_at.astimezone(self._context.zone).date().isoformat(),
            by=by_of(call),
            seed=entry.idempotency_key and f" {entry.idempotency_key}",
        )
        delivery = Delivery(
            body=entry.body, content_type=entry.content_type, headers=entry.headers, at=entry.received_at
        )
        taken = await self._intake.take(source, provider, delivery, arrival, entry.idempotency_key)
        async with self._context.database() as db:
            if taken.unused:
                await quarantine.failed_again(db, entry.id, taken.unused[0].errors)
            else:
                await quarantine.resolve(db, entry.id, taken.receipts, self._context.clock.now())
        if taken.unused:
            raise _unusable(taken.unused[0].errors)
        return Answer(quarantine.shown(await self._entry(call.path["id"]), call.caller))

    def _source(self, source_id: str) -> tuple[Source, Provider]:
        source = self._context.config.sources.get(source_id)
        known = with_provider(source) if source else None
        if known is None:
            self._count("other", "unknown_source")
            raise not_found(f"There is no source {source_id[:100]} that this version can read; see sources.yaml.")
        return known

    async def _entry(self, entry_id: str) -> quarantine.Kept:
        is_number = entry_id.isascii() and entry_id.isdecimal() and len(entry_id) <= 18
        async with self._context.database() as db:
            entry = await quarantine.read(db, int(entry_id)) if is_number else None
        if entry is None:
            raise not_found(f"There is no entry {entry_id[:20]} in the quarantine.")
        return entry

    def _count(self, source: str, result: str) -> None:
        self._context.telemetry.metrics.webhooks.labels(source, result).inc()


def _delivery(call: Call, source: Source, at: datetime) -> Delivery:
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    return Delivery(
        body=call.raw,
        content_type=headers.get("content-type", ""),
        headers=headers,
        url=_public_url(call, source),
        query=dict(call.request.query_params),
        at=at,
    )


def _public_url(call: Call, source: Source) -> str:
    """The address that the sender was given: what `public_url` says, or as it was asked. The query is that of the
    request, if it has one: Twilio adds to what it was given."""
    asked = call.request.url
    if source.public_url is None:
        return str(asked)
    has_path = urlsplit(source.public_url).path not in ("", "/")
    address = source.public_url if has_path else source.public_url.rstrip("/") + asked.path
    return f"{address.partition('?')[0]}?{asked.query}" if asked.query else address


def _configured(source: Source) -> Sequence[str]:
    try:
        return source.secrets(os.environ)
    except LookupError as error:
        raise _not_configured(error) from error


def _not_configured(error: LookupError) -> Problem:
    return Problem(503, "source-not-configured", "The source has no secret", str(error.args[0]))


def _answer(taken: Taken) -> Answer:
    """202 when anything of it is stored, or nothing had to be."""
    if all(result in ("unusable", "conflict", "erased_lead") for result in taken.results):
        if "conflict" in taken.results:
            raise identity_conflict()
        raise _unusable([error for receipt in taken.receipts for error in receipt.errors])
    if taken.is_batch:
        return Answer(WebhookAnswer(results=taken.receipts), 202)
    return Answer(next((r for r in taken.receipts if r.event_id is not None), taken.receipts[0]), 202)


def _unusable(errors: Sequence[FieldError]) -> Problem:
    detail = "It is kept in the quarantine and can be tried again from there: GET /v1/quarantine."
    return Problem(422, "unusable-payload", "Nothing of the payload can be used", detail, errors=errors[:100])
