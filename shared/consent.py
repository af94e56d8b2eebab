"""Where a basis for contacting a lead holds. Pure; docs/outreach.md says which law it follows."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.events import Touch


class Told(NamedTuple):
    """What one `lead-consent` tells: the basis, and the channels that it holds for, or that are opted out of.

    No channels: all.
    """

    basis: str | None
    channels: Sequence[str]
    opts_out: bool


UNSUBSCRIBED = ("auto_email", "newsletter")
"""Channels on which a touch whose outcome is `declined` is no answer to one mail but the wish to get none: who does not
want more by e-mail has opted out of it."""


def opts_out_of(touch: Touch) -> str | None:
    """The channel that a lead has opted out of by what it did."""
    return "email" if touch.outcome == "declined" and touch.channel in UNSUBSCRIBED else None


def bases_of(said: Iterable[Told]) -> dict[str | None, str]:
    """The basis that holds for each channel that one was told for, and (None) for all others; told in this order.

    Of each channel the basis told last holds. What an opt-out names is what is opted out of, so its basis is one for
    all channels; but it gives none to channels that had none when others had: who opts out agrees to nothing more.
    """
    bases: dict[str | None, str] = {}
    for basis, channels, opts_out in said:
        if basis is None:
            continue
        if opts_out:
            bases = dict.fromkeys(bases or (None,), basis)
        elif channels:
            bases |= dict.fromkeys(channels, basis)
        else:
            bases = {None: basis}
    return bases
