"""What team.yaml says of how field sales works: opening hours, absences, and whose account a company is."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, time
from typing import Annotated, Literal, NamedTuple

import msgspec

from shared.condition_check import Mistake
from shared.domains import company_domain
from shared.normalise import corporate_number
from shared.periods import OpeningHours

FIELD_SALES = "field_sales"

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
AccountKey = Literal["corporate_number", "external_id", "domain"]
ACCOUNT_KEYS: tuple[AccountKey, ...] = ("corporate_number", "external_id", "domain")
"""What a company is known by, the surest first."""


_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _time_of_day(text: str) -> time:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is no time of day; write it as 09:00")
    return time(int(match[1]), int(match[2]))


class BusinessHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when to when sales works on business days, as `09:00` and `18:00` of the business time zone."""

    from_: str = msgspec.field(name="from", default="09:00")
    to: str = "18:00"

    def __post_init__(self) -> None:
        if _time_of_day(self.to) <= _time_of_day(self.from_):
            raise ValueError("business hours end before they begin; `to` must come after `from`")


class Absence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days on which a member takes no leads, both ends inclusive. Why is nobody's business here."""

    member: Id
    from_: date = msgspec.field(name="from")
    to: date


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Companies that belong to one member, by any of what they are known by."""

    member: Id
    corporate_numbers: list[str] = []
    external_ids: list[Id] = []
    domains: list[str] = []

    def named(self) -> Iterator[tuple[AccountKey, str, tuple[str, int]]]:
        """Each key with where it stands in the entry."""
        for kind in ACCOUNT_KEYS:
            name = f"{kind}s"
            for index, value in enumerate(getattr(self, name)):
                yield kind, value, (name, index)


class Sales(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of team.yaml about field sales; all of it may be left out."""

    business_hours: BusinessHours = BusinessHours()
    closed: list[date] = []
    absent: list[Absence] = []
    accounts: list[Account] = []

    @property
    def opening(self) -> OpeningHours:
        """When sales works."""
        hours = self.business_hours
        return OpeningHours(_time_of_day(hours.from_), _time_of_day(hours.to), frozenset(self.closed))

    def is_absent(self, member: str, day: date) -> bool:
        """Whether the member has said not to be there on the day."""
        return any(a.member == member and a.from_ <= day <= a.to for a in self.absent)

    def owners(self) -> dict[tuple[AccountKey, str], str]:
        """The member to whom each key of a company belongs."""
        return {(kind, value): account.member for account in self.accounts for kind, value, _ in account.named()}


class Company(NamedTuple):
    """What is known of a lead's company."""

    corporate_number: str | None = None
    external_ids: tuple[str, ...] = ()
    domain: str | None = None

    def known_by(self, kind: AccountKey) -> tuple[str, ...]:
        """Its keys of a kind."""
        if kind == "external_id":
            return self.external_ids
        value = self.corporate_number if kind == "corporate_number" else self.domain
        return () if value is None else (value,)


class Owned(NamedTuple):
    """That a company is the account of a member, and by which kind of key."""

    member: str
    by: AccountKey


def check_sales(sales: Sales, roles: Mapping[str, Collection[str]]) -> Iterator[Mistake]:
    """Every mistake that the shape alone does not show. roles: of each member of team.yaml, ever."""
    for index, absence in enumerate(sales.absent):
        at = ("absent", index)
        yield from _check_member(absence.member, roles, at)
        if absence.to < absence.from_:
            yield Mistake((*at, "to"), f"{absence.member} is back before leaving: `to` must not be before `from`")
    taken: dict[tuple[AccountKey, str], str] = {}
    for index, account in enumerate(sales.accounts):
        at = ("accounts", index)
        yield from _check_member(account.member, roles, at)
        if next(account.named(), None) is None:
            yield Mistake(at, "name the companies by corporate_numbers, external_ids or domains")
        for kind, value, where in account.named():
            if reason := _unfit(kind, value):
                yield Mistake((*at, *where), reason)
            if (kind, value) in taken:
                yield Mistake((*at, *where), f"`{value}` belongs to {taken[kind, value]} already; keep one")
            taken[kind, value] = account.member


def _check_member(member: str, roles: Mapping[str, Collection[str]], at: tuple[str | int, ...]) -> Iterator[Mistake]:
    if member not in roles:
        yield Mistake((*at, "member"), f"there is no member `{member}`; add or correct it")
    elif FIELD_SALES not in roles[member]:
        yield Mistake((*at, "member"), f"{member} is not in {FIELD_SALES}, which alone gets leads; correct it")


def _unfit(kind: AccountKey, value: str) -> str | None:
    """Why no company can ever have this key; None when one can."""
    if kind == "corporate_number":
        try:
            normal = corporate_number(value)
        except ValueError as error:
            return f"`{value}` {error}"
        return None if normal == value else f"write it as {normal}"
    if kind == "domain":
        domain = company_domain(website=value)
        if domain is None:
            return f"`{value}` tells no company: write a domain that one company alone has, such as acme.co.jp"
        return None if domain == value else f"write it as {domain}"
    return None
