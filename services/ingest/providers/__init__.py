"""Webhooks of forms and tools: one file for each provider, one table of them, see docs/providers.md."""

from collections.abc import Mapping

import msgspec

from services.ingest.providers import (
    google_ads,
    google_forms,
    gravity_forms,
    html_form,
    hubspot,
    jotform,
    json,
    linkedin,
    marketo,
    meta,
    salesforce_web_to_lead,
    standard_webhooks,
    tally,
    typeform,
    webflow,
)
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
from shared.config.sources import Source

PROVIDERS: Mapping[str, Provider] = {
    "google_ads": google_ads.GoogleAds(),
    "google_forms": google_forms.GoogleForms(),
    "gravity_forms": gravity_forms.GravityForms(),
    "html_form": html_form.HtmlForm(),
    "hubspot": hubspot.HubSpot(),
    "jotform": jotform.Jotform(),
    "json": json.Json(),
    "linkedin": linkedin.LinkedIn(),
    "marketo": marketo.Marketo(),
    "meta": meta.Meta(),
    "salesforce_web_to_lead": salesforce_web_to_lead.SalesforceWebToLead(),
    "standard_webhooks": standard_webhooks.StandardWebhooks(),
    "tally": tally.Tally(),
    "typeform": typeform.Typeform(),
    "webflow": webflow.Webflow(),
}


def with_provider(source: Source) -> tuple[Source, Provider] | None:
    """The provider of a source, and the source with the names that the provider has in every account; its own win."""
    provider = PROVIDERS.get(source.provider)
    if provider is None:
        return None
    return msgspec.structs.replace(source, fields={**provider.names, **source.fields}), provider


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
    "with_provider",
]
