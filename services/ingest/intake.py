"""From what a provider has read to what is stored: forms, activities, notices of forms that must be fetched."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from services.ingest import fetches, quarantine, webhook_tokens
from services.ingest.activities import Refused, read_activity
from services.ingest.answers import Receipt
from services.ingest.context import Context
from services.ingest.items import Activity, Outcome, Submission
from services.ingest.observations import submission_digest
from services.ingest.providers import Aside, Delivery, Form, Happened, Nothing, Payload, Provider, Thin, Unusable
from services.ingest.providers.base import Broken
from services.ingest.providers.encodings import JSON
from services.ingest.submissions import Arrival, read_entry
from shared.config.sources import Source
from shared.mistakes import FieldError
from shared.web.problems import not_genuine

CONFLICT = FieldError("", "the same identity came before with other content")
ERASED = FieldError("", "the lead was erased")


class Taken(NamedTuple):
    """What became of a delivery. `results`: one word for each entry, for the counter; `unused`: for the quarantine."""

    receipts: Sequence[Receipt]
    results: Sequence[str]
    is_batch: bool
    unused: list[quarantine.Unused]


class _Sorted(NamedTuple):
    """The entries of a payload by their index: what can be stored, and what became of the others."""

    submissions: dict[int, Submission]
    activities: dict[int, Activity]
    notices: dict[int, Thin]
    told: dict[int, tuple[Receipt, str]]


class Intake:
    """Stores deliveries. Each entry is judged alone."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def take(
        self, source: Source, provider: Provider, delivery: Delivery, arrival: Arrival, key: str | None
    ) -> Taken:
        """Read and store a delivery. Raises Problem 401 (a replay) and 503, DatabaseUnavailable."""
        try:
            payload = await provider.read(delivery)
        except Unusable as error:
            errors = [FieldError("", str(error))]
            kept = _kept_headers(provider, delivery)
            whole = quarantine.Unused(source.id, key, delivery.content_type, delivery.body, errors, kept)
            return Taken([Receipt(errors=errors)], ["unusable"], False, [whole])
        if payload.once is not None:
            await self._only_once(source, payload, arrival)
        sorted_ = self._sort(payload, source, arrival)
        told = sorted_.told | await self._store(source, sorted_, arrival)
        unused = [
            _unused(source, key, payload, index, provider, delivery, receipt.errors)
            for index, (receipt, result) in sorted(told.items())
            if result in ("unusable", "aside")
        ]
        in_order = [told[index] for index in range(len(payload.entries))]
        return Taken([receipt for receipt, _ in in_order], [result for _, result in in_order], payload.is_batch, unused)

    def read(self, entry: Form, source: Source, arrival: Arrival) -> Submission:
        """A form as a submission. Raises Refused."""
        return read_entry(entry, source, self._context.config.fields, arrival)

    def _sort(self, payload: Payload, source: Source, arrival: Arrival) -> _Sorted:
        sorted_ = _Sorted({}, {}, {}, {})
        for index, entry in enumerate(payload.entries):
            nth = _nth(arrival, index, payload.is_batch)
            try:
                if isinstance(entry, Form):
                    sorted_.submissions[index] = self.read(entry, source, nth)
                elif isinstance(entry, Happened):
                    sorted_.activities[index] = _activity(entry, source, nth)
                elif isinstance(entry, Thin):
                    sorted_.notices[index] = entry
                else:
                    sorted_.told[index] = _without_effect(entry)
            except Refused as error:
                sorted_.told[index] = (Receipt(errors=error.errors), "unusable")
        return sorted_

    async def _store(self, source: Source, sorted_: _Sorted, arrival: Arrival) -> dict[int, tuple[Receipt, str]]:
        """Forms first: they make the leads by whose e-mail activities of the same delivery are found."""
        recorder = self._context.recorder
        told: dict[int, tuple[Receipt, str]] = {}
        if sorted_.submissions:
            outcomes = await self._context.submit(recorder.submissions, list(sorted_.submissions.values()))
            told |= dict(zip(sorted_.submissions, map(_outcome, outcomes), strict=True))
        if sorted_.activities:
            outcomes = await self._context.submit(recorder.activities, list(sorted_.activities.values()))
            told |= dict(zip(sorted_.activities, map(_outcome, outcomes), strict=True))
        if sorted_.notices:
            if source.token_env is None:
                reason = "sources.yaml names no token_env for it; they wait until it does"
                self._context.telemetry.log.warning("notices_cannot_be_fetched", source=source.id, reason=reason)
            async with self._context.database() as db:
                new = await fetches.add(db, source.id, list(sorted_.notices.values()), arrival)
            for index, notice in sorted_.notices.items():
                is_new = notice.id in new
                new.discard(notice.id)  # the next one of this delivery repeats it
                receipt = Receipt(fetches.event_id(source.id, notice.id), None, not is_new)
                told[index] = (receipt, "to_fetch" if is_new else "duplicate")
        return told

    async def _only_once(self, source: Source, payload: Payload, arrival: Arrival) -> None:
        said = msgspec.json.encode([entry.raw for entry in payload.entries], order="deterministic")
        async with self._context.database() as db:
            fresh = await webhook_tokens.claim(db, source.id, payload.once or "", said, arrival.at)
        if not fresh:
            raise not_genuine("The signature of this delivery was used before, with other content.")


