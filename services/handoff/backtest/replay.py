"""When a policy would have let a lead pass, by what was known of it then. Pure.

The policy looks at the lead whenever something was said of it, and when something it asks for became too old; each
time it sees what had been said until then and nothing later. A lead passes the first time that it is found ready.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.handoff.unfolding import Unfolding
from shared.conditions import leaves
from shared.events import Observation
from shared.fields import FieldRegistry
from shared.policy import Judgement, Policy, judge


class Told(NamedTuple):
    """What was said of a field, from when on it counts, and whether of a lead that was merged into this one."""

    at: datetime
    said: Observation
    of_merged: bool = False


class Passed(NamedTuple):
    """That a policy found a lead ready, when, and in which segment it was then."""

    at: datetime
    segment: str


def passes(
    policy: Policy, registry: FieldRegistry, told: Iterable[Told], first: datetime, last: datetime
) -> Passed | None:
    """The first moment from `first` to `last` (both included) at which the policy finds the lead ready; None: never."""
    told = sorted(told, key=_order)
    view, at_next = Unfolding(registry), 0
    for at in _moments(policy, told, first, last):
        while at_next < len(told) and told[at_next].at <= at:
            view.take(told[at_next].said, of_merged=told[at_next].of_merged)
            at_next += 1
        view.now = at
        found = judge(policy, view)
        if found.verdict == "ready":
            return Passed(at, found.segment)
    return None


def judged_at(policy: Policy, registry: FieldRegistry, told: Iterable[Told], at: datetime) -> Judgement:
    """What the policy says about the lead as it was known at a moment."""
    return judge(policy, view_at(registry, told, at))


def view_at(registry: FieldRegistry, told: Iterable[Told], at: datetime) -> Unfolding:
    """The lead as it was known at a moment."""
    view = Unfolding(registry)
    for one in sorted(told, key=_order):
        if one.at <= at:
            view.take(one.said, of_merged=one.of_merged)
    view.now = at
    return view


def _moments(policy: Policy, told: Sequence[Told], first: datetime, last: datetime) -> list[datetime]:
    """When the policy looks: at the beginning, when something was said, and when a value becomes too old for it."""
    days = {leaf.within_days for criterion in policy.criteria.values() for leaf in leaves(criterion)} - {None}
    aging = (one.said.observed_at + timedelta(days=n or 0) + _INSTANT for one in told for n in days)
    moments = {first, *(one.at for one in told), *aging}
    return sorted(at for at in moments if first <= at <= last)


def _order(told: Told) -> tuple[datetime, str]:
    return (told.at, told.said.observation_id)


_INSTANT = timedelta(microseconds=1)
