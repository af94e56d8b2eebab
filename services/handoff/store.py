"""The SQL of handoffs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.appointment import AppointmentForm
from services.handoff.decide import Readiness
from services.handoff.forms import InboxPosition, InboxQuery
from services.handoff.merges import OF_MEMBERS
from services.handoff.outcomes import Status
from services.handoff.routing import Load, Routed
from shared.db import driver
from shared.events import Observation, PolicyVersion

_ROUTING_LOCK = 0x726F_7574_6531  # "route1": one handoff is routed at a time, so that each sees the one before


class Overridden(msgspec.Struct, frozen=True):
    """That a lead was handed over although it was not ready: why, and which API key allowed it."""

    reason: str
    by: str


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """A handoff as it is stored. `readiness` is the decision as it was then, `inputs` what it rested on; `merged_into`:
    the lead that `lead_id` counts as now, when that is another one."""

    handoff_id: str
    lead_id: str
    merged_into: str | None = None
    cycle: int
    status: Status
    rep: str
    owner: str
    segment: str
    policy: PolicyVersion
    reason: str
    created_by: str
    created_at: datetime
    due_at: datetime
    remind_at: datetime | None = None
    readiness: Readiness
    inputs: dict[str, Observation]
    appointment: AppointmentForm | None = None
    override: Overridden | None = None
    automatic: bool = False
    decided_at: datetime | None = None
    sales_rep: str | None = None
    return_reason: str | None = None
    comment: str | None = None
    decided_request: str | None = None
    overdue_at: datetime | None = None
    routed: Routed | None = None

    @property
    def counts_as(self) -> str:
        """The lead whose handoff it is to whoever asks; what is told of it stays with `lead_id`."""
        return self.merged_into or self.lead_id


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What sales decided. `request`: the identity of the keyed request that said so."""

    status: Literal["accepted", "returned"]
    sales_rep: str
    at: datetime
    reason: str | None = None
    comment: str | None = None
    request: str | None = None


async def insert(conn: AsyncConnection, handoff: Handoff) -> int:
    """Store a new one; its number. The unique index on pending ones stands behind the lock of the lead's row."""
    number: int = await (await driver(conn)).fetchval(
        """
        insert into handoff.handoffs (
            handoff_id, lead_id, cycle, status, rep, owner, segment, policy_id, policy_version, reason, created_by,
            created_at, due_at, readiness, inputs, appointment, override, automatic, routed,
            remind_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        returning number
        """,
        handoff.handoff_id,
        handoff.lead_id,
        handoff.cycle,
        handoff.status,
        handoff.rep,
        handoff.owner,
        handoff.segment,
        handoff.policy.id,
        handoff.policy.version,
        handoff.reason,
        handoff.created_by,
        handoff.created_at,
        handoff.due_at,
        _json(handoff.readiness),
        _json(handoff.inputs),
        _json(handoff.appointment),
        _json(handoff.override),
        handoff.automatic,
        _json(handoff.routed),
        handoff.remind_at,
    )
    return number


async def get(conn: AsyncConnection, handoff_id: str) -> Handoff | None:
    row = await (await driver(conn)).fetchrow(
        f"select {_COLUMNS} from handoff.handoffs where handoff_id = $1",  # noqa: S608 - put together from words of our own
        handoff_id,
    )
    return None if row is None else _read(row)


async def of_leads(conn: AsyncConnection, lead_ids: Sequence[str]) -> list[Handoff]:
    """All handoffs of these leads."""
    rows = await (await driver(conn)).fetch(
        f"select {_COLUMNS} from handoff.handoffs where lead_id = any($1::text[])",  # noqa: S608 - put together from words of our own
        lead_ids,
    )
    return [_read(row) for row in rows]


async def holding(conn: AsyncConnection, said: Sequence[str], but_of: Sequence[str]) -> list[Handoff]:
    """All handoffs that hold one of these observations, but those of some leads; nobody else changes them until the
    transaction ends. No index knows them: it reads all there are."""
    rows = await (await driver(conn)).fetch(
        f"""
        select {_COLUMNS} from handoff.handoffs
        where not lead_id = any($2::text[]) and exists (
            select from unnest($1::text[]) as one(id) where position(one.id in inputs::text || readiness::text) > 0)
        for update
        """,  # noqa: S608 - put together from words of our own
        said,
        but_of,
    )
    return [_read(row) for row in rows]


