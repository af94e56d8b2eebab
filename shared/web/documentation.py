"""`/docs` and `/openapi.json`, by FastAPI."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.web.endpoint import Endpoint, encode
from shared.web.openapi import openapi
from shared.web.problems import MEDIA_TYPE, Problem, method_not_allowed, not_found


def documentation(title: str, table: Sequence[Endpoint]) -> FastAPI:
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
