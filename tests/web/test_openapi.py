"""`/openapi.json` is complete, and the service keeps what it says: schemathesis tries it."""

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.web.conftest import ADMIN_KEY, Site

load_all_checks()


@pytest.fixture
async def document(site: Site) -> dict[str, Any]:
    answer = (await site.client.get("/openapi.json")).json()
    assert isinstance(answer, dict)
    return answer


async def test_every_endpoint_is_there_with_all_that_belongs_to_it(site: Site, document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    declared = {(e.path, e.method.lower()) for e in site.sample.table()} | {
        (path, "get") for path in ("/v1/key", "/livez", "/readyz", "/metrics")
    }
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == declared
    post = document["paths"]["/v1/things"]["post"]
    assert post["security"] == [{"bearer": []}]
    assert set(post["responses"]) == {"201", "400", "401", "403", "408", "409", "413", "415", "422", "429", "503"}
    assert post["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}
    problem = post["responses"]["503"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/ProblemDocument"}
    assert [p["name"] for p in post["parameters"]] == ["Idempotency-Key"]
    listed = document["paths"]["/v1/things"]["get"]
    assert {p["name"] for p in listed["parameters"]} == {"limit", "cursor", "q", "since"}
    one = document["paths"]["/v1/things/{id}"]["get"]
    assert [(p["name"], p["in"], p["required"]) for p in one["parameters"]] == [("id", "path", True)]
    assert document["paths"]["/v1/webhooks/{source}"]["post"]["security"] == []


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


FEW = settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


async def test_service_keeps_what_its_document_says(site: Site, document: dict[str, Any]) -> None:
    """Generated requests, good and bad: no 5xx, and every answer is one that the document names, in its form."""
    site.sample.failure = None
    site.sample.gate.set()
    names = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
    checks = [CHECKS.get_one(name) for name in names]
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    tried = 0

    def attempt(case: Any) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(base_url=site.url, headers=headers, checks=checks)

    def run() -> None:
        for operation in schemathesis.openapi.from_dict(document).get_all_operations():
            FEW(given(case=operation.ok().as_strategy())(attempt))()  # type: ignore[union-attr]

    await asyncio.to_thread(run)
    assert tried > 100
