"""Puts the console together; the only file that knows all its parts."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from services.console.document import Described, document
from services.console.guard import Guarded, is_from_us
from services.console.live import LiveBoard
from services.console.session import Seal
from services.console.site import FormRefused, Site, Visit, choose_language, environment, language_of, session_of
from services.console.views import board, handoffs, kpis, leads, operation, policies, review, sign_in
from shared.client import (
    AsyncClient,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Retry,
    TasukiError,
    TooManyRequests,
    Unauthorized,
)
from shared.client.drivers import urls_of
from shared.serve import Client
from shared.settings import Settings
from shared.telemetry import CONTENT_TYPE_LATEST, Telemetry, current_traceparent
from shared.web.dispatch import OBSERVED
from shared.web.observe import Observe
from shared.web.paths import parameters, parts
from shared.web.server import Task

View = Callable[[Visit], Awaitable[Response]]

RETRY = Retry(tries=3, first_s=0.1, longest_s=0.5, total_s=1.5)
"""A person waits: what does not come soon is told as away."""
_STATIC = Path(__file__).parent / "static"
_TO_NOTICE = {
    "HX-Retarget": "#notice",
    "HX-Reswap": "innerHTML",
    "HX-Reselect": "#noticed",
    "HX-Push-Url": "false",
}
"""Whatever part of the page the request was for."""


@asynccontextmanager
async def build(client: Client) -> AsyncIterator[tuple[ASGIApp, dict[str, Task]]]:
    """The application, and what follows the numbers for it."""
    settings = client.settings
    async with AsyncClient(urls_of(settings), "", retry=RETRY, traceparent=current_traceparent) as tasuki:
        site = Site(
            tasuki=tasuki,
            config=client.config,
            seal=_seal(settings, client.telemetry),
            zone=ZoneInfo(settings.timezone),
            fiscal_start=settings.fiscal_year_start,
            clock=client.clock,
            environment=environment(),
            log=client.telemetry.log,
        )
        live = LiveBoard(tasuki, partial(board.make_board, site), client.telemetry.log)
        routes = _routes(site, live, client.telemetry)
        app = Starlette(
            routes=routes, exception_handlers={404: partial(_unknown, site), 405: partial(_no_method, routes)}
        )
        app.router.redirect_slashes = False
        yield Observe(Guarded(app, secure=site.seal.secure), client.telemetry), {"live": live.run}


def _seal(settings: Settings, telemetry: Telemetry) -> Seal:
    secure = (settings.console_url or "").startswith("https://")
    if settings.console_secret is not None:
        return Seal(settings.console_secret.get_secret_value(), secure=secure)
    telemetry.log.warning("console_secret_is_made", effect="everybody is signed out when this process ends")
    return Seal(secrets.token_urlsafe(32), secure=secure)


def _routes(site: Site, live: LiveBoard, telemetry: Telemetry) -> list[BaseRoute]:
    async def watch(visit: Visit) -> Response:
        return await board.watch(visit, live)

    def page(path: str, view: View, scope: str, method: str = "GET") -> Route:
        return _Route(path, _Page(site, path, view, scope), methods=[method])

    def plain(path: str, answer: Callable[[Site, Request], Awaitable[Response]], *methods: str) -> Route:
        return _Route(path, _observed(path, partial(answer, site)), methods=list(methods))

    routes = [
        page("/", board.show, "kpis:read"),
        page("/live", watch, "kpis:read"),
        page("/leads", leads.index, "leads:read"),
        page("/leads/{id}", leads.show, "leads:read"),
        page("/leads/{id}/hearing", leads.hear, "leads:write", "POST"),
        page("/leads/{id}/handoff", leads.hand_over, "handoffs:write", "POST"),
        page("/leads/{id}/render", leads.render, "outreach:read", "POST"),
        page("/handoffs", handoffs.index, "leads:read"),
        page("/handoffs/{id}", handoffs.show, "leads:read"),
        page("/handoffs/{id}/accept", handoffs.accept, "handoffs:decide", "POST"),
        page("/handoffs/{id}/return", handoffs.give_back, "handoffs:decide", "POST"),
        page("/policies", policies.index, "leads:read"),
        page("/policies", policies.back_test, "leads:read", "POST"),
        page("/kpis", kpis.index, "kpis:read"),
        page("/kpis/{id}", kpis.show, "kpis:read"),
        page("/review", review.show, "kpis:read"),
        page("/operation", operation.show, "leads:read"),
        page("/operation/quarantine/{id}/retry", operation.retry_quarantined, "leads:write", "POST"),
        page("/operation/dead-letters/{id}/retry", operation.retry_letter, "admin", "POST"),
        plain("/sign-in", sign_in.show, "GET", "POST"),
        plain("/sign-out", sign_in.sign_out, "POST"),
        plain("/language/{language}", _choose_language, "GET"),
        plain("/livez", _live, "GET"),
        plain("/readyz", _live, "GET"),
        plain("/metrics", partial(_metrics, telemetry), "GET"),
    ]
    told = document((described for route in routes for described in _described(route)), site.seal.cookie)
    return [
        *routes,
        plain("/openapi.json", partial(_document, told), "GET"),
        plain("/docs", _docs, "GET"),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]


class _Route(Route):
    """One whose parts are told apart before they are decoded."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette's."""
        found = parameters(self.path.split("/"), parts(scope)) if scope["type"] == "http" else None
        if found is None:
            return Match.NONE, {}
        served = scope["method"] in (self.methods or ())
        return Match.FULL if served else Match.PARTIAL, {"endpoint": self.endpoint, "path_params": found}


