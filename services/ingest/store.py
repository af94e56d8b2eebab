"""What is read from schema `ingest`, and the quarantine. SQL only; meaning is elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.ingest.items import LeadRow
from services.ingest.tables import Connection
from shared.events import Observation


class Standing(NamedTuple):
    """Where a lead id leads to: itself or the survivor of a merge."""

    lead_id: str
    erased: bool


_OBSERVATION = msgspec.json.Decoder(Observation)


async def standing(db: Connection, lead_id: str) -> Standing | None:
    """None for an id that was never known."""
    row = await db.fetchrow(
        """
        select coalesce(l.merged_into, l.lead_id) as lead_id, coalesce(s.erased_at, l.erased_at) is not null as erased
        from ingest.leads l left join ingest.leads s on s.lead_id = l.merged_into where l.lead_id = $1
        """,
        lead_id,
    )
    return Standing(row["lead_id"], row["erased"]) if row else None


async def read_leads(db: Connection, lead_ids: Sequence[str]) -> list[LeadRow]:
    """The leads, in the order asked for; unknown ids are left out."""
    ids = list(lead_ids)
    rows = await db.fetch(
        """
        select lead_id, seq, stage, recorded_at, first_activity_at from ingest.leads where lead_id = any($1::text[])
        """,
        ids,
    )
    leads = {
        r["lead_id"]: LeadRow(
            r["lead_id"], r["seq"], r["stage"], r["recorded_at"], r["first_activity_at"], [], [], [], []
        )
        for r in rows
    }
    keys = "select lead_id, value from ingest.lead_keys where lead_id = any($1) and kind = 'external_id' order by value"
    for row in await db.fetch(keys, ids):
        leads[row["lead_id"]].external_ids.append(row["value"])
    terms = "select lead_id, value from ingest.lead_terms where lead_id = any($1) and kind = 'domain' order by value"
    for row in await db.fetch(terms, ids):
        leads[row["lead_id"]].domains.append(row["value"])
    for row in await db.fetch(
        """
        select lead_id, observed_at, campaign from ingest.submissions where lead_id = any($1)
        order by observed_at, source, id
        """,
        ids,
    ):
        leads[row["lead_id"]].submitted.append((row["observed_at"], row["campaign"]))
    said = "select lead_id, observation::text from ingest.observations where lead_id = any($1) order by observation_id"
    for row in await db.fetch(said, ids):
        leads[row["lead_id"]].observations.append(_OBSERVATION.decode(row["observation"]))
    return [leads[lead_id] for lead_id in ids if lead_id in leads]


async def read_unmapped(db: Connection, lead_id: str) -> list[tuple[str, datetime, str]]:
    """(source, observed_at, JSON of the list) of the submissions that brought something which is no field of ours."""
    rows = await db.fetch(
        """
        select source, observed_at, unmapped::text from ingest.submissions
        where lead_id = $1 and unmapped <> '[]' order by observed_at desc, source, id
        """,
        lead_id,
    )
    return [(row["source"], row["observed_at"], row["unmapped"]) for row in rows]


class Search(NamedTuple):
    """What a lead must have, None where it does not matter; values are normalised."""

    email: str | None = None
    domain: str | None = None
    stage: str | None = None
    rep: str | None = None
    words: str | None = None


async def search(db: Connection, wanted: Search, before: int | None, limit: int) -> list[str]:
    """Ids of leads, the latest known first, from the one before `before` on."""
    where = ["merged_into is null", "erased_at is null"]
    values: list[object] = []

    def add(condition: str, value: object) -> None:
        if value is not None:
            values.append(value)
            where.append(condition.format(n=len(values)))

    term = "lead_id in (select lead_id from ingest.lead_terms where kind = '{kind}' and value = ${{n}})"
    add("seq < ${n}", before)
    add(term.format(kind="email"), wanted.email)
    add(term.format(kind="domain"), wanted.domain)
    add("stage = ${n}", wanted.stage)
    add("rep = ${n}", wanted.rep)
    pattern = None if wanted.words is None else "%" + _escaped(wanted.words) + "%"
    add("lead_id in (select lead_id from ingest.lead_terms where value like ${n})", pattern)
    values.append(limit)
    rows = await db.fetch(
        f"select lead_id from ingest.leads where {' and '.join(where)} order by seq desc limit ${len(values)}",  # noqa: S608 - put together from words of our own
        *values,
    )
    return [row["lead_id"] for row in rows]


def _escaped(words: str) -> str:
    return words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
