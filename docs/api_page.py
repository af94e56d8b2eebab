"""docs/reference/api.md, made from the tables of endpoints of which the services make their own `/openapi.json`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from docs.assembled import assembled
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.web.endpoint import ANY_KEY, JSON, Endpoint
from shared.web.health import health_endpoints
from shared.web.openapi import openapi
from shared.web.own_key import own_key_endpoint

INTRODUCTION = """\
# HTTP API

Every endpoint of every service, with the scope that it needs. Each service serves its OpenAPI document at
`/openapi.json` (here: [ingest](../openapi/ingest.json), [handoff](../openapi/handoff.json),
[metrics](../openapi/metrics.json), [outreach](../openapi/outreach.json)), with the form of every body and answer and
examples, and at `/docs` for trying it in a browser; both are open. The events of the log are in
[asyncapi.yaml](../asyncapi.yaml), the pages for people in [the console](../console.md).

- *Keys*: `Authorization: Bearer <api key>`. A missing or wrong key is 401, a missing scope 403
  ([security](../security.md)).
- *Errors* are `application/problem+json` (RFC 9457); `errors` points to what is wrong in the body.
- *Repetitions*: under an `Idempotency-Key` the same body gets the stored answer with `Idempotent-Replayed: true`, for
  eight days; another body is 422, and a key whose first request is not over is 409.
- *Pages*: `limit` (200 at most) and `cursor`; the answer has `items` and `next_cursor`.
- *Overload*, or a database that is away: 503 with `Retry-After`. What got a 2xx is kept.

Beside the answers that are listed, 400, 401, 403, 404, 408, 413, 415, 422, 429 and 503 mean the same everywhere.

This page is generated from the services' tables of endpoints (`make generate`).
"""


def api_page() -> str:
    """The page's text."""
    tables = {service: built.endpoints for service, built in assembled().items()}
    everywhere = [own_key_endpoint(), *health_endpoints({}, {}, Telemetry("documentation")), *_of_all(tables.values())]
    page = [INTRODUCTION, _section("Every service", "On the port of each service.", everywhere)]
    told = {endpoint.operation for endpoint in everywhere}
    for service, table in tables.items():
        port = Settings.model_fields[f"{service}_port"].default
        own = [endpoint for endpoint in table if endpoint.operation not in told]
        page.append(_section(service, f"Port {port}, unless `TASUKI_{service.upper()}_PORT` is set.", own))
    return "".join(page)


def _of_all(tables: Iterable[Sequence[Endpoint]]) -> list[Endpoint]:
    """What stands in each of the tables: it is told once."""
    first, *others = tables
    operations = [{endpoint.operation for endpoint in table} for table in others]
    return [endpoint for endpoint in first if all(endpoint.operation in table for table in operations)]


def _section(title: str, told: str, table: Iterable[Endpoint]) -> str:
    endpoints = list(table)
    paths = openapi(title, "", endpoints)["paths"]
    return f"\n## {title}\n\n{told}\n" + "".join(_entry(endpoint, paths) for endpoint in endpoints)


def _entry(endpoint: Endpoint, paths: dict[str, Any]) -> str:
    path = re.sub(r":\w+}", "}", endpoint.path)
    operation = paths[path][endpoint.method.lower()]
    queried = [p for p in operation["parameters"] if p["in"] == "query"]
    facts = [
        f"Scope: {_scope(endpoint)}.",
        f"Query: {', '.join(map(_parameter, queried))}." if queried else "",
        f"Body: {_types(endpoint)}." if "requestBody" in operation else "",
        f"Answers: {', '.join(f'`{status}`' for status in sorted(endpoint.answers))}.",
        "Takes `Idempotency-Key`." if endpoint.keyed else "",
    ]
    return f"\n### {endpoint.method} {path}\n\n{endpoint.summary}.\n\n{' '.join(filter(None, facts))}\n"


def _scope(endpoint: Endpoint) -> str:
    match endpoint.scope:
        case None:
            return "none; it is open"
        case str() if endpoint.scope == ANY_KEY:
            return "any key"
        case scope:
            return f"`{scope}`"


def _parameter(parameter: dict[str, Any]) -> str:
    schema, name = parameter["schema"], f"`{parameter['name']}`"
    told = [
        "required" if parameter["required"] else "",
        " ".join(f"`{value}`" for value in schema.get("enum", ())),
    ]
    said = ": ".join(filter(None, told))
    return f"{name} ({said})" if said else name


def _types(endpoint: Endpoint) -> str:
    if endpoint.media_types == (JSON,) and endpoint.raw_body:
        return "whatever the sender sends"
    return ", ".join(f"`{media_type}`" for media_type in endpoint.media_types)
