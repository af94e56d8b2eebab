"""`/operation`: what could not be used, with another try, and how far the numbers are."""

import asyncio

from starlette.responses import Response

from services.console.site import Visit
from shared.client import ProblemError, ingest, metrics

PAGE = 50


async def show(visit: Visit) -> Response:
    """The quarantine of ingest, and the dead letters of metrics."""
    return await _show(visit)


async def retry_quarantined(visit: Visit) -> Response:
    """Read a body once more."""
    await visit.form()
    try:
        await visit.send(ingest.retry_quarantined(visit.request.path_params["id"]))
    except ProblemError as error:
        return await _show(visit, error)
    return visit.go("/operation")


async def retry_dead_letter(visit: Visit) -> Response:
    """Take a dead letter once more."""
    await visit.form()
    try:
        await visit.send(metrics.retry_dead_letter(visit.request.path_params["id"]))
    except ProblemError as error:
        return await _show(visit, error)
    return visit.go("/operation")


async def _show(visit: Visit, error: ProblemError | None = None) -> Response:
    quarantined, letters, status = await asyncio.gather(
        visit.ask(ingest.quarantine(PAGE)),
        visit.ask(metrics.dead_letters(PAGE)),
        visit.ask(metrics.status()),
    )
    return visit.show(
        "operation.html",
        200 if error is None else error.status,
        quarantined=quarantined,
        letters=letters,
        state=status,
        error=error,
    )
