"""Webhooks of forms and tools: one file for each provider, one table of them.

A provider checks the raw bytes first (`is_authentic`) and reads them then (`read`). It knows nothing of leads or SQL.
"""

from collections.abc import Mapping

from services.ingest.providers import html_form, json
from services.ingest.providers.base import Delivery, Payload, Provider, Unusable

PROVIDERS: Mapping[str, Provider] = {"html_form": html_form.HtmlForm(), "json": json.Json()}

__all__ = ["PROVIDERS", "Delivery", "Payload", "Provider", "Unusable"]
