"""The OpenAPI document of the console: its pages are for people, this is for whoever checks what they promise. Pure."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, NamedTuple

_HTML, _TEXT, _STREAM = "text/html", "text/plain", "text/event-stream"
_PAGE = (200, 303, 401, 403, 404, 409, 410, 422, 429, 503)
_OPEN = {
    "/sign-in": (200, 303, 403, 422, 503),
    "/sign-out": (303,),
    "/language/{language}": (303, 404),
    "/livez": (200,),
    "/readyz": (200,),
    "/metrics": (200,),
}
"""Statuses of what needs nobody to be signed in."""
_OTHERWISE = {"/live": _STREAM, "/livez": _TEXT, "/readyz": _TEXT, "/metrics": _TEXT}
_PARAMETER = re.compile(r"\{(\w+)\}")


class Described(NamedTuple):
    """A route. `scope`: what whoever is signed in must hold, None where nobody need be."""

    path: str
    method: str
    scope: str | None


def document(routes: Iterable[Described], cookie: str) -> dict[str, Any]:
    """`cookie`: the name of the one that says who is signed in; pages need it, and send people who have none to
    `/sign-in`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    session = {"type": "apiKey", "in": "cookie", "name": cookie}
    return {
        "openapi": "3.1.0",
        "info": {"title": "console", "version": version("tasuki")},
        "paths": paths,
        "components": {"securitySchemes": {"session": session}},
    }


def _operation(route: Described) -> dict[str, Any]:
    statuses = _OPEN[route.path] if route.scope is None else _PAGE
    operation: dict[str, Any] = {
        "security": [] if route.scope is None else [{"session": [route.scope]}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(route.path)
        ],
        "responses": {str(status): _answer(route, status) for status in statuses},
    }
    if route.method == "POST":
        form = {"type": "object", "additionalProperties": {"type": "string"}}
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    return operation


def _answer(route: Described, status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if status not in (303, 401):
        media_type = _OTHERWISE.get(route.path, _HTML) if status == 200 else _HTML
        answer["content"] = {media_type: {"schema": {"type": "string"}}}
    return answer
