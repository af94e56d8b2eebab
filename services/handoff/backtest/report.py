"""What a back-test answers, and how it adds up lead by lead. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from services.handoff.backtest.replay import Passed, Told
from services.handoff.due import due_at
from services.handoff.outcomes import Deal, Outcomes, OutcomeSum, Status, booked
from services.handoff.routing import Load, Way, choose, members_of, with_limits
from shared.config.team import Team
from shared.events import PolicyVersion
from shared.money import Money
from shared.periods import business_date, period_of
from shared.policy import Judgement, Outcome, Policy, Verdict, outcome

LISTED = 1_000
"""Leads of each list in the answer at most; the numbers beside them count all."""


class Handed(NamedTuple):
    """A handoff as it was made, and what sales made of it."""

    at: datetime
    owner: str
    segment: str
    status: Status
    decided_at: datetime | None
    reason: str | None


class Past(NamedTuple):
    """One lead: since when there was one, what was said of it, its handoffs and recycles in order of time, its
    opportunities, and under which ids other systems know it."""

    lead_id: str
    since: datetime
    told: Sequence[Told]
    handed: Sequence[Handed]
    recycled: Sequence[datetime]
    opportunities: Sequence[Deal]
    external_ids: Sequence[str] = ()


class Found(NamedTuple):
    """What a back-test found of a lead. `ways`: those to an owner that were open to it when it would have passed;
    `at_handoff`: what the draft says of it as it was known at its handoff."""

    would: Passed | None
    ways: Sequence[Way]
    in_force: Passed | None
    did: Sequence[Handed]
    at_handoff: Judgement | None


class Group(Outcomes, kw_only=True):
    """Leads, and what became of those that were handed over: the latest handoff of each in the period."""

    leads: int = 0
    lead_ids: list[str] = msgspec.field(default_factory=list)


class Groups(msgspec.Struct, kw_only=True):
    """Leads by whether the draft would have let them pass in the period, and whether they were handed over in it."""

    would_pass: Group
    did_pass: Group
    both: Group
    only_would: Group
    only_did: Group
    neither: Group


class Confusion(msgspec.Struct, kw_only=True):
    """Leads that the draft, and the version in force, would have let pass in the period, both replayed."""

    both: int = 0
    only_draft: int = 0
    only_in_force: int = 0
    neither: int = 0


class SegmentLine(msgspec.Struct, kw_only=True):
    """A segment as it was then: leads that would have passed in it, and handoffs that were made in it."""

    segment: str
    would_pass: int
    did_pass: int


class LoadLine(msgspec.Struct, kw_only=True):
    """What a member of sales would have got in a week, by the draft's routing, and what he or she got."""

    week: str
    member: str
    would_get: int
    got: int


class Differing(msgspec.Struct, kw_only=True):
    """A lead of which the draft and what was done differ. `at_handoff`: the draft's decision as of the handoff."""

    lead_id: str
    would_pass_at: datetime | None
    segment: str | None
    handed_over_at: datetime | None
    owner: str | None
    at_handoff: Verdict | None
    criteria: dict[str, Outcome]
    won: int
    booked: list[Money]


class Considered(msgspec.Struct, kw_only=True):
    """Which leads were looked at. Those that sales had already at the beginning are left out, and erased ones."""

    considered: int = 0
    with_sales_already: int = 0
    erased: int = 0


class Report(msgspec.Struct, kw_only=True):
    """What a policy would have done in a period, beside what was done. `reached` and `missed`: what the leads that were
    handed over booked, by whether the draft would have let them pass."""

    policy: str
    in_force: PolicyVersion
    first: datetime
    last: datetime
    timezone: str
    known_by: str
    leads: Considered
    groups: Groups
    confusion: Confusion
    segments: list[SegmentLine]
    load: list[LoadLine]
    reached: list[Money]
    missed: list[Money]
    differing: list[Differing]
    differing_total: int


def is_with_sales(past: Past, first: datetime) -> bool:
    """Whether sales had the lead when the period began: handed over before, not returned, and not recycled since."""
    before = [h for h in past.handed if h.at < first]
    if not before:
        return False
    latest = before[-1]
    if latest.status == "returned" and latest.decided_at is not None and latest.decided_at < first:
        return False
    return not any(latest.at <= at < first for at in past.recycled)


class Routable(NamedTuple):
    """A lead that would have passed: when, in which segment, and which ways to an owner were open to it."""

    at: datetime
    lead_id: str
    segment: str
    ways: Sequence[Way]


