"""Whose turn it is. Pure: the same loads always give the same owner."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from shared.policy import UNKNOWN, Policy, Route

Method = Literal["round_robin", "least_open"]


class Load(NamedTuple):
    """What a member of a route has been given: handoffs that wait for a decision, and the number of the latest one."""

    member: str
    open: int
    last_number: int


def next_owner(method: Method, loads: Sequence[Load]) -> str:
    """The member who gets the next handoff; `loads` stand in the order of the policy, which breaks ties.

    `round_robin`: who has waited longest since their latest handoff, so a member who joins comes next and nobody is
    passed over. `least_open`: who has the fewest undecided ones, then who has waited longest.
    Raises ValueError when there are no members.
    """
    if not loads:
        raise ValueError("a route needs at least one member")
    if method == "least_open":
        return min(loads, key=lambda load: (load.open, load.last_number)).member
    return min(loads, key=lambda load: load.last_number).member


def route_of(policy: Policy, segment: str) -> Route | None:
    """Who gets a segment's leads; those of a segment without a route go to whoever of all has the fewest open."""
    route = policy.routing.get(segment) or policy.routing.get(UNKNOWN)
    if route is not None or not policy.routing:
        return route
    everybody = dict.fromkeys(member for other in policy.routing.values() for member in other.members)
    return Route(members=list(everybody), method="least_open")
