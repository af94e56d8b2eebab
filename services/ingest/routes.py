"""The endpoints of ingest, in one table."""

from typing import Any

from services.ingest.activity_handlers import ActivityHandlers
from services.ingest.answers import (
    ActivityReceipt,
    ConsentAnswer,
    DuplicatePage,
    Erased,
    FieldPage,
    LeadAnswer,
    LeadPage,
    ObservationPage,
    QuarantineEntry,
    QuarantinePage,
    WebhookAnswer,
)
from services.ingest.forms import ConsentForm, EraseForm, HearingForm, LeadForm, MergeForm, ToolResultForm
from services.ingest.lead_handlers import LeadHandlers, LeadSearch
from services.ingest.merge_handlers import MergeHandlers
from services.ingest.privacy_handlers import PrivacyHandlers
from services.ingest.webhook_handlers import WebhookHandlers
from shared.web import Endpoint, Paging


def endpoints(
    leads: LeadHandlers,
    merges: MergeHandlers,
    privacy: PrivacyHandlers,
    webhooks: WebhookHandlers,
    activities: ActivityHandlers,
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
            path="/v1/leads/{id}/merge",
            handler=merges.merge,
            scope="leads:write",
            summary="Have a lead count as another one; the answer is the one that survives",
            body=MergeForm,
            answers={200: LeadAnswer, 409: None, 410: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/leads/{id}/unmerge",
            handler=merges.unmerge,
            scope="leads:write",
            summary="Have a merged lead stand by itself again; the answer is that lead",
            answers={200: LeadAnswer, 409: None, 410: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/leads/{id}/consent",
            handler=privacy.post_consent,
            scope="leads:write",
            summary="On what basis a lead may be contacted, or that it may not any more",
            body=ConsentForm,
            answers={201: ConsentAnswer, 410: None},
        ),
        Endpoint(
            method="GET",
            path="/v1/leads/{id}/consent",
            handler=privacy.get_consent,
            scope="leads:read",
            summary="Whether a lead may be contacted, and all that was said about it",
            answers={200: ConsentAnswer, 410: None},
        ),
        Endpoint(
            method="POST",
            path="/v1/leads/{id}/erase",
            handler=privacy.erase,
            scope="leads:write",
            summary="Destroy all personal data of a lead; what was counted stays",
            body=EraseForm,
            answers={200: Erased},
        ),
        Endpoint(
            method="GET",
            path="/v1/duplicates",
            handler=merges.list_duplicates,
            scope="leads:read",
            summary="Leads that share an e-mail address or a phone, for review",
            query=Paging,
            answers={200: DuplicatePage},
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
            answers={200: Any, 202: WebhookAnswer, 401: None, 409: None},
        ),
        Endpoint(
            method="GET",
            path="/v1/webhooks/{source}",
            handler=webhooks.get,
            scope=None,
            summary="The answer to a provider that asks whether we are there (Meta, LinkedIn)",
            answers={200: Any, 403: None, 503: None},
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
