"""Zapier, Make, n8n: a step of the operator's posts what it was told to, under names that the operator chose."""

from services.ingest.providers.json import Json


class Zapier(Json):
    """As any JSON, but for a rate: a Zap that hears 429 may be held or give the lead up, so it is given none."""
