"""Puts a table of endpoints together to an ASGI application.

FastAPI serves only `/docs` and `/openapi.json`. The endpoints themselves are reached past it: its layers would cost a
fifth of a request, and solving dependencies and validating with pydantic several times what our own checks cost.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.audit_log import Audit
from shared.telemetry import Telemetry
from shared.web.auth import Access
from shared.web.dispatch import Dispatch, Kit
from shared.web.endpoint import Endpoint, encode
from shared.web.health import Check, health_endpoints
from shared.web.idempotency import Idempotency
from shared.web.observe import Observe
from shared.web.openapi import openapi
from shared.web.problems import MEDIA_TYPE, Problem, method_not_allowed, not_found


def create_app(
    *,
    title: str,
    endpoints: Sequence[Endpoint],
    access: Access,
    telemetry: Telemetry,
    checks: Mapping[str, Check] | None = None,
    alive: Mapping[str, Check] | None = None,
) -> ASGIApp:
    """The application of one service.

    checks: what `/readyz` asks. alive: what `/livez` asks: only what a restart of the process would mend.
    """
    table = [*endpoints, *health_endpoints(checks or {}, alive or {}, telemetry)]
    kit = Kit(access, Audit(access.engine), Idempotency(access.engine), telemetry)
    paths = {path: Dispatch(methods, kit) for path, methods in _by_path(table).items()}
    return Observe(_Paths(paths, otherwise=_documentation(title, table)), telemetry)


class _Paths:
    """Finds what serves a path: by one look where it has no parameters, else by the first pattern that matches."""

    def __init__(self, paths: Mapping[str, Dispatch], otherwise: ASGIApp) -> None:
        self._plain = {path: serve for path, serve in paths.items() if "{" not in path}
        patterns = [Route(path, serve) for path, serve in paths.items() if "{" in path]
        self._router = Router(patterns, redirect_slashes=False, default=otherwise)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._plain.get(scope["path"]) if scope["type"] == "http" else None
        if serve is None:
            await self._router(scope, receive, send)
        else:
            scope["path_params"] = {}
            await serve(scope, receive, send)


def _documentation(title: str, table: Sequence[Endpoint]) -> FastAPI:
    """`/docs`, `/openapi.json`, and 404 for all else."""
    app = FastAPI(
        title=title,
        version=_version(),
        redoc_url=None,
        redirect_slashes=False,
        # Its spans would carry addresses with their queries, so personal data; `Observe` does this work.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    document = openapi(title, app.version, table)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's documented way
    app.add_exception_handler(HTTPException, _http_exception)
    return app


def _by_path(table: Sequence[Endpoint]) -> dict[str, list[Endpoint]]:
    grouped: dict[str, list[Endpoint]] = {}
    for endpoint in table:
        methods = grouped.setdefault(endpoint.path, [])
        if any(other.method == endpoint.method for other in methods):
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        methods.append(endpoint)
    return grouped


def _http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: unknown paths, methods of FastAPI's own routes."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        problem = method_not_allowed(request.method, ["GET", "HEAD"])
    elif status == 404:
        problem = not_found()
    else:
        problem = Problem(status, "http-error", "The request was refused")
    return Response(encode(problem.document()), problem.status, problem.headers, MEDIA_TYPE)


def _version() -> str:
    try:
        return version("tasuki")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"
