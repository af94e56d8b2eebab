"""Who there is: invented companies, the people in them, and the team that talks to them. Pure.

Everything follows from a key (the seed and the week) and a number, so lead 7 is the same person however many there are.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from random import Random
from typing import Final, NamedTuple

from shared.config.team import Team
from shared.demo import words

LARGE_FROM: Final = 2_001
"""Employees from which a company belongs to the team for large ones, as in the shipped policy."""
_COLLEAGUE_EVERY: Final = 8
"""Of so many leads the last works at the company of the one before."""


class Company(NamedTuple):
    """A company; its domain ends in `.example`, so nobody's mail or website is ever meant."""

    name: str
    domain: str
    industry: str
    employees: int
    tier: str


class Person(NamedTuple):
    """A lead."""

    number: int
    external_id: str
    last_name: str
    first_name: str
    email: str
    phone: str
    title: str
    decides: bool
    usage: str
    company: Company


class Crew(NamedTuple):
    """The people of one team: who wins appointments, who sells."""

    inside: tuple[str, ...]
    sales: tuple[str, ...]


def random_of(*parts: object) -> Random:
    """Chance that is the same whenever the parts are."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - no secret


def crews_of(team: Team, first: date, last: date) -> list[Crew]:
    """The crews at work in these days, the one for small companies first. Raises ValueError when there is none."""
    inside = team.members_in("inside_sales", first, last)
    sales = team.members_in("field_sales", first, last)
    crews = [
        Crew(_of_team(team, inside, unit, first, last), _of_team(team, sales, unit, first, last)) for unit in team.teams
    ]
    if complete := [crew for crew in crews if crew.inside and crew.sales]:
        return complete
    if inside and sales:
        return [Crew(inside, sales)]
    raise ValueError(
        f"team.yaml has nobody of the roles inside_sales and field_sales from {first} to {last}; name at least one each"
    )


def person_of(key: str, number: int) -> Person:
    """Lead `number` (0, 1, ...) of the world with this key."""
    rng = random_of(key, "person", number)
    colleague = number % _COLLEAGUE_EVERY == _COLLEAGUE_EVERY - 1
    company = _company(key, number - 1 if colleague else number)
    last, first = rng.choice(words.LAST_NAMES), rng.choice(words.FIRST_NAMES)
    decides = rng.random() < 0.4
    return Person(
        number=number,
        external_id=f"demo:{key}-{number}",
        last_name=last[0],
        first_name=first[0],
        email=f"{first[1]}.{last[1]}{number}@{company.domain}",
        phone=f"050-0{number // 10_000 % 1_000:03}-{number % 10_000:04}",  # no such numbers are given out
        title=rng.choice(words.DECIDERS if decides else words.OTHERS),
        decides=decides,
        usage=rng.choice(words.USAGES),
        company=company,
    )


def crew_for(company: Company, crews: Sequence[Crew]) -> Crew:
    """Who works on a company: the last crew on large ones, the first on all others."""
    return crews[-1] if company.employees >= LARGE_FROM else crews[0]


def _company(key: str, number: int) -> Company:
    rng = random_of(key, "company", number)
    # A walk through all combinations, so that no name comes twice before all have come.
    at = (number * 997 + int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])) % (
        len(words.COMPANY_FIRST) * len(words.COMPANY_SECOND) * len(words.TRADES)
    )
    at, trade = divmod(at, len(words.TRADES))
    second, first = divmod(at, len(words.COMPANY_FIRST))
    (a, a_latin), (b, b_latin) = words.COMPANY_FIRST[first], words.COMPANY_SECOND[second]
    ending, latin, industry = words.TRADES[trade]
    large = rng.random() < 0.35
    employees = (
        int(rng.lognormvariate(8.6, 0.6)) + LARGE_FROM if large else 5 + int(rng.lognormvariate(5.2, 1.0)) % 1_990
    )
    return Company(
        name=f"株式会社{a}{b}{ending}",
        domain=f"{a_latin}{b_latin}-{latin}-{hashlib.sha256(key.encode()).hexdigest()[:4]}-{number}.example",
        industry=industry,
        employees=employees,
        tier=rng.choices("ABC", (2, 4, 4))[0],
    )


def _of_team(team: Team, members: Sequence[str], unit: str, first: date, last: date) -> tuple[str, ...]:
    return tuple(m for m in members if unit in (team.team_of(m, first), team.team_of(m, last)))
