"""What is read from schema `ingest`, and the quarantine. SQL only; meaning is elsewhere."""

from collections.abc import Callable, Sequence
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


async def family(db: Connection, lead_id: str) -> list[str]:
    """The lead and those that are merged into it, also where they are erased."""
    rows = await db.fetch("select lead_id from ingest.leads where merged_into = $1", lead_id)
    return [lead_id, *(row["lead_id"] for row in rows)]


async def read_leads(db: Connection, lead_ids: Sequence[str]) -> list[LeadRow]:
    """The leads, in the order asked for, each with what was merged into it; unknown ids are left out."""
    rows = await db.fetch(
        "select lead_id, seq, stage, recorded_at, first_activity_at, merged_into,"
        " coalesce(merged_into, lead_id) as survivor from ingest.leads"
        " where lead_id = any($1::text[]) or merged_into = any($1::text[])",
        list(lead_ids),
    )
    own = {r["lead_id"]: r for r in rows if r["merged_into"] is None}
    of = {r["lead_id"]: r["survivor"] for r in rows if r["survivor"] in own}
    ids = list(of)
    leads = {
        lead_id: LeadRow(
            lead_id=lead_id,
            seq=r["seq"],
            stage=r["stage"],
            recorded_at=r["recorded_at"],
            first_activity_at=min(
                (m["first_activity_at"] for m in rows if m["survivor"] == lead_id and m["first_activity_at"]),
                default=None,
            ),
            external_ids=[],
            domains=[],
            submitted=[],
            observations=[],
            merged=[],
            merged_ids=sorted(m for m, survivor in of.items() if survivor == lead_id != m),
        )
        for lead_id, r in own.items()
    }
    keys = "select lead_id, value from ingest.lead_keys where lead_id = any($1) and kind = 'external_id' order by value"
    for row in await db.fetch(keys, ids):
        leads[of[row["lead_id"]]].external_ids.append(row["value"])
    terms = "select lead_id, value from ingest.lead_terms where lead_id = any($1) and kind = 'domain' order by value"
    for row in await db.fetch(terms, ids):
        leads[of[row["lead_id"]]].domains.append(row["value"])
    for row in await db.fetch(
        """
        select lead_id, observed_at, campaign from ingest.submissions where lead_id = any($1)
        order by observed_at, source, id
        """,
        ids,
    ):
        leads[of[row["lead_id"]]].submitted.append((row["observed_at"], row["campaign"]))
    said = "select lead_id, observation::text from ingest.observations where lead_id = any($1) order by observation_id"
    for row in await db.fetch(said, ids):
        lead = leads[of[row["lead_id"]]]
        observations = lead.observations if row["lead_id"] == lead.lead_id else lead.merged
        observations.append(_OBSERVATION.decode(row["observation"]))
    return [leads[lead_id] for lead_id in lead_ids if lead_id in leads]


async def read_unmapped(db: Connection, lead_ids: Sequence[str]) -> list[tuple[str, datetime, str]]:
    """(source, observed_at, JSON of the list) of the submissions that brought something which is no field of ours."""
    rows = await db.fetch(
        """
        select source, observed_at, unmapped::text from ingest.submissions
        where lead_id = any($1) and unmapped <> '[]' order by observed_at desc, source, id
        """,
        list(lead_ids),
    )
    return [(row["source"], row["observed_at"], row["unmapped"]) for row in rows]


class Sought(NamedTuple):
    """What somebody typed to find a lead: all the words, or a telephone, a company's name or an id that it is."""

    words: Sequence[str]
    company: str
    phone: str | None
    id: str


class Search(NamedTuple):
    """What a lead, or one merged into it, must have, None where it does not matter; values are normalised."""

    email: str | None = None
    domain: str | None = None
    stage: str | None = None
    rep: str | None = None
    sought: Sought | None = None


async def search(db: Connection, wanted: Search, before: int | None, limit: int) -> list[str]:
    """Ids of leads, the latest known first, from the one before `before` on."""
    where = ["merged_into is null", "erased_at is null"]
    values: list[object] = []

    def given(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    if before is not None:
        where.append(f"seq < {given(before)}")
    for kind, value in (("email", wanted.email), ("domain", wanted.domain)):
        if value is not None:
            where.append(f"lead_id in ({_WITH_TERM} t.kind = '{kind}' and t.value = {given(value)})")
    if wanted.stage is not None:
        where.append(f"stage = {given(wanted.stage)}")
    if wanted.rep is not None:
        where.append(f"lead_id in ({_LEADS} rep = {given(wanted.rep)})")
    if wanted.sought is not None:
        where.append(f"lead_id in ({_sought(wanted.sought, given)})")
    rows = await db.fetch(
        f"select lead_id from ingest.leads where {' and '.join(where)} order by seq desc limit {given(limit)}",  # noqa: S608 - put together from words of our own
        *values,
    )
    return [row["lead_id"] for row in rows]


_LEADS = "select coalesce(merged_into, lead_id) from ingest.leads where"
_WITH_TERM = "select coalesce(merged_into, lead_id) from ingest.leads join ingest.lead_terms t using (lead_id) where"


def _sought(sought: Sought, given: Callable[[object], str]) -> str:
    """One set of leads, not several conditions joined by `or`: those would be asked of each lead that there is."""
    words = [f"{_WITH_TERM} t.value like {given(containing(word))}" for word in sought.words]
    named = f"{_WITH_TERM} t.kind = 'company' and t.value = {given(sought.company)}"
    called = f"{_WITH_TERM} t.kind = 'phone' and t.value = {given(sought.phone)}"
    id_ = given(sought.id)
    keyed = f"select lead_id from ingest.lead_keys where kind = 'external_id' and value = {id_}"  # noqa: S608 - our own
    known = [f"{_LEADS} lead_id = {id_}", f"{_LEADS} lead_id in ({keyed})"]
    return " union ".join([" intersect ".join(words), named, called, *known])


def containing(text: str) -> str:
    """The pattern of LIKE for what holds a text."""
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
