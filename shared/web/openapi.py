"""The OpenAPI 3.1 document of a service, made from its table of endpoints and nothing else."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from shared.mistakes import FieldError
from shared.web.endpoint import JSON, Endpoint
from shared.web.problems import MEDIA_TYPE

_PATH_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_REF = "#/components/schemas/{name}"


class ProblemDocument(msgspec.Struct):
    """RFC 9457; problems of one kind share `type`. Some kinds carry more members."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = []


def openapi(title: str, version: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document. Types that share a name would overwrite each other: msgspec raises then."""
    types: list[Any] = [ProblemDocument]
    for endpoint in endpoints:
        types += [t for t in (endpoint.body, endpoint.query, *endpoint.answers.values()) if t is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    known = list(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = paths.setdefault(_PATH_PARAMETER.sub(r"{\1}", endpoint.path), {})
        path[endpoint.method.lower()] = _operation(endpoint, known, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


Known = list[tuple[Any, dict[str, Any]]]


def _schema(type_: Any, known: Known) -> dict[str, Any]:
    return next(schema for other, schema in known if other is type_)


def _operation(endpoint: Endpoint, known: Known, components: dict[str, Any]) -> dict[str, Any]:
    words = re.sub(r"[^a-z0-9]+", "_", f"{endpoint.method}_{endpoint.path}".lower()).strip("_")
    operation: dict[str, Any] = {
        "operationId": words,
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint, known, components),
        "responses": _responses(endpoint, known),
        "security": [] if endpoint.scope is None else [{"bearer": []}],
    }
    if endpoint.scope:
        operation["description"] = f"Needs the scope `{endpoint.scope}`."
    if endpoint.raw_body or endpoint.stream:
        types = endpoint.media_types if endpoint.media_types != (JSON,) else ("*/*",)
        operation["requestBody"] = {"required": True, "content": {t: {} for t in types}}
    elif endpoint.body is not None:
        body = {"schema": _schema(endpoint.body, known)}
        example = endpoint.example or getattr(endpoint.body, "EXAMPLE", None)
        if example is not None:
            body["example"] = example
        operation["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(endpoint.media_types, body),
        }
    return operation


def _parameters(endpoint: Endpoint, known: Known, components: dict[str, Any]) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PATH_PARAMETER.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        struct = components[_schema(endpoint.query, known)["$ref"].rpartition("/")[2]]
        required = struct.get("required", [])
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in struct["properties"].items()
        ]
    if endpoint.keyed:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema})
    return parameters


def _responses(endpoint: Endpoint, known: Known) -> dict[str, Any]:
    problem = {"content": {MEDIA_TYPE: {"schema": _schema(ProblemDocument, known)}}}
    responses: dict[str, Any] = {}
    for status in _problem_statuses(endpoint):
        responses[str(status)] = {"description": HTTPStatus(status).phrase, **problem}
    for status, type_ in endpoint.answers.items():
        answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if type_ is not None:
            media_type = (
                MEDIA_TYPE if status >= 400 and endpoint.answer_media_type == JSON else endpoint.answer_media_type
            )
            answer["content"] = {media_type: {"schema": _schema(type_, known)}}
            if status < 400:
                answer["content"] |= {t: {"schema": {"type": "string"}} for t in endpoint.other_answer_media_types}
        elif status >= 400:
            answer |= problem
        responses[str(status)] = answer
    return dict(sorted(responses.items()))


def _problem_statuses(endpoint: Endpoint) -> list[int]:
    statuses = [503] if endpoint.path != "/livez" else []
    if endpoint.scope is not None:
        statuses += [401, 403] if endpoint.scope else [401]
    if endpoint.path.startswith("/v1/"):
        statuses.append(429)
    if "{" in endpoint.path:
        statuses.append(404)
    if endpoint.query is not None:
        statuses.append(422)
    if endpoint.method in ("POST", "PUT", "PATCH"):
        statuses += [400, 408, 413, 415, 422]
    if endpoint.keyed:
        statuses.append(409)
    return sorted(set(statuses))
