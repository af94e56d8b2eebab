"""What events truly are once corrections are applied.

Of several corrections of one event the latest in order holds; a correction may itself be corrected; one whose new data
does not fit the event it corrects is as if it had never been. The answer depends only on the set of events.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from shared.events import Correction, Event, Undecodable, decode_data, parse_time

IdentityKey = tuple[str, str]
CorrectionsOf = Mapping[IdentityKey, Sequence[Event]]
"""Corrections by the (source, id) that they correct."""


def by_target(corrections: Iterable[Event]) -> dict[IdentityKey, list[Event]]:
    """Corrections grouped by what they correct."""
    found: dict[IdentityKey, list[Event]] = {}
    for event in corrections:
        if isinstance(event.data, Correction):
            target = event.data.corrects
            found.setdefault((target.source, target.id), []).append(event)
    return found


def truths(events: Iterable[Event], corrections: CorrectionsOf) -> Iterator[Event]:
    """Each event that is no correction as it truly is, without those that never were."""
    for event in events:
        if not isinstance(event.data, Correction) and (true := truth(event, corrections)) is not None:
            yield true


def truth(event: Event, corrections: CorrectionsOf, path: frozenset[IdentityKey] = frozenset()) -> Event | None:
    """The event as it truly is, or None when it never was. Corrections that correct one another in a ring are void."""
    path = path | {event.identity}
    holding = [
        true
        for correction in corrections.get(event.identity, ())
        if correction.identity not in path and (true := truth(correction, corrections, path)) is not None
    ]
    for correction in sorted(holding, key=lambda e: e.order, reverse=True):
        data = correction.data
        if not isinstance(data, Correction):
            continue
        if data.action == "void":
            return None
        if (replaced := _replaced(event, data)) is not None:
            return replaced
    return event


def _replaced(event: Event, correction: Correction) -> Event | None:
    given = dict(correction.data or {})
    try:
        moment = given.get("occurred_at")
        time = event.time if moment is None else parse_time(msgspec.json.decode(moment, type=str))
        data = decode_data(event.name, msgspec.json.encode(given))
    except (Undecodable, msgspec.MsgspecError):
        return None
    return msgspec.structs.replace(event, time=time, data=data)
