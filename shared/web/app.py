"""Puts a table of endpoints together to an ASGI application.

FastAPI serves only `/docs` and `/openapi.json`. The endpoints themselves are reached past it: its layers would cost a
fifth of a request, and solving dependencies and validating with pydantic several times what our own checks cost.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.audit_log import Audit
from shared.telemetry import Telemetry
from shared.web.auth import Access
from shared.web.dispatch import Dispatch, Kit, send_answer
from shared.web.endpoint import Endpoint, problem_answer
from shared.web.health import Check, health_endpoints
from shared.web.idempotency import Idempotency
from shared.web.observe import Observe
from shared.web.own_key import own_key_endpoint
from shared.web.paths import parameters, parts
from shared.web.problems import not_found

InFront = Callable[[ASGIApp], ASGIApp]


def create_app(
    *,
    title: str,
    endpoints: Sequence[Endpoint],
    access: Access,
    telemetry: Telemetry,
    checks: Mapping[str, Check] | None = None,
    alive: Mapping[str, Check] | None = None,
    in_front: InFront | None = None,
) -> ASGIApp:
    """The application of one service.

    checks: what `/readyz` asks. alive: what `/livez` asks: only what a restart of the process would mend. in_front: put
    before the endpoints.
    """
    table = [*endpoints, own_key_endpoint(), *health_endpoints(checks or {}, alive or {}, telemetry)]
    kit = Kit(access, Audit(access.engine), Idempotency(access.engine), telemetry)
    paths = {path: Dispatch(methods, kit) for path, methods in _by_path(table).items()}
    found = _Paths(paths, otherwise=_Otherwise(title, table))
    return Observe(found if in_front is None else in_front(found), telemetry)


PAGES = frozenset({"/docs", "/docs/oauth2-redirect", "/openapi.json"})
"""The paths that FastAPI serves."""


class _Paths:
    """Finds what serves a path: by one look where it has no parameters, else by the first pattern that matches."""

    def __init__(self, paths: Mapping[str, Dispatch], otherwise: ASGIApp) -> None:
        self._plain = {path: serve for path, serve in paths.items() if "{" not in path}
        self._patterns = [(path.split("/"), serve) for path, serve in paths.items() if "{" in path]
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve, scope["path_params"] = self._found(scope)
        await serve(scope, receive, send)

    def _found(self, scope: Scope) -> tuple[ASGIApp, dict[str, str]]:
        plain = self._plain.get(scope["path"])
        if plain is not None:
            return plain, {}
        given = parts(scope)
        for pattern, serve in self._patterns:
            if (found := parameters(pattern, given)) is not None:
                return serve, found
        return self._otherwise, {}


class _Otherwise:
    """`/docs` and `/openapi.json`; 404 for all else. FastAPI is loaded when they are first asked for: that is a third
    of what a service needs to start."""

    def __init__(self, title: str, table: Sequence[Endpoint]) -> None:
        self._title = title
        self._table = table
        self._pages: asyncio.Task[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in PAGES:
            await send_answer(problem_answer(not_found()), scope, receive, send)
            return
        if self._pages is None:
            self._pages = asyncio.create_task(asyncio.to_thread(self._make))
        await (await asyncio.shield(self._pages))(scope, receive, send)

    def _make(self) -> ASGIApp:
        from shared.web.documentation import documentation

        return documentation(self._title, self._table)


def _by_path(table: Sequence[Endpoint]) -> dict[str, list[Endpoint]]:
    grouped: dict[str, list[Endpoint]] = {}
    for endpoint in table:
        methods = grouped.setdefault(endpoint.path, [])
        if any(other.method == endpoint.method for other in methods):
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        methods.append(endpoint)
    return grouped
