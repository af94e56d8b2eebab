"""Webhooks of forms and tools: one file for each provider, one table of them, see docs/providers.md."""

from collections.abc import Mapping

from services.ingest.providers import (
    aircall,
    calendly,
    dialpad,
    html_form,
    json,
    mailgun,
    miitel,
    ringcentral,
    sendgrid,
    standard_webhooks,
    twilio,
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

PROVIDERS: Mapping[str, Provider] = {
    "aircall": aircall.Aircall(),
    "calendly": calendly.Calendly(),
    "dialpad": dialpad.Dialpad(),
    "html_form": html_form.HtmlForm(),
    "json": json.Json(),
    "mailgun": mailgun.Mailgun(),
    "miitel": miitel.MiiTel(),
    "ringcentral": ringcentral.RingCentral(),
    "sendgrid": sendgrid.SendGrid(),
    "standard_webhooks": standard_webhooks.StandardWebhooks(),
    "twilio": twilio.Twilio(),
    "zoom_phone": zoom_phone.ZoomPhone(),
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
