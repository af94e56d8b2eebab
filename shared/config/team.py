"""team.yaml: who is in which team, in which role, from when to when, what each role is measured by, and how field sales
works."""

from collections.abc import Collection
from datetime import date
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from shared.config.document import Document
from shared.config.sales import ACCOUNT_KEYS, FIELD_SALES, Company, Id, Owned, Sales, check_sales
from shared.words import Words

BOOKED_AMOUNT = "booked_amount"
SCORE_CAP = 1.2
"""How much of a target counts into a score at most, so that one KPI far above it does not hide another far below."""

Cut = Literal["rep", "owner"]
Weight = Annotated[float, msgspec.Meta(ge=0, le=1_000)]


class TeamUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One team, for example the one that works on small and medium businesses."""

    id: Id
    name: Words


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person in one team and role, from a day to a day (both inclusive). Who changes has several entries.

    `capacity`: how many handoffs may wait for the person's answer at most; no limit where it is left out.
    """

    id: Id
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    role: str
    team: str
    from_: date = msgspec.field(name="from", default=date.min)
    to: date = date.max
    capacity: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a role's score is made of: KPI id -> weight.

    `cut`: which side of a KPI is the role's own, the credited `rep` or the `owner` who sells. Where it is not said,
    field sales has what it owns and every other role what it is credited with.
    """

    weights: dict[str, Weight]
    label: Words | None = None
    cut: Cut | None = None
    cap: Annotated[float, msgspec.Meta(ge=1, le=100)] = SCORE_CAP
    allow_activity_weights: bool = False
    reason: str | None = None


class _File(Sales, frozen=True, kw_only=True, forbid_unknown_fields=True):
    teams: list[TeamUnit]
    members: list[Member]
    roles: dict[str, Role]


class Team:
    """Everybody, by day. Who is not in team.yaml is a member of no team and has no role."""

    def __init__(
        self, teams: list[TeamUnit], members: list[Member], roles: dict[str, Role], sales: Sales | None = None
    ) -> None:
        self.teams = {team.id: team for team in teams}
        self.sales = sales or Sales()
        self._owners = self.sales.owners()
        self.members = tuple(members)
        self.roles = roles
        self._entries: dict[str, list[Member]] = {}
        for member in members:
            self._entries.setdefault(member.id, []).append(member)
        self._entry = lru_cache(maxsize=50_000)(self._find_entry)  # asked for each event that is counted

    def __contains__(self, rep: object) -> bool:
        """Whether anybody of this id is or was a member."""
        return rep in self._entries

    @property
    def member_ids(self) -> tuple[str, ...]:
        """Everybody's id once, in the order of the file."""
        return tuple(self._entries)

    def name_of(self, rep: str) -> str:
        """The person's name; the id itself of somebody unknown."""
        entries = self._entries.get(rep)
        return entries[-1].name if entries else rep

    def entry(self, rep: str, day: date) -> Member | None:
        """What held for a person on a day."""
        return self._entry(rep, day)

    def _find_entry(self, rep: str, day: date) -> Member | None:
        return next((m for m in self._entries.get(rep, ()) if m.from_ <= day <= m.to), None)

    def team_of(self, rep: str, day: date) -> str:
        """The id of the person's team on that day, "" when in none."""
        entry = self.entry(rep, day)
        return entry.team if entry else ""

    def role_of(self, rep: str, day: date) -> str:
        """The person's role on that day, "" when in none."""
        entry = self.entry(rep, day)
        return entry.role if entry else ""

    def is_away(self, rep: str, day: date) -> bool:
        """Whether a member is absent on that day, has left or has not come yet. Of somebody unknown nobody knows."""
        return self.sales.is_absent(rep, day) or (rep in self and self.entry(rep, day) is None)

    def capacity_of(self, rep: str, day: date) -> int | None:
        """How many handoffs may wait for the person's answer on that day; None: any number."""
        entry = self.entry(rep, day)
        return entry.capacity if entry else None

    def account_of(self, company: Company) -> Owned | None:
        """Whose account a company is. Where its keys belong to several members, the surest kind of key decides."""
        keys = ((kind, value) for kind in ACCOUNT_KEYS for value in company.known_by(kind))
        return next((Owned(self._owners[key], key[0]) for key in keys if key in self._owners), None)

    def cut_of(self, role: str) -> Cut:
        """By which dimension of a KPI the members of the role are told apart."""
        return self.roles[role].cut or ("owner" if role == FIELD_SALES else "rep")

    def entries_of(self, rep: str) -> tuple[Member, ...]:
        """All that holds or held for a person, in the order of the file; () for somebody unknown."""
        return tuple(self._entries.get(rep, ()))

    def members_in(self, role: str, first: date, last: date) -> tuple[str, ...]:
        """Who held the role on any day from `first` to `last`."""
        held = (m.id for m in self.members if m.role == role and m.from_ <= last and first <= m.to)
        return tuple(dict.fromkeys(held))


