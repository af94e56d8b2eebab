"""The outermost layer of every request: its trace and id, its duration, and the last net for errors."""

import asyncio
import re
import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry import Telemetry
from shared.telemetry.histogram import Series
from shared.telemetry.trace import continue_trace, enter
from shared.web.dispatch import OBSERVED, answer_to, send_answer
from shared.web.endpoint import problem_answer
from shared.web.problems import overloaded, stopping
from shared.web.requests import header_texts

if TYPE_CHECKING:
    from shared.telemetry.spans import RequestSpan

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRACED = (b"traceparent", b"x-request-id")
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
IN_FLIGHT_MAX = 512
"""Requests worked on at once; with bodies of at most 1 MiB this bounds the memory, and the wait of those admitted."""

_ALWAYS_ADMITTED = frozenset({"/livez", "/readyz", "/metrics"})
_UNMATCHED = "unmatched"
_CLIENT_GONE = 499
"""The status that is counted for a request whose client did not wait for the answer."""


class Observe:
    """Pure ASGI middleware; log lines, metrics and spans name the route, never the path or the query."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry
        self._in_flight = 0
        telemetry.metrics.http_requests_in_flight.labels(telemetry.service).set_function(lambda: self._in_flight)
        self._durations: dict[tuple[str, str, int], Series] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id, span = self._identify(scope)
        status = _CLIENT_GONE
        observed = scope[OBSERVED] = {"route": _UNMATCHED}

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        self._in_flight += 1
        try:
            if self._in_flight > IN_FLIGHT_MAX and scope["path"] not in _ALWAYS_ADMITTED:
                await send_answer(problem_answer(overloaded()), scope, receive, send_observed)
            else:
                await self._app(scope, receive, send_observed)
        except asyncio.CancelledError:
            # Only the server cancels requests, when its grace is over: the client shall know that it may repeat.
            if status != _CLIENT_GONE:
                raise
            await send_answer(problem_answer(stopping()), scope, receive, send_observed)
        except Exception as error:
            answer = answer_to(error, self._telemetry)
            if status != _CLIENT_GONE:
                raise  # the answer has begun: all that is left is to cut the connection
            await send_answer(answer, scope, receive, send_observed)
        finally:
            self._in_flight -= 1
            self._record(observed["route"], scope["method"], status, time.perf_counter() - begun)
            if span is not None:
                route = observed["route"]
                span.end(None if route == _UNMATCHED else route, None if status == _CLIENT_GONE else status)

    def _record(self, route: str, method: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        label = (route, method, status)
        duration = self._durations.get(label)
        if duration is None:
            metric = self._telemetry.metrics.http_request_duration
            duration = self._durations[label] = metric.labels(self._telemetry.service, route, method, str(status))
        duration.observe(seconds)
        log = self._telemetry.log.warning if status >= 500 else self._telemetry.log.debug
        log("request", route=route, method=method, status=status, ms=round(seconds * 1000, 2))

    def _identify(self, scope: Scope) -> "tuple[str, RequestSpan | None]":
        """The request's id, and its span where traces are made; probes and scrapes have none."""
        traceparent, request_id = header_texts(scope, _TRACED)
        span = None
        spans = self._telemetry.spans
        if spans is not None and scope["path"] not in _ALWAYS_ADMITTED:
            method = scope["method"] if scope["method"] in _METHODS else None
            span = spans.request(traceparent, method, scope["scheme"])
        ours = continue_trace(traceparent) if span is None else span.traceparent
        if not request_id or not _REQUEST_ID.fullmatch(request_id):
            request_id = ours[36:52]
        enter(ours, request_id)
        return request_id, span
