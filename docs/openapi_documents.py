"""docs/openapi/*.json: what each service serves as `/openapi.json`."""

import json

from docs.assembled import assembled
from shared.settings import ServiceName
from shared.telemetry import Telemetry
from shared.web.documentation import documentation
from shared.web.health import health_endpoints
from shared.web.own_key import own_key_endpoint


def openapi_document(service: ServiceName) -> str:
    """The document as JSON."""
    everywhere = [own_key_endpoint(), *health_endpoints({}, {}, Telemetry("documentation"))]
    document = documentation(f"Tasuki {service}", [*assembled()[service].endpoints, *everywhere]).openapi()
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
