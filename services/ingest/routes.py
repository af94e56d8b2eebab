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
    WebhookAnswer,
)
from services.ingest.forms import HearingForm, LeadForm, ToolResultForm
from services.ingest.import_handlers import CSV, ImportHandlers, NewImport
from services.ingest.imports.answers import ImportAnswer, ImportPage, ImportReport
from services.ingest.lead_handlers import LeadHandlers, LeadSearch
from services.ingest.webhook_handlers import WebhookHandlers
from shared.web import Endpoint, Paging


def endpoints(
    leads: LeadHandlers, webhooks: WebhookHandlers, activities: ActivityHandlers, imports: ImportHandlers
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
            method="POST",
            path="/v1/imports",
            handler=imports.post,
            scope="leads:write",
            summary="A CSV file of leads of any size, to be taken row by row; the answer has its id",
            query=NewImport,
            stream=True,
            media_types=(CSV,),
            answers={202: ImportAnswer, 404: None, 409: None},
        ),
        Endpoint(
            method="GET",
            path="/v1/imports",
            handler=imports.list_imports,
            scope="leads:read",
            summary="Imports and how far each is",
            query=Paging,
            answers={200: ImportPage},
        ),
        Endpoint(
            method="GET",
            path="/v1/imports/{id}",
            handler=imports.get,
            scope="leads:read",
            summary="How far an import is, and the rows that were rejected",
            query=Paging,
            answers={200: ImportReport},
        ),
        Endpoint(
            method="GET",
            path="/v1/imports/{id}/rejected.csv",
            handler=imports.get_rejected,
            scope="leads:read",
            summary="The rejected rows with number and reason",
            answers={200: str},
            answer_media_type=CSV,
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
