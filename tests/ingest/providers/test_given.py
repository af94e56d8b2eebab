"""Every given sample goes to its provider: a new file is under test from its first day.

What exactly becomes of those that tell something, and whether signatures are right, the providers' own tests say.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from services.ingest.providers import PROVIDERS, Broken, Unusable, Verdict
from tests.ingest.door import FORM
from tests.ingest.providers.provider_contract import GIVEN, Posted, delivery

OTHERWISE = {"meta-leadgen": "meta", "zoom": "zoom_phone"}
"""Folders that are called otherwise than their provider."""
ADDED: Mapping[str, Mapping[str, str]] = {
    "standard-webhooks/contact_created.full.body": {"webhook-id": "msg_1"},
    "twilio/status_callback_completed.captured_redacted.body": FORM,
}
"""Headers that their sender sends, where none are given."""
NO_DELIVERY = {
    "hubspot/vector_v1_v2_v3.body": "property name",
    "mailgun/docs_opened_signature_block.body": "recipient",
    "meta-leadgen/vector2_github_docs.body": "Expecting value",
    "twilio/vector1.body": "CallStatus",
    "twilio/vector2_duplicate_params.body": "CallStatus",
    "twilio/vector3_json_bodysha256.body": "CallStatus",
}
"""Vectors of signatures over a body that no provider would send, and what is missed in it."""
NAMES = sorted(str(file.relative_to(GIVEN)) for file in GIVEN.glob("*/*.body"))


@pytest.mark.parametrize("name", NAMES)
async def test_a_given_body_is_read_and_a_secret_of_ours_does_not_fit(name: str) -> None:
    folder = name.partition("/")[0]
    provider = PROVIDERS[OTHERWISE.get(folder, folder.replace("-", "_"))]
    headers = {"Content-Type": "application/json"} | _headers(name)
    posted = delivery(Posted((GIVEN / name).read_bytes(), headers), 1_700_000_000)
    assert provider.verify(posted, ["of our own"]) is Verdict.WRONG
    if name in NO_DELIVERY:
        with pytest.raises(Unusable, match=NO_DELIVERY[name]):
            await provider.read(posted)
        return
    payload = await provider.read(posted)
    assert payload.entries
    assert not [entry for entry in payload.entries if isinstance(entry, Broken)]


def _headers(name: str) -> dict[str, Any]:
    told = GIVEN / f"{name.removesuffix('.body')}.headers.json"
    given = json.loads(told.read_bytes()).get("headers", {}) if told.exists() else {}
    return {key.title(): value for key, value in given.items()} | dict(ADDED.get(name, {}))
