"""Whose turn it is, and why. Pure: the same lead and the same loads always give the same owner.

A lead takes the first of these ways on which anybody is there: the member whose account its company is, the first rule
of its segment's route that it meets, the route's own members. Where nobody is there on any, whoever of all of them has
the fewest open gets it, so that nothing is lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from services.handoff.wording import METHODS, in_words
from shared.conditions import View, evaluate
from shared.config.sales import AccountKey, Company, Owned
from shared.config.team import Team
from shared.domains import company_domain
from shared.fields import FieldRegistry
from shared.policy import UNKNOWN, Policy, Route, RouteMethod
from shared.words import Words

Skipped = Literal["absent", "full"]
ACCOUNTS = "accounts"
COMPANY_FIELDS = frozenset({"corporate_number", "website", "email"})
"""The fields that tell whose account a lead's company is."""


class Load(NamedTuple):
    """What a member of a route has been given: handoffs that wait for a decision, and the number of the latest one.

    `capacity`: how many may wait at most, None for any number.
    """

    member: str
    open: int
    last_number: int
    absent: bool = False
    capacity: int | None = None

    @property
    def skipped(self) -> Skipped | None:
        """Why the member is passed over; None where there is no reason to."""
        if self.absent:
            return "absent"
        return "full" if self.capacity is not None and self.open >= self.capacity else None


class Turns:
    """What members have been given, kept up to date with what one transaction gives. Nobody else gives meanwhile, so it
    is read once, however many leads the transaction hands over; what sales decides meanwhile shows in the next one."""

    def __init__(self) -> None:
        self._loads: dict[tuple[str, str], Load] = {}

    def unread(self, segment: str, members: Iterable[str]) -> list[str]:
        """The members of whom it is not known yet what they have been given in a segment."""
        return [member for member in members if (segment, member) not in self._loads]

    def read(self, segment: str, loads: Iterable[Load]) -> None:
        """What members have been given."""
        self._loads |= {(segment, load.member): load for load in loads}

    def of(self, segment: str, members: Iterable[str]) -> list[Load]:
        """What members have been given that were read."""
        return [self._loads[segment, member] for member in members]

    def give(self, segment: str, member: str, number: int) -> None:
        """One more handoff."""
        for (of, who), load in self._loads.items():
            if who == member:
                latest = number if of == segment else load.last_number
                self._loads[of, who] = load._replace(open=load.open + 1, last_number=latest)


class Way(NamedTuple):
    """Members among whom a lead finds its owner. `rule`: what says so, `accounts` of team.yaml or a JSON pointer into
    the policy."""

    rule: str
    why: Words
    members: Sequence[str]
    method: RouteMethod


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member who was looked at, with what waited for his or her answer then, and why he or she was passed over."""

    member: str
    open: int
    skipped: Skipped | None = None


class Routed(msgspec.Struct, frozen=True):
    """Why a handoff went to whom it went."""

    rule: str
    reason: Words
    candidates: list[Candidate]


class Choice(NamedTuple):
    """Who gets a handoff, and why."""

    owner: str
    routed: Routed


def next_owner(method: RouteMethod, loads: Sequence[Load]) -> str:
    """The member who gets the next handoff; `loads` stand in the order of the policy, which breaks ties.

    `round_robin`: who has waited longest since their latest handoff. Who joins comes next, who was absent comes next
    once, and then everybody in turn: turns are not saved up. `least_open`: who has the fewest undecided ones, then who
    has waited longest. Who is absent or full is passed over; where all are, who has the fewest open gets it.
    Raises ValueError when there are no members.
    """
    if not loads:
        raise ValueError("a route needs at least one member")
    there = [load for load in loads if load.skipped is None]
    if method == "least_open" or not there:
        return min(there or loads, key=lambda load: (load.open, load.last_number)).member
    return min(there, key=lambda load: load.last_number).member


def with_limits(loads: Iterable[Load], team: Team, day: date) -> list[Load]:
    """The loads with what team.yaml says of absences and capacities on a day."""
    return [
        load._replace(absent=team.is_away(load.member, day), capacity=team.capacity_of(load.member, day))
        for load in loads
    ]


def company_of(view: View, external_ids: Iterable[str] = ()) -> Company:
    """What is known of a lead's company."""

    def said(field: str) -> str | None:
        observation = view.observation(field)
        return observation.value if observation is not None and isinstance(observation.value, str) else None

    domain = company_domain(website=said("website"), email=said("email"))
    return Company(said("corporate_number"), tuple(external_ids), domain)