def read_team(document: Document, activity_kpis: Collection[str], known_kpis: Collection[str] | None) -> Team:
    """The team. `known_kpis`: ids of kpis.yaml, None when there is no such file. Raises ConfigError."""
    file = document.convert(_File)
    teams = [team.id for team in file.teams]
    for index, team in enumerate(teams):
        if team in teams[:index]:
            raise document.error(("teams", index, "id"), f"the team `{team}` stands here twice; keep one")
    for index, member in enumerate(file.members):
        at = ("members", index)
        if member.team not in teams:
            reason = f"{member.id} is in the team `{member.team}`, which is not under `teams`; add or correct it"
            raise document.error((*at, "team"), reason)
        if member.role not in file.roles:
            reason = f"{member.id} has the role `{member.role}`, which is not under `roles`; add or correct it"
            raise document.error((*at, "role"), reason)
        if member.to < member.from_:
            raise document.error((*at, "to"), f"{member.id} leaves before coming: `to` must not be before `from`")
        for other in file.members[:index]:
            if other.id == member.id and other.from_ <= member.to and member.from_ <= other.to:
                reason = f"{member.id} has two entries for the same days; end the earlier with `to`"
                raise document.error((*at, "id"), reason)
    for name, role in file.roles.items():
        _check_role(document, name, role, activity_kpis, known_kpis)
    sales = Sales(business_hours=file.business_hours, closed=file.closed, absent=file.absent, accounts=file.accounts)
    held = {member.id: {other.role for other in file.members if other.id == member.id} for member in file.members}
    document.refuse(check_sales(sales, held))
    return Team(file.teams, file.members, file.roles, sales)


def _check_role(
    document: Document, name: str, role: Role, activity_kpis: Collection[str], known_kpis: Collection[str] | None
) -> None:
    """Who is measured by calls makes calls; so results count, and activity only where somebody wrote down why."""
    at = ("roles", name, "weights")
    if role.weights.get(BOOKED_AMOUNT, 0) <= 0:
        reason = f"the role `{name}` must give {BOOKED_AMOUNT} a weight above 0, so that all work for the same result"
        raise document.error((*at, BOOKED_AMOUNT), reason)
    if role.allow_activity_weights and not (role.reason or "").strip():
        reason = "`allow_activity_weights` needs a `reason` in words"
        raise document.error(("roles", name, "allow_activity_weights"), reason)
    for kpi, weight in role.weights.items():
        if known_kpis is not None and kpi not in known_kpis:
            reason = f"there is no KPI `{kpi}`; add it to kpis.yaml or correct it"
            raise document.error((*at, kpi), reason)
        if kpi in activity_kpis and weight > 0 and not role.allow_activity_weights:
            reason = (
                f"{kpi} is an activity and weighs 0; if the role `{name}` should be scored by it, write "
                "`allow_activity_weights: true` and a `reason`"
            )
            raise document.error((*at, kpi), reason)
