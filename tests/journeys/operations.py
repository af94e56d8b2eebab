"""The endpoints of the running services, from their own OpenAPI documents."""

from typing import NamedTuple

from shared.settings import ServiceName
from tests.journeys.outside import Outside

ID = "01a20d83-10bd-7254-a8f8-35ac733d3e98"
"""The id of nothing."""


class Operation(NamedTuple):
    """One endpoint; `path` with its parameters filled in, `takes` the media types of its body."""

    service: ServiceName
    method: str
    template: str
    path: str
    takes: frozenset[str]
    is_open: bool


def operations_of(outside: Outside) -> list[Operation]:
    """Every endpoint of the running services."""
    found = []
    for service in outside.system.apis:
        document = outside.call(service, "GET", "/openapi.json", key=None).json()
        for template, methods in document["paths"].items():
            path = template.replace("{source}", "web-json").replace("{endpoint}", "nobody")
            path = path.replace("{id}", ID).replace("{n}", "1")
            for method, operation in methods.items():
                takes = frozenset(operation.get("requestBody", {}).get("content", ()))
                found.append(Operation(service, method.upper(), template, path, takes, operation["security"] == []))
    return found