async def rewrite(conn: AsyncConnection, handoff: Handoff) -> None:
    """Store anew what people said in a handoff."""
    await (await driver(conn)).execute(
        """
        update handoff.handoffs
        set reason = $2, readiness = $3, inputs = $4, appointment = $5, override = $6, comment = $7
        where handoff_id = $1
        """,
        handoff.handoff_id,
        handoff.reason,
        _json(handoff.readiness),
        _json(handoff.inputs),
        _json(handoff.appointment),
        _json(handoff.override),
        handoff.comment,
    )


async def before(conn: AsyncConnection, handoff: Handoff) -> Handoff | None:
    """The handoff of the same lead, or of one that counts as the same, that was made last before this one."""
    row = await (await driver(conn)).fetchrow(
        f"""
        select {_COLUMNS} from handoff.handoffs
        where {OF_MEMBERS} and number < (select number from handoff.handoffs where handoff_id = $2)
        order by number desc limit 1
        """,  # noqa: S608 - put together from words of our own
        handoff.counts_as,
        handoff.handoff_id,
    )
    return None if row is None else _read(row)


async def open_of(conn: AsyncConnection, lead_id: str) -> str | None:
    """The id of an undecided handoff of the lead or of one merged into it."""
    found: str | None = await (await driver(conn)).fetchval(
        f"select handoff_id from handoff.handoffs where {OF_MEMBERS} and status = 'pending' order by number",  # noqa: S608 - our own text
        lead_id,
    )
    return found


async def in_cycle(conn: AsyncConnection, lead_id: str, cycle: int) -> bool:
    """Whether the lead, or one merged into it, was handed over in this cycle of the lead before.

    A merged lead has counted cycles of its own: its handoffs are of the cycle in whose time they were made, as whatever
    else happened to it is for stages.
    """
    found = await (await driver(conn)).fetchval(
        f"""
        select exists (select from handoff.handoffs where {OF_MEMBERS} and case when lead_id = $1 then cycle = $2
            else created_at >= coalesce((select cycle_since from handoff.leads where lead_id = $1), '-infinity') end)
        """,  # noqa: S608 - our own text
        lead_id,
        cycle,
    )
    return bool(found)


async def decide(conn: AsyncConnection, handoff_id: str, decided: Decided) -> bool:
    """Decide a pending handoff; False when it is none."""
    changed = await (await driver(conn)).execute(
        """
        update handoff.handoffs set status = $2, sales_rep = $3, decided_at = $4, return_reason = $5, comment = $6,
                                    decided_request = $7
        where handoff_id = $1 and status = 'pending'
        """,
        handoff_id,
        decided.status,
        decided.sales_rep,
        decided.at,
        decided.reason,
        decided.comment,
        decided.request,
    )
    return bool(changed == "UPDATE 1")


async def inbox(conn: AsyncConnection, query: InboxQuery, after: InboxPosition | None, now: datetime) -> list[Handoff]:
    """One more than `query.limit`, oldest due first, after a position. What is left empty is not asked for. That of an
    erased lead waits for nobody's answer: nobody can decide it any more."""
    rows = await (await driver(conn)).fetch(
        f"""
        select {_COLUMNS} from handoff.handoffs
        where ($1::text is null or status = $1) and ($2::text is null or owner = $2)
          and ($1 is distinct from 'pending' or not exists (
              select from handoff.leads l where l.lead_id = handoffs.lead_id and l.erased_at is not null))
          and ($3::text is null or segment = $3) and ($4::text is null or rep = $4)
          and ($5::text is null or lead_id in ({_OF_THE_ONE_LEAD}))
          and ($6::timestamptz is null or (due_at, handoff_id) > ($6, $7))
          and ($9::boolean is null or (due_at <= coalesce(decided_at, $10::timestamptz)) = $9)
        order by due_at, handoff_id limit $8
        """,  # noqa: S608 - put together from words of our own
        query.status,
        query.owner or None,
        query.segment or None,
        query.rep or None,
        query.lead_id or None,
        after and after.due_at,
        after and after.handoff_id,
        query.limit + 1,
        query.overdue,
        now,
    )
    return [_read(row) for row in rows]