def ways_of(
    policy: Policy, segment: str, view: View, registry: FieldRegistry, account: Owned | None = None
) -> list[Way]:
    """The ways that a lead may take, the first one first; none where the policy routes nothing and it is no account."""
    ways = [] if account is None else [_account_way(account)]
    name, route = _route_of(policy, segment)
    if route is None:
        return ways
    at = f"/routing/{name}" if name else "/routing"
    for index, rule in enumerate(route.rules):
        if evaluate(rule.when, view).truth:
            met = in_words(rule.when, registry)
            ways.append(Way(f"{at}/rules/{index}", _way_words(met, rule.method), rule.members, rule.method))
            break
    return [*ways, Way(at, _way_words(_leads_of(segment), route.method), route.members, route.method)]


def members_of(ways: Iterable[Way]) -> list[str]:
    """Everybody on these ways once, in order."""
    return list(dict.fromkeys(member for way in ways for member in way.members))


def choose(ways: Sequence[Way], loads: Mapping[str, Load]) -> Choice:
    """Who gets the handoff. loads: of all members on the ways. Raises ValueError when there is no way."""
    if not ways:
        raise ValueError("a lead needs at least one way to an owner")
    passed: list[Way] = []
    for way in ways:
        there = [loads[member] for member in way.members]
        if any(load.skipped is None for load in there):
            return Choice(next_owner(way.method, there), _routed(passed, way, loads))
        passed.append(way)
    everybody = [loads[member] for member in members_of(ways)]
    return Choice(next_owner("least_open", everybody), _routed(passed, None, loads))


def _routed(passed: Sequence[Way], taken: Way | None, loads: Mapping[str, Load]) -> Routed:
    """passed: ways on which nobody was there, of which the reason speaks first. taken: None: nobody was anywhere."""
    why = _NOBODY if taken is None else taken.why
    ja = "".join(f"{way.why.ja}だが、全員が不在か上限に達している。" for way in passed)
    en = "".join(f"{way.why.en}, but everybody there is absent or full. " for way in passed)
    looked_at = [*passed, *([] if taken is None else [taken])]
    candidates = [Candidate(m, loads[m].open, loads[m].skipped) for m in members_of(looked_at)]
    return Routed(looked_at[-1].rule, Words(f"{ja}{why.ja}", f"{en}{why.en}"), candidates)


def _route_of(policy: Policy, segment: str) -> tuple[str | None, Route | None]:
    """Who gets a segment's leads, and under which name it stands; those of a segment without a route go to whoever of
    all has the fewest open."""
    for name in (segment, UNKNOWN):
        if name in policy.routing:
            return name, policy.routing[name]
    if not policy.routing:
        return None, None
    everybody = dict.fromkeys(member for other in policy.routing.values() for member in other.members)
    return None, Route(members=list(everybody), method="least_open")


def _account_way(account: Owned) -> Way:
    by = _KEYS[account.by]
    why = Words(
        f"{account.member}の担当企業（{by.ja}が一致）", f"The company is an account of {account.member}, by {by.en}"
    )
    return Way(ACCOUNTS, why, [account.member], "least_open")


def _way_words(leads: Words, method: RouteMethod) -> Words:
    how = METHODS[method]
    return Words(f"{leads.ja}: {how.ja}", f"{leads.en}: {how.en}")


def _leads_of(segment: str) -> Words:
    return Words(f"セグメント{segment}のリード", f"A lead of segment {segment}")


_KEYS: Mapping[AccountKey, Words] = {
    "corporate_number": Words("法人番号", "its corporate number"),
    "external_id": Words("外部ID", "an external id"),
    "domain": Words("ドメイン", "its domain"),
}
_NOBODY = Words("未処理の最も少ない人に割り当て", "To whoever has the fewest open")