class Sum:
    """Adds up leads; `report` tells the result."""

    def __init__(self, draft: Policy, zone: ZoneInfo, team: Team) -> None:
        self._draft = draft
        self._zone = zone
        self._team = team
        self._groups = {name: _Adding() for name in Groups.__struct_fields__}
        self._confusion = Counter[str]()
        self._would = Counter[str]()
        self._did = Counter[str]()
        self._passed: list[Routable] = []
        self._got = Counter[tuple[str, str]]()
        self._differing: list[Differing] = []
        self._differing_total = 0
        self.leads = Considered()

    def add(self, past: Past, found: Found) -> None:
        """One lead that was looked at."""
        self.leads.considered += 1
        would, did = found.would is not None, bool(found.did)
        names = {(True, True): "both", (True, False): "only_would", (False, True): "only_did"}
        for name in (names.get((would, did), "neither"), *(["would_pass"] * would), *(["did_pass"] * did)):
            self._groups[name].add(past, found)
        of_draft = {(True, True): "both", (True, False): "only_draft", (False, True): "only_in_force"}
        self._confusion[of_draft.get((would, found.in_force is not None), "neither")] += 1
        for handed in found.did:
            self._got[self._week(handed.at), handed.owner] += 1
            self._did[handed.segment] += 1
        if found.would is not None:
            self._would[found.would.segment] += 1
            self._passed.append(Routable(found.would.at, past.lead_id, found.would.segment, found.ways))
        if would != did:
            self._differing_total += 1
            if len(self._differing) < LISTED:
                self._differing.append(_differing(past, found))

    def report(self, in_force: PolicyVersion, first: datetime, last: datetime, known_by: str) -> Report:
        """All that was added. first, last: the ends of the period."""
        groups = {name: adding.group() for name, adding in self._groups.items()}
        return Report(
            policy=self._draft.id,
            in_force=in_force,
            first=first,
            last=last,
            timezone=str(self._zone),
            known_by=known_by,
            leads=self.leads,
            groups=Groups(**groups),
            confusion=Confusion(**self._confusion),
            segments=[
                SegmentLine(segment=name, would_pass=self._would[name], did_pass=self._did[name])
                for name in sorted(self._would.keys() | self._did.keys())
            ],
            load=self._load(),
            reached=groups["both"].booked,
            missed=groups["only_did"].booked,
            differing=self._differing,
            differing_total=self._differing_total,
        )

    def _load(self) -> list[LoadLine]:
        given = routed(self._draft, self._passed, self._zone, self._team)
        expected = Counter((self._week(at), member) for at, member in given)
        return [
            LoadLine(week=week, member=member, would_get=expected[week, member], got=self._got[week, member])
            for week, member in sorted(expected.keys() | self._got.keys())
        ]

    def _week(self, at: datetime) -> str:
        return period_of(business_date(at, self._zone), "week").label


def routed(policy: Policy, passed: Iterable[Routable], zone: ZoneInfo, team: Team) -> Iterable[tuple[datetime, str]]:
    """Who would have got the leads that pass, as the policy routes them in order of time.

    A lead counts as open until the time in which sales has to decide about it is over. Absences and capacities are
    those that team.yaml names now.
    """
    within = policy.accept_within
    open_until: dict[str, list[datetime]] = defaultdict(list)
    latest: dict[tuple[str, str], int] = defaultdict(int)
    for number, (at, _, segment, ways) in enumerate(sorted(passed, key=lambda one: one[:2]), 1):
        if not ways:
            continue
        members = members_of(ways)
        for member in members:
            open_until[member] = [due for due in open_until[member] if due > at]
        loads = [Load(member, len(open_until[member]), latest[member, segment]) for member in members]
        limited = with_limits(loads, team, business_date(at, zone))
        owner = choose(ways, {load.member: load for load in limited}).owner
        latest[owner, segment] = number
        open_until[owner].append(due_at(at, within.hours, within.calendar, zone, team.sales.opening))
        yield at, owner


class _Adding:
    """A group while leads are added to it."""

    def __init__(self) -> None:
        self._outcomes = OutcomeSum()
        self._leads = 0
        self._lead_ids: list[str] = []

    def add(self, past: Past, found: Found) -> None:
        self._leads += 1
        if len(self._lead_ids) < LISTED:
            self._lead_ids.append(past.lead_id)
        if found.did:
            self._outcomes.add_handoff(found.did[-1].status, found.did[-1].reason)
        self._outcomes.add_deals(past.opportunities)

    def group(self) -> Group:
        return Group(leads=self._leads, lead_ids=self._lead_ids, **self._outcomes.figures())


def _differing(past: Past, found: Found) -> Differing:
    did = found.did[0] if found.did else None
    judged = found.at_handoff
    return Differing(
        lead_id=past.lead_id,
        would_pass_at=found.would.at if found.would else None,
        segment=found.would.segment if found.would else judged.segment if judged else None,
        handed_over_at=did.at if did else None,
        owner=did.owner if did else None,
        at_handoff=judged.verdict if judged else None,
        criteria={name: outcome(one.truth) for name, one in judged.evaluated.items()} if judged else {},
        won=sum(deal.won is True for deal in past.opportunities),
        booked=booked(past.opportunities),
    )
