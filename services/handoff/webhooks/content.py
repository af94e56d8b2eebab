"""What an endpoint is told of an event: unsealed, and in the endpoint's form."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff import policies, store
from services.handoff.webhooks.endpoints import WebhookEndpoint
from services.handoff.webhooks.slack import Names, slack_post
from services.handoff.webhooks.standard import Post, standard_post
from shared import lead_keys
from shared.config import Config
from shared.events import Event
from shared.periods import business_date
from shared.sealing import unsealed_data
from shared.words import Words


@dataclass(frozen=True)
class Content:
    """Makes posts. `package`: the address in the API before a handoff's id."""

    config: Config
    zone: ZoneInfo
    package: str

    async def post(self, conn: AsyncConnection, endpoint: WebhookEndpoint, event: Event) -> Post:
        """What is posted. Of a lead that was erased meanwhile nothing is told but ids and decisions."""
        event = await _unsealed(conn, event)
        webhook = endpoint.webhook
        if webhook.format == "standard":
            return standard_post(event, comments=webhook.comments)
        handoff_id = getattr(event.data, "handoff_id", None)
        handoff = await store.get(conn, handoff_id) if handoff_id is not None else None
        segments = await _segments(conn, handoff, self.zone) if handoff is not None else {}
        stages = {stage.id: stage.label for stage in self.config.stages}
        names = Names(self.config.team, self.config.fields, self.zone, segments, stages, self.package)
        return slack_post(event, handoff, webhook, names)


async def _unsealed(conn: AsyncConnection, event: Event) -> Event:
    keys = await lead_keys.read(conn, [event.subject])
    return msgspec.structs.replace(event, data=unsealed_data(event.data, keys.get(event.subject), event.subject))


async def _segments(conn: AsyncConnection, handoff: store.Handoff, zone: ZoneInfo) -> dict[str, Words]:
    """The labels of the segments of the policy by which the lead was handed over."""
    version = await policies.version(
        conn, handoff.policy.id, handoff.policy.version, business_date(handoff.created_at, zone)
    )
    return {} if version is None else {segment.id: segment.label for segment in version.policy.segments}
