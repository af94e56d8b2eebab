"""Meta (Facebook, Instagram) lead ads: HMAC over the body; a notice tells which lead to fetch from the Graph API."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from services.ingest.providers.base import (
    Access,
    Broken,
    Delivery,
    Entry,
    Form,
    Nothing,
    Payload,
    Provider,
    Reply,
    Thin,
    Unusable,
    Verdict,
    is_same,
)
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.fetching import get_object
from services.ingest.providers.reading import id_of, in_order, list_of, object_at, objects_in, text_of, time_of
from services.ingest.providers.signatures import by_any, hex_hmac

API = "https://graph.facebook.com/v24.0"
MAX_CHANGES = 1_000
_OF_THE_LEAD = ("form_id", "ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name", "platform")


class Meta(Provider):
    """`leadgen` changes of pages; every other change has no effect. Names are Meta's keys of prefilled questions."""

    media_types = frozenset({JSON})
    names: ClassVar = {
        "work_email": "email",
        "email": "email",
        "phone_number": "phone",
        "work_phone_number": "phone",
        "job_title": "title",
    }

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        signature = delivery.headers.get("x-hub-signature-256", "")
        return by_any(secrets, lambda secret: is_same(signature, f"sha256={hex_hmac(secret, delivery.body)}"))

    def answer_get(self, query: Mapping[str, str], secrets: Sequence[str], verify_token: str | None) -> Reply | None:
        """The challenge, to who knows the verify token; without one of its own the secret is the token."""
        tokens = secrets if verify_token is None else [verify_token]
        told = query.get("hub.verify_token", "")
        challenge = query.get("hub.challenge", "")
        is_known = any(is_same(told, token) for token in tokens)
        if query.get("hub.mode") != "subscribe" or not is_known or not challenge:
            return None
        return Reply(challenge, "text/plain")

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        entries = list(_entries(body))
        if not entries:
            raise Unusable("the body holds no changes")
        if len(entries) > MAX_CHANGES:
            raise Unusable(f"the body holds more than {MAX_CHANGES} changes")
        return Payload(entries=entries, is_batch=len(entries) > 1)

    async def fetch(self, client: httpx.AsyncClient, reference: Mapping[str, Any], access: Access) -> Form | Nothing:
        id_ = str(reference["leadgen_id"])
        query = {"fields": ",".join(("created_time", "field_data", *_OF_THE_LEAD))}
        lead = await get_object(client, access, API, f"/{quote(id_, safe='')}", query)
        values = {
            name: list_of(answer.get("values"))
            for answer in objects_in(lead.get("field_data"))
            if (name := text_of(answer.get("name")))
        }
        if not values:
            raise Unusable("the lead has no field_data")
        return Form(
            values=in_order(self.names, {name: lead[name] for name in _OF_THE_LEAD if name in lead} | values),
            raw=lead,
            external_id=f"meta:{id_}",
            observed_at=time_of(lead.get("created_time")) or time_of(reference.get("at")),
        )


def _entries(body: dict[str, Any]) -> Iterator[Entry]:
    """One for each change; `raw` is a body with that change alone."""
    for page in objects_in(body.get("entry")):
        for change in list_of(page.get("changes")):
            raw = {"object": body.get("object"), "entry": [{**page, "changes": [change]}]}
            yield _entry(body, change, raw)


def _entry(body: dict[str, Any], change: Any, raw: Any) -> Entry:
    if body.get("object") != "page" or object_at(change).get("field") != "leadgen":
        return Nothing(reason="is no lead of a page", raw=raw)
    value = object_at(change, "value")
    id_ = id_of(value.get("leadgen_id"))
    if id_ is None:
        return Broken(reason="leadgen_id is missing", raw=raw)
    return Thin(id=id_, reference={"leadgen_id": id_, "at": value.get("created_time")}, raw=raw)