def _described(route: Route) -> list[Described]:
    scope = route.endpoint.scope if isinstance(route.endpoint, _Page) else None
    return [Described(route.path, method, scope) for method in sorted((route.methods or set()) - {"HEAD"})]


class _Page:
    """A view for whoever is signed in and may see it; errors of the services become pages."""

    def __init__(self, site: Site, path: str, view: View, scope: str) -> None:
        self._site = site
        self._path = path
        self._view = view
        self.scope = scope

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive, send)
        scope[OBSERVED]["route"] = self._path
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        signed_in = session_of(self._site, request)
        if signed_in is None:
            return sign_in.to_sign_in(request)
        visit = Visit(self._site, request, *signed_in)
        if not visit.session.may(self.scope):
            return _problem(visit, 403, "may_not", detail=self.scope)
        if request.method == "POST" and not is_from_us(request.headers):
            return _problem(visit, 403, "form_refused")
        try:
            return await self._view(visit)
        except FormRefused:
            return _problem(visit, 403, "form_refused")
        except Unauthorized:
            return sign_in.to_sign_in(request)
        except Forbidden as error:
            return _problem(visit, 403, "may_not", detail=error.detail)
        except (NotFound, HTTPException):
            return _problem(visit, 404, "not_found")
        except Gone:
            return _problem(visit, 410, "was_erased")
        except Invalid as error:
            return _problem(visit, 422, "refused", detail=error.detail or error.title)
        except Conflict as error:
            return _problem(visit, 409, "refused", detail=error.detail or error.title)
        except TooManyRequests:
            return _problem(visit, 429, "too_many")
        except TasukiError as error:
            self._site.log.warning("page_without_service", page=self._path, reason=str(error)[:200])
            return _problem(visit, 503, "service_away")


def _observed(path: str, answer: Callable[[Request], Awaitable[Response]]) -> Any:
    async def endpoint(request: Request) -> Response:
        request.scope[OBSERVED]["route"] = path
        return await answer(request)

    return endpoint


def _problem(visit: Visit, status: int, text: str, detail: str = "") -> Response:
    """A page, or where a part of one is asked for a notice above it: what was filled in there stays."""
    name = "notice.html" if visit.is_partial else "problem.html"
    response = visit.show(name, status, text=text, detail=detail)
    if visit.is_partial:
        response.headers.update(_TO_NOTICE)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


async def _choose_language(site: Site, request: Request) -> Response:
    return choose_language(request, secure=site.seal.secure)


async def _live(_site: Site, _request: Request) -> Response:
    """It has no state: while it answers, it is well. A service that is away is told on the page that needs it."""
    return PlainTextResponse("ok\n")


async def _metrics(telemetry: Telemetry, _site: Site, _request: Request) -> Response:
    return Response(await telemetry.render(), media_type=CONTENT_TYPE_LATEST)


async def _document(told: dict[str, Any], _site: Site, _request: Request) -> Response:
    return JSONResponse(told)


async def _docs(_site: Site, _request: Request) -> Response:
    """For people the pages speak for themselves."""
    return RedirectResponse("/openapi.json", 303)


async def _unknown(site: Site, request: Request, _error: Exception) -> Response:
    signed_in = session_of(site, request)
    if signed_in is None:
        shown: dict[str, Any] = {
            "session": None,
            "path": "/",
            "here": "/",
            "to": "/",
            "wrong": None,
            "rep": "",
            "members": [],
        }
        text = site.render("sign_in.html", language_of(request), **shown)
        return HTMLResponse(text, 404)
    return _problem(Visit(site, request, *signed_in), 404, "not_found")


async def _no_method(routes: Sequence[BaseRoute], request: Request, _error: Exception) -> Response:
    """An address may have a route for each of its methods: all of them are told."""
    here = [r for r in routes if isinstance(r, Route) and r.matches(request.scope)[0] is not Match.NONE]
    allowed = sorted(set[str]().union(*(route.methods or () for route in here)))
    return PlainTextResponse("Method Not Allowed", 405, {"Allow": ", ".join(allowed)})
