"""Whether a lead may be written to. Pure; docs/outreach.md says which law it follows."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from shared.consent import Told, bases_of
from shared.words import Words

Order = tuple[datetime, str, str]
"""The place in the order of events (time, source, id)."""

LAWFUL = frozenset({"consent", "notified", "relationship", "published"})
"""The bases on which the Act on Regulation of Transmission of Specified Electronic Mail (特定電子メール法), article
3(1), lets somebody write to an address: agreed or asked for it, told the address by card or paper, customer or partner,
published by its owner for business."""

_ALSO: dict[str, tuple[str, ...]] = {"newsletter": ("email",), "auto_email": ("email",)}
"""Channels that use another one: who opted out of mail has opted out of newsletters, and who may be mailed may be sent
them."""


class Consent(NamedTuple):
    """One `lead-consent` event. Without channels it holds for all."""

    told: Order
    basis: str | None
    opted_out_at: datetime | None
    channels: tuple[str, ...]


class Standing(NamedTuple):
    """What holds for a lead: the basis told last for all channels, what it has opted out of (None: everything), and
    the channels that a lawful basis was told for by name."""

    basis: str | None
    opted_out: frozenset[str | None]
    channels: frozenset[str] = frozenset()


def standing(consents: Iterable[Consent]) -> Standing:
    """What all that was told of a lead, and of those merged into it, comes to, in whatever order it came.

    Of each channel the basis told last holds; an opt-out binds for good, whatever basis is told later.
    """
    said = sorted(consents, key=lambda consent: consent.told)
    out: set[str | None] = set()
    for consent in said:
        if consent.opted_out_at is not None:
            out |= set(consent.channels) or {None}
    bases = bases_of(Told(one.basis, one.channels, one.opted_out_at is not None) for one in said)
    named = frozenset(channel for channel, basis in bases.items() if channel is not None and basis in LAWFUL)
    return Standing(bases.get(None), frozenset(out), named)


def refusal(holds: Standing, channel: str | None) -> Words | None:
    """Why the lead may not be contacted on a channel; None when it may. channel None: on none in particular."""
    via: tuple[str | None, ...] = (None, channel, *_ALSO.get(channel or "", ()))
    if None in holds.opted_out:
        return Words(
            ja="この方は連絡の停止を希望されています。連絡しないでください。",
            en="The lead has opted out of being contacted. Do not write.",
        )
    stopped = next((name for name in via if name is not None and name in holds.opted_out), None)
    if stopped is not None:
        return Words(
            ja=f"この方はチャネル「{stopped}」での連絡の停止を希望されています。ほかのチャネルをご検討ください。",
            en=f"The lead has opted out of the channel {stopped}. Consider another channel.",
        )
    if holds.basis in LAWFUL or not holds.channels.isdisjoint(via) or (channel is None and holds.channels):
        return None
    if channel is None:
        return Words(
            ja="連絡の根拠（同意など）が記録されていません。確認して POST /v1/leads/{id}/consent で記録してください。",
            en="No basis for contacting the lead is on record. Find it out and tell it by POST /v1/leads/{id}/consent.",
        )
    return Words(
        ja=f"チャネル「{channel}」での連絡の根拠（同意など）が記録されていません。"
        "確認して POST /v1/leads/{id}/consent で記録してください。",
        en=f"No basis for contacting the lead on the channel {channel} is on record. "
        "Find it out and tell it by POST /v1/leads/{id}/consent.",
    )
