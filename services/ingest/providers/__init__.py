"""Webhooks of forms and tools: one file for each provider, one table of them, see docs/providers.md."""

from collections.abc import Mapping

import msgspec

from services.ingest.providers import (
    aircall,
    calendly,
    dialpad,
    google_ads,
    google_forms,
    gravity_forms,
    html_form,
    hubspot,
    jotform,
    json,
    linkedin,
    mailgun,
    marketo,
    meta,
    miitel,
    ringcentral,
    salesforce_web_to_lead,
    sendgrid,
    standard_webhooks,
    tally,
    twilio,
    typeform,
    webflow,
    zapier,
    zoom_phone,
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
    "aircall": aircall.Aircall(),
    "calendly": calendly.Calendly(),
    "dialpad": dialpad.Dialpad(),
    "google_ads": google_ads.GoogleAds(),
    "google_forms": google_forms.GoogleForms(),
    "gravity_forms": gravity_forms.GravityForms(),
    "html_form": html_form.HtmlForm(),
    "hubspot": hubspot.HubSpot(),
    "jotform": jotform.Jotform(),
    "json": json.Json(),
    "linkedin": linkedin.LinkedIn(),
    "mailgun": mailgun.Mailgun(),
    "marketo": marketo.Marketo(),
    "meta": meta.Meta(),
    "miitel": miitel.MiiTel(),
    "ringcentral": ringcentral.RingCentral(),
    "salesforce_web_to_lead": salesforce_web_to_lead.SalesforceWebToLead(),
    "sendgrid": sendgrid.SendGrid(),
    "standard_webhooks": standard_webhooks.StandardWebhooks(),
    "tally": tally.Tally(),
    "twilio": twilio.Twilio(),
    "typeform": typeform.Typeform(),
    "webflow": webflow.Webflow(),
    "zapier": zapier.Zapier(),
    "zoom_phone": zoom_phone.ZoomPhone(),
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
