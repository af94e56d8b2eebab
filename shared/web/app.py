"""Puts a table of endpoints onto a FastAPI application.

FastAPI serves `/docs` and `/openapi.json`; the endpoints themselves are plain ASGI routes, because solving dependencies
and validating with pydantic would cost several times what our own checks cost.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.telemetry import Telemetry
from shared.web.auth import Access
from shared.web.dispatch import Dispatch, Kit
from shared.web.endpoint import Endpoint, encode
from shared.web.health import Check, health_endpoints
from shared.web.idempotency import Idempotency
from shared.web.observe import Observe
from shared.web.openapi import openapi
from shared.web.problems import MEDIA_TYPE, Problem, method_not_allowed, not_found

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


def create_app(
    *,
    title: str,
    endpoints: Sequence[Endpoint],
    access: Access,
    telemetry: Telemetry,
    checks: Mapping[str, Check] | None = None,
    alive: Mapping[str, Check] | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The application of one service.

    checks: what `/readyz` asks. alive: what `/livez` asks: only what a restart of the process would mend.
    """
    table = [*endpoints, *health_endpoints(checks or {}, alive or {}, telemetry)]
    app = FastAPI(
        title=title,
        version=_version(),
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        # Its spans would carry addresses with their queries, so personal data; `Observe` does this work.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.telemetry = telemetry
    kit = Kit(access, Idempotency(access.engine), telemetry)
    for path, methods in _by_path(table).items():
        app.router.routes.append(Route(path, Dispatch(methods, kit)))
    document = openapi(title, app.version, table)
    app.openapi = lambda: document  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_middleware(Observe, telemetry=telemetry)
    return app


def _by_path(table: Sequence[Endpoint]) -> dict[str, list[Endpoint]]:
    """Endpoints by path; paths without parameters first, because the first that matches is taken."""
    grouped: dict[str, list[Endpoint]] = {}
    for endpoint in sorted(table, key=lambda e: "{" in e.path):
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
