"""Companies: leads that share a registrable domain or a corporate number are of one, in any number of steps. A name
finds companies, in whatever way it is written, and never makes two of them one."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.ingest.answers import CompanyAnswer
from services.ingest.tables import Connection
from shared import company_names

MOST_LEADS = 1_000
"""Of all companies that are found at once."""


class Wanted(NamedTuple):
    """What a company must have, None where it does not matter; values are normalised."""

    domain: str | None = None
    corporate_number: str | None = None
    name: str | None = None


async def find(db: Connection, wanted: Wanted) -> list[CompanyAnswer]:
    """The companies that have all that is wanted, those with the most leads first."""
    rows = await db.fetch(
        """
        with recursive of_one as (
            select t.kind, t.value from ingest.lead_terms t where t.kind in ('domain', 'corporate_number')
              and exists (select from ingest.lead_terms n where n.lead_id = t.lead_id and n.kind = $1 and n.value = $2)
            union
            select other.kind, other.value from of_one
            join ingest.lead_terms mine using (kind, value)
            join ingest.lead_terms other on other.lead_id = mine.lead_id
            where other.kind in ('domain', 'corporate_number')
        )
        select distinct coalesce(l.merged_into, l.lead_id) as lead_id, t.kind, t.value
        from of_one join ingest.lead_terms t using (kind, value) join ingest.leads l using (lead_id)
        where l.erased_at is null order by 1 limit $3
        """,
        *_sought(wanted),
        MOST_LEADS,
    )
    marks: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        marks[row["lead_id"]].add((row["kind"], row["value"]))
    names = await _names(db, list(marks))
    found = [_company(leads, marks, names) for leads in grouped(marks)]
    return sorted((c for c in found if _has(c, wanted)), key=lambda c: (-len(c.lead_ids), c.lead_ids))


def grouped(marks: Mapping[str, set[tuple[str, str]]]) -> list[list[str]]:
    """Leads by company, from: lead -> the domains and corporate numbers that it has."""
    groups: list[tuple[set[str], set[tuple[str, str]]]] = []
    for lead, has in marks.items():
        near = [group for group in groups if group[1] & has]
        groups = [group for group in groups if not group[1] & has]
        groups.append(({lead}.union(*(g[0] for g in near)), has.union(*(g[1] for g in near))))
    return [sorted(leads) for leads, _ in groups]


def _sought(wanted: Wanted) -> tuple[str, str]:
    """The narrowest of what is wanted: where the search begins."""
    if wanted.corporate_number is not None:
        return "corporate_number", wanted.corporate_number
    if wanted.domain is not None:
        return "domain", wanted.domain
    return "company", company_names.read(wanted.name or "").key


async def _names(db: Connection, lead_ids: Sequence[str]) -> dict[str, list[str]]:
    rows = await db.fetch(
        """
        select coalesce(l.merged_into, l.lead_id) as lead_id, o.observation ->> 'value' as name
        from ingest.observations o join ingest.leads l using (lead_id)
        where (l.lead_id = any($1::text[]) or l.merged_into = any($1::text[]))
          and o.observation ->> 'field' = 'company_name'
        """,
        lead_ids,
    )
    names: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        names[row["lead_id"]].append(row["name"])
    return names


def _company(
    leads: list[str], marks: Mapping[str, set[tuple[str, str]]], names: Mapping[str, list[str]]
) -> CompanyAnswer:
    has = set[tuple[str, str]]().union(*(marks[lead] for lead in leads))
    written = Counter(name for lead in leads for name in names.get(lead, ()))
    return CompanyAnswer(
        domains=sorted(value for kind, value in has if kind == "domain"),
        corporate_numbers=sorted(value for kind, value in has if kind == "corporate_number"),
        names=[name for name, _ in sorted(written.items(), key=lambda item: (-item[1], item[0]))],
        lead_ids=leads,
    )


def _has(company: CompanyAnswer, wanted: Wanted) -> bool:
    key = None if wanted.name is None else company_names.read(wanted.name).key
    return (
        (wanted.domain is None or wanted.domain in company.domains)
        and (wanted.corporate_number is None or wanted.corporate_number in company.corporate_numbers)
        and (key is None or any(company_names.read(name).key == key for name in company.names))
    )
