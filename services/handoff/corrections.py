"""What an activity is after its corrections. Pure, and independent of the order in which they came.

Of several corrections for one event the latest in order (time, source, id) holds; a correction may itself be corrected.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import msgspec

from shared.events import Correction, Data, Identity, Undecodable, decode_data, parse_time


class Fact(NamedTuple):
    """An event as it counts: who said it, what, when."""

    source: str
    id: str
    name: str
    time: datetime
    data: Data

    @property
    def identity(self) -> Identity:
        return Identity(self.source, self.id)

    @property
    def order(self) -> tuple[datetime, str, str]:
        return (self.time, self.source, self.id)


Corrections = Mapping[Identity, Sequence[Fact]]
"""The corrections known of an event, by its identity; each is a fact whose data is a `Correction`."""


def effective(fact: Fact, corrections: Corrections) -> Fact | None:
    """The fact as it counts now; None when it counts as if it had never been."""
    return _effective(fact, corrections, frozenset())


def _effective(fact: Fact, corrections: Corrections, above: frozenset[Identity]) -> Fact | None:
    if fact.identity in above:  # corrections that correct one another in a circle say nothing
        return None
    above |= {fact.identity}
    holding = [c for raw in corrections.get(fact.identity, ()) if (c := _effective(raw, corrections, above))]
    for correction in sorted(holding, key=lambda c: c.order, reverse=True):
        with suppress(Undecodable):  # one that cannot be applied says nothing, in whatever order the two came
            return corrected(fact, correction.data)
    return fact


def corrected(fact: Fact, correction: Data) -> Fact | None:
    """The fact after one correction, None after a void. Raises Undecodable when it cannot be applied to this fact."""
    if not isinstance(correction, Correction) or correction.corrects != fact.identity:
        raise Undecodable("invalid_data", "it corrects something else")
    if correction.action == "void":
        return None
    if correction.data is None:
        raise Undecodable("invalid_data", "a replacement needs data")
    data = decode_data(fact.name, msgspec.json.encode(correction.data))
    occurred = correction.data.get("occurred_at")
    if occurred is None:
        return fact._replace(data=data)
    try:
        return fact._replace(time=parse_time(msgspec.json.decode(occurred, type=str)), data=data)
    except msgspec.MsgspecError as error:
        raise Undecodable("invalid_time", str(error)) from error
