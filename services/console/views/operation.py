"""`/operation`: what could not be used, with another try, and how far the numbers are."""

import asyncio
from typing import NamedTuple

from starlette.responses import Response

from services.console.site import FormRefused, Visit
from shared.client import ProblemError, dead_letters, ingest, metrics, retry_dead_letter
from shared.client.operation import SERVICES, ServiceName
from shared.client.types import DeadLetter

PAGE = 50


class Letters(NamedTuple):
    """The newest dead letters of each service, and the services whose letters cannot be had now, or by this key."""

    found: list[tuple[ServiceName, DeadLetter]]
    not_to_be_had: list[ServiceName]


async def show(visit: Visit) -> Response:
    """The quarantine of ingest, and the dead letters of every service."""
    return await _show(visit)


async def retry_quarantined(visit: Visit) -> Response:
    """Read a body once more."""
    await visit.form()
    try:
        await visit.send(ingest.retry_quarantined(visit.request.path_params["id"]))
    except ProblemError as error:
        return await _show(visit, error)
    return visit.go("/operation")


async def retry_letter(visit: Visit) -> Response:
    """Take a dead letter once more, in the service whose it is."""
    named = (await visit.form()).get("service")
    service = next((service for service in SERVICES if service == named), None)
    if service is None:
        raise FormRefused
    try:
        await visit.send(retry_dead_letter(service, visit.request.path_params["id"]))
    except ProblemError as error:
        return await _show(visit, error)
    return visit.go("/operation")


async def _show(visit: Visit, error: ProblemError | None = None) -> Response:
    quarantined, letters, status = await asyncio.gather(
        visit.ask(ingest.quarantine(PAGE)),
        _letters(visit),
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


async def _letters(visit: Visit) -> Letters:
    pages = await asyncio.gather(*(visit.ask(dead_letters(service, PAGE)) for service in SERVICES))
    asked = list(zip(SERVICES, pages, strict=True))
    return Letters(
        [(service, letter) for service, page in asked if page is not None for letter in page.items],
        [service for service, page in asked if page is None],
    )
