"""Webhooks of forms and tools: one file for each provider, one table of them, see docs/providers.md."""

from collections.abc import Mapping

from services.ingest.providers import html_form, json, standard_webhooks
from services.ingest.providers.base import (
    Access,
    Aside,
    Broken,
    Delivery,
    Form,
    Happened,
    Nothing,
    Payload,
    Provider,
    Thin,
    Unusable,
    Verdict,
)

PROVIDERS: Mapping[str, Provider] = {
    "html_form": html_form.HtmlForm(),
    "json": json.Json(),
    "standard_webhooks": standard_webhooks.StandardWebhooks(),
}

__all__ = [
    "PROVIDERS",
    "Access",
    "Aside",
    "Broken",
    "Delivery",
    "Form",
    "Happened",
    "Nothing",
    "Payload",
    "Provider",
    "Thin",
    "Unusable",
    "Verdict",
]
