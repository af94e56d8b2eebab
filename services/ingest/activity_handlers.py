"""Activities: one object or an array of them, each judged alone."""

from collections.abc import Sequence
from typing import Any

from services.ingest.activities import Refused, read_activity
from services.ingest.answers import ActivityReceipt, ActivityResult
from services.ingest.context import Context, by_of, identity_conflict
from services.ingest.forms import MAX_ACTIVITIES
from services.ingest.items import Activity, Outcome
from shared.telemetry import current_traceparent
from shared.web import Answer, Call, FieldError, Problem, invalid

_REASONS = {
    "conflict": FieldError(
        "/id", "identity conflict: the same source and id came before with other content; send a correction instead"
    ),
    "erased_lead": FieldError("/lead_id", "the lead was erased"),
}
_SHOWN = 100
"""Errors told at the top of a refusal; each item's own stand in `results`."""


class ActivityHandlers:
    """The handler of `/v1/activities`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def post(self, call: Call[dict[str, Any] | list[Any]]) -> Answer:
        """Store activities and tell the log."""
        is_array = isinstance(call.body, list)
        posted: Sequence[Any] = call.body if isinstance(call.body, list) else [call.body]
        if not 0 < len(posted) <= MAX_ACTIVITIES:
            raise invalid([FieldError("", f"an array holds 1 to {MAX_ACTIVITIES} activities, not {len(posted)}")])
        read, refused = self._read(posted, call)
        outcomes = await self._context.submit(self._context.recorder.activities, list(read.values())) if read else []
        told: dict[int, Outcome] = dict(zip(read, outcomes, strict=True))
        results = [
            _result(i, told[i]) if i in told else ActivityResult(i, "rejected", errors=refused[i])
            for i in range(len(posted))
        ]
        if any(outcome.taken for outcome in outcomes):
            return Answer(_receipt(results), 202)
        conflicts = len(told) == len(posted) and all(o.status == "conflict" for o in outcomes)
        raise _none_taken(results, is_array=is_array, only_conflicts=conflicts)

    def _read(
        self, posted: Sequence[Any], call: Call[Any]
    ) -> tuple[dict[int, Activity], dict[int, tuple[FieldError, ...]]]:
        by = by_of(call)
        now, traceparent, key = self._context.clock.now(), current_traceparent(), call.idempotency_key
        read: dict[int, Activity] = {}
        refused: dict[int, tuple[FieldError, ...]] = {}
        for index, raw in enumerate(posted):
            seed = None if key is None else f"{call.caller.name} {key} {index}"
            try:
                read[index] = read_activity(raw, now, by, seed=seed, traceparent=traceparent)
            except Refused as error:
                refused[index] = error.errors
        return read, refused


def _result(index: int, outcome: Outcome) -> ActivityResult:
    if outcome.taken:
        return ActivityResult(index, outcome.status, outcome.event_id, outcome.lead_id)
    errors = (_REASONS[outcome.status],) if outcome.status in _REASONS else outcome.errors
    return ActivityResult(index, "rejected", outcome.event_id, errors=errors)


def _receipt(results: list[ActivityResult]) -> ActivityReceipt:
    statuses = [result.status for result in results]
    return ActivityReceipt(statuses.count("accepted"), statuses.count("duplicate"), results)


def _none_taken(results: list[ActivityResult], *, is_array: bool, only_conflicts: bool) -> Problem:
    errors = [
        FieldError(f"/{result.index}{error.pointer}" if is_array else error.pointer, error.detail)
        for result in results
        for error in result.errors
    ][:_SHOWN]
    problem = identity_conflict(errors) if only_conflicts else invalid(errors)
    problem.members |= {"accepted": 0, "duplicates": 0, "results": results}
    return problem
