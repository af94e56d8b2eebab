"""Asking a provider's API for what a thin notice is about."""

from collections.abc import Mapping
from typing import Any

import httpx

from services.ingest.providers.base import Access
from services.ingest.providers.encodings import read_object


async def get_object(
    client: httpx.AsyncClient,
    access: Access,
    api_url: str,
    path: str,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = {},
) -> dict[str, Any]:
    """The JSON object below the provider's own `api_url`, or the one of sources.yaml. The token goes into a header:
    addresses end in logs. Raises httpx.HTTPError (also for every answer but 2xx) and Unusable (no JSON object)."""
    answer = await client.get(
        (access.api_url or api_url).rstrip("/") + path,
        params=query,
        headers={"Authorization": f"Bearer {access.token}", "Accept": "application/json", **headers},
    )
    answer.raise_for_status()
    return read_object(answer.content)
