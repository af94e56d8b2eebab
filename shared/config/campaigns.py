"""campaigns.yaml: what marketing plans, shared with inside sales."""

from datetime import date
from typing import Annotated, Literal

import msgspec

from shared.config.document import Document
from shared.events import Channel
from shared.money import Money
from shared.words import Words

CampaignChannel = Channel | Literal["call", "web", "search", "advertising", "exhibition", "press"]


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One campaign, from a day to a day (both inclusive)."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    name: Words
    channel: CampaignChannel
    from_: date = msgspec.field(name="from")
    to: date
    budget: Money | None = None


def read_campaigns(document: Document) -> dict[str, Campaign]:
    """The campaigns by id. Raises ConfigError."""
    campaigns: dict[str, Campaign] = {}
    for index, campaign in enumerate(document.convert(list[Campaign])):
        if campaign.id in campaigns:
            raise document.error((index, "id"), f"the campaign `{campaign.id}` stands here twice; keep one")
        if campaign.to < campaign.from_:
            raise document.error(
                (index, "to"), f"`{campaign.id}` ends before it begins: `to` must not be before `from`"
            )
        campaigns[campaign.id] = campaign
    return campaigns