async def loads(conn: AsyncConnection, segment: str, members: Sequence[str]) -> list[Load]:
    """What each member has been given. Nobody else routes until the transaction ends.

    A handoff that was given to somebody else later was a turn of both: who gives all away does not get all. That of an
    erased lead is not open: nobody can decide it any more, and it would fill its owner for ever.
    """
    connection = await driver(conn)
    await connection.execute("select pg_advisory_xact_lock($1)", _ROUTING_LOCK)
    rows = await connection.fetch(
        """
        select m.member,
               (select count(*) from handoff.handoffs h join handoff.leads l using (lead_id)
                where h.status = 'pending' and h.owner = m.member and l.erased_at is null) as open,
               greatest((select coalesce(max(h.number), 0) from handoff.handoffs h
                         where h.owner = m.member and h.segment = $1),
                        (select coalesce(max(r.handoff_number), 0) from handoff.reassignments r
                         where r.owner = m.member and r.segment = $1)) as last_number
        from unnest($2::text[]) with ordinality as m(member, n) order by m.n
        """,
        segment,
        members,
    )
    return [Load(row["member"], row["open"], row["last_number"]) for row in rows]


class Open(NamedTuple):
    """How many handoffs wait for a decision, and for how many of them the time is over."""

    pending: int
    overdue: int


async def count_open(conn: AsyncConnection, now: datetime) -> Open:
    """What waits. That of an erased lead is not overdue: nobody can decide it any more."""
    row = await (await driver(conn)).fetchrow(
        """
        select count(*) as pending, count(*) filter (where h.due_at <= $1 and l.erased_at is null) as overdue
        from handoff.handoffs h join handoff.leads l using (lead_id) where h.status = 'pending'
        """,
        now,
    )
    return Open(*row)


_OF_THE_ONE_LEAD = """
    with one as (select coalesce(merged_into, lead_id) as survivor from handoff.leads where lead_id = $5)
    select m.lead_id from handoff.leads m, one where m.lead_id = one.survivor or m.merged_into = one.survivor"""
"""SQL: the lead that $5 counts as, and those that were merged into it."""

_COLUMNS = """
    handoff_id, lead_id, (select l.merged_into from handoff.leads l where l.lead_id = handoffs.lead_id) as merged_into,
    cycle, status, rep, owner, segment, policy_id, policy_version, reason, created_by, created_at, due_at,
    readiness::text, inputs::text, appointment::text, override::text, automatic, decided_at, sales_rep, return_reason,
    comment, decided_request, overdue_at, routed::text, remind_at"""


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _read(row: Any) -> Handoff:
    return Handoff(
        handoff_id=row["handoff_id"],
        lead_id=row["lead_id"],
        merged_into=row["merged_into"],
        cycle=row["cycle"],
        status=row["status"],
        rep=row["rep"],
        owner=row["owner"],
        segment=row["segment"],
        policy=PolicyVersion(row["policy_id"], row["policy_version"]),
        reason=row["reason"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        readiness=msgspec.json.decode(row["readiness"], type=Readiness),
        inputs=msgspec.json.decode(row["inputs"], type=dict[str, Observation]),
        appointment=msgspec.json.decode(row["appointment"] or "null", type=AppointmentForm | None),
        override=msgspec.json.decode(row["override"] or "null", type=Overridden | None),
        automatic=row["automatic"],
        decided_at=row["decided_at"],
        sales_rep=row["sales_rep"],
        return_reason=row["return_reason"],
        comment=row["comment"],
        decided_request=row["decided_request"],
        overdue_at=row["overdue_at"],
        remind_at=row["remind_at"],
        routed=msgspec.json.decode(row["routed"] or "null", type=Routed | None),
    )