def _activity(entry: Happened, source: Source, arrival: Arrival) -> Activity:
    """Raises Refused."""
    said = {name: value for name, value in entry.activity.items() if value is not None}
    for name in ("rep", "owner", "credited_rep"):
        if isinstance(said.get(name), str | int):
            said[name] = source.reps.get(str(said[name]), str(said[name]))
    if said.get("type") in ("call", "touch", "spend") and source.campaign is not None:
        said.setdefault("campaign", source.campaign)
    activity = read_activity(
        said | {"source": source.id}, arrival.at, arrival.by, seed=arrival.seed, traceparent=arrival.traceparent
    )
    told = entry.activity if entry.compared is None else {name: entry.activity.get(name) for name in entry.compared}
    return msgspec.structs.replace(activity, digest=submission_digest(told))


def _without_effect(entry: Nothing | Aside | Broken) -> tuple[Receipt, str]:
    if isinstance(entry, Nothing):
        return Receipt(ignored=entry.reason), "ignored"
    errors = (FieldError("", entry.reason),)
    return Receipt(errors=errors), "aside" if isinstance(entry, Aside) else "unusable"


def _outcome(outcome: Outcome) -> tuple[Receipt, str]:
    if outcome.taken:
        return Receipt(outcome.event_id, outcome.lead_id, outcome.status == "duplicate"), outcome.status
    if outcome.status == "conflict":
        return Receipt(errors=(CONFLICT,)), "conflict"
    if outcome.status == "erased_lead":
        return Receipt(errors=(ERASED,)), "erased_lead"
    return Receipt(errors=outcome.errors), "unusable"


def _nth(arrival: Arrival, index: int, is_batch: bool) -> Arrival:
    if not is_batch or arrival.seed is None:
        return arrival
    return msgspec.structs.replace(arrival, seed=f"{arrival.seed} {index}")


def _unused(
    source: Source,
    key: str | None,
    payload: Payload,
    index: int,
    provider: Provider,
    delivery: Delivery,
    errors: Sequence[FieldError],
) -> quarantine.Unused:
    """What to keep: the whole body, or of a batch the one entry, each under the identity that it would have had."""
    kept = _kept_headers(provider, delivery)
    if not payload.is_batch:
        return quarantine.Unused(source.id, key, delivery.content_type, delivery.body, list(errors), kept)
    body = msgspec.json.encode(payload.entries[index].raw)
    return quarantine.Unused(source.id, key and f"{key} {index}", JSON, body, list(errors), kept)


def _kept_headers(provider: Provider, delivery: Delivery) -> dict[str, Any]:
    return {name: value for name, value in delivery.headers.items() if name in provider.keeps}
