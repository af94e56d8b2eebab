"""Which leads are one. Pure.

A lead counts as the one at the end of its chain of merges. Where merges form a ring, the one told last is as if it had
never been. The answer depends only on the set of what was told.
"""

from collections.abc import Mapping
from datetime import datetime

Told = tuple[datetime, str, str]
"""The place in the order of events (time, source, id) at which a merge was told."""


def survivors(told: Mapping[str, tuple[Told, str]]) -> dict[str, str]:
    """Merged lead -> the lead that it counts as, from: merged lead -> (when it was told, what it was merged into)."""
    merges = dict(told)
    for lead in list(merges):
        path, again = _path(merges, lead)
        if again is not None:
            del merges[max(path[path.index(again) :], key=lambda member: merges[member][0])]
    return {lead: _path(merges, lead)[0][-1] for lead in merges}


def _path(merges: Mapping[str, tuple[Told, str]], lead: str) -> tuple[list[str], str | None]:
    """The lead, what it was merged into, and so on; and, where that ends in a ring, the lead that came again."""
    path = [lead]
    while path[-1] in merges:
        into = merges[path[-1]][1]
        if into in path:
            return path, into
        path.append(into)
    return path, None
