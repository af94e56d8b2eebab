"""The endpoints of ingest, in one table."""

from typing import Any

from services.ingest.activity_handlers import ActivityHandlers
from services.ingest.answers import (
    ActivityReceipt,
    FieldPage,
    LeadAnswer,
    LeadPage,
    ObservationPage,
    QuarantineEntry,
    QuarantinePage,
    TagScanAnswer,
    WebhookAnswer,
)
from services.ingest.forms import HearingForm, LeadForm, ToolResultForm
from services.ingest.lead_handlers import LeadHandlers, LeadSearch
from services.ingest.tag_handlers import TagHandlers
from services.ingest.webhook_handlers import WebhookHandlers
from shared.web import Endpoint, Paging


def endpoints(
    leads: LeadHandlers, webhooks: WebhookHandlers, activities: ActivityHandlers, tags: TagHandlers
) -> list[Endpoint]:
    """What ingest answers to."""
    return [
        Endpoint(
            method="POST",
            path="/v1/leads",
            handler=leads.post,
            scope="leads:write",
            summary="Submit a typed form; the answer is the lead",
            body=LeadForm,
            answers={200: LeadAnswer, 201: LeadAnswer, 409: None, 410: None},
        ),
        Endpoint(
            method="GET",
            path="/v1/leads",
            handler=leads.search,
            scope="leads:read",
            summary="Search leads",
            query=LeadSearch,
            answers={200: LeadPage},
        ),
        Endpoint(
            method="GET",
            path="/v1/leads/{id}",
            handler=leads.get,
            scope="leads:read",
            summary="A lead: the believed value of each field, and where it is from",
            answers={200: LeadAnswer, 410: None},
        ),
        Endpoint(
            method="GET",
            path="/v1/leads/{id}/observations",
            handler=leads.get_observations,
            scope="leads:read",
            summary="Every value ever given, winners marked, and what could not be mapped",
            query=Paging,
            answers={200: ObservationPage, 410: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/leads/{id}/hearings",
            handler=leads.post_hearing,
            scope="leads:write",
            summary="What a rep heard from the lead; the answer is the lead",
            body=HearingForm,
            answers={201: LeadAnswer, 409: None, 410: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/leads/{id}/tool-results",
            handler=leads.post_tool_result,
            scope="leads:write",
            summary="What a tool found out about the lead; the answer is the lead",
            body=ToolResultForm,
            answers={201: LeadAnswer, 409: None, 410: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/leads/{id}/tag-scan",
            handler=tags.post,
            scope="leads:write",
            summary="Have the lead's website looked at for tags, in the background; the answer is the scan",
            answers={202: TagScanAnswer, 409: None, 410: None},
        ),
        Endpoint(
            method="GET",
            path="/v1/leads/{id}/tag-scan",
            handler=tags.get,
            scope="leads:read",
            summary="The last scan of the lead's website: its state, and what it found",
            answers={200: TagScanAnswer, 410: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/activities",
            handler=activities.post,
            scope="activities:write",
            summary="Up to 1,000 activities (see events.md), each judged alone",
            body=dict[str, Any] | list[Any],
            answers={202: ActivityReceipt, 409: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/webhooks/{source}",
            handler=webhooks.post,
            scope=None,
            summary="A delivery of a form or tool named in sources.yaml",
            raw_body=True,
            media_types=("application/json", "application/x-www-form-urlencoded", "multipart/form-data"),
            answers={202: WebhookAnswer, 401: None, 409: None},
        ),
        Endpoint(
            method="GET",
            path="/v1/quarantine",
            handler=webhooks.list_quarantine,
            scope="leads:read",
            summary="Webhook bodies that could not be used",
            query=Paging,
            answers={200: QuarantinePage},
        ),
        Endpoint(
            method="POST",
            path="/v1/quarantine/{id}/retry",
            handler=webhooks.retry,
            scope="leads:write",
            summary="Try an entry again with the configuration as it is now",
            answers={200: QuarantineEntry},
        ),
        Endpoint(
            method="GET",
            path="/v1/fields",
            handler=leads.get_fields,
            scope="leads:read",
            summary="The field registry",
            answers={200: FieldPage},
        ),
    ]
