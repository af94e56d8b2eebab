"""Deliveries that have lost their form: any part of a good one may be any JSON instead."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
from hypothesis import settings
from hypothesis import strategies as st

from services.ingest.activities import Refused
from services.ingest.providers import PROVIDERS, Access, Delivery, Form, Nothing, Payload, Unusable, with_provider
from services.ingest.submissions import Arrival, read_entry
from shared.config import load_config
from shared.config.sources import Provider, Source
from shared.settings import Settings as Environment
from tests.ingest.door import BY, NOW

REGISTRY = load_config(Environment().config_dir).fields
ARRIVAL = Arrival(at=NOW, day="2026-11-24", by=BY)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 2**63 - 1, -(2**63), 10**12, 1e300, 0.5])
    | st.sampled_from(["", " ", "id", "email", "2026-11-24T03:00:00Z", "0001-01-01T00:00:00+14:00", "x" * 300])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


examples = settings(max_examples=60)
"""Of each provider; a good one is among them."""


def bent(good: Any) -> st.SearchStrategy[Any]:
    """The good value with any of its parts replaced, left out, or repeated."""
    if isinstance(good, dict):
        parts = {name: bent(value) for name, value in good.items()}
        return st.fixed_dictionaries({}, optional=parts) | st.fixed_dictionaries(parts) | anything
    if isinstance(good, list):
        return st.lists(st.one_of([bent(value) for value in good]), max_size=3) | anything if good else anything
    return st.just(good) | st.just(good) | anything


def read(provider: Provider, body: bytes, content_type: str = "application/json") -> Payload | None:
    """What a provider reads, None for Unusable; each of its forms is either a submission or refused."""
    delivery = Delivery(body=body, content_type=content_type, at=NOW)
    try:
        payload = asyncio.run(PROVIDERS[provider].read(delivery))
    except Unusable:
        return None
    for entry in payload.entries:
        json.dumps(entry.raw)
        if isinstance(entry, Form):
            as_submission(provider, entry)
    return payload


def as_submission(provider: Provider, form: Form) -> None:
    """What intake does with a form; it may refuse it, nothing else."""
    known = with_provider(Source(id="s", provider=provider, unsigned=True))
    assert known is not None
    with suppress(Refused):
        read_entry(form, known[0], REGISTRY, ARRIVAL)


async def fetched(provider: Provider, reference: Mapping[str, Any], said: bytes) -> Form | Nothing | None:
    """What a provider makes of an answer of its API, None for Unusable."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": said})

    async with httpx.AsyncClient(transport=httpx.ASGITransport(answer)) as client:
        try:
            entry = await PROVIDERS[provider].fetch(client, reference, Access("token", "http://api"))
        except Unusable:
            return None
    if isinstance(entry, Form):
        as_submission(provider, entry)
    return entry
