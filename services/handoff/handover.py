"""Handing over, deciding, recycling: each in the caller's transaction, with the lead's row held."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from services.handoff import gate, store
from services.handoff.decide import Considered, Lead, Readiness, consider, known_lead
from services.handoff.due import due_at
from services.handoff.emit import emit, happened, identity_of
from services.handoff.forms import HandoffForm
from services.handoff.merges import MEMBERS
from services.handoff.problems import handoff_open, no_owner, not_pending, not_ready, unknown_handoff
from services.handoff.questions import Guide, Questions, questions
from services.handoff.routing import next_owner, route_of
from services.handoff.stages import Ladder, Rule
from services.handoff.store import Decided, Handoff, Overridden
from shared.config import Config
from shared.config.kpis import rank_fields
from shared.db import driver
from shared.events import Data, HandoffAccepted, HandoffCreated, HandoffReturned, ReturnReason
from shared.fields import FieldRegistry
from shared.policy import Route
from shared.telemetry import Telemetry

AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Rules:
    """What every decision goes by."""

    registry: FieldRegistry
    ladder: Ladder
    zone: ZoneInfo
    telemetry: Telemetry
    guide: Guide

    @classmethod
    def of(cls, config: Config, zone: ZoneInfo, telemetry: Telemetry) -> Self:
        """The rules in the configuration; the first stage is entered without one."""
        first, *others = config.stages
        ladder = Ladder(first.id, [Rule(s.id, s.enter_when) for s in others if s.enter_when is not None])
        labels = {stage.id: stage.label for stage in config.stages}
        return cls(config.fields, ladder, zone, telemetry, Guide(ladder, labels, rank_fields(config.kpis)))


class By(NamedTuple):
    """Who asks for a handoff: the API key, and the id that the handoff is to have (None: one of its own)."""

    key_name: str
    handoff_id: str | None


async def readiness(conn: AsyncConnection, rules: Rules, lead_id: str, now: datetime) -> Readiness:
    """What the policy in force says of the lead. Raises Problem 404."""
    return _counted(
        rules, await consider(conn, rules.registry, await known_lead(conn, lead_id), now, rules.zone)
    ).readiness


async def to_ask(conn: AsyncConnection, rules: Rules, lead_id: str, now: datetime) -> Questions:
    """What to ask the lead next. Raises Problem 404."""
    lead = await known_lead(conn, lead_id)
    said = await consider(conn, rules.registry, lead, now, rules.zone)
    segment = said.readiness.segment
    items = questions(said.policy.policy, rules.guide, rules.registry, said.values, lead.stage, segment, now)
    return Questions(lead.lead_id, lead.stage, segment, said.policy.ref, items)


async def hand_over(conn: AsyncConnection, rules: Rules, form: HandoffForm, by: By, now: datetime) -> Handoff:
    """Hand a lead to sales. Raises Problem 404, 409 `handoff-open`, 409 `handoff-not-ready` without an override.

    The caller has checked that the key may override where the form does.
    """
    lead = await known_lead(conn, form.lead_id, lock=True)
    if by.handoff_id is not None and (done := await store.get(conn, by.handoff_id)):
        return done  # the answer to the first request got lost with its process
    if waiting := await store.open_of(conn, lead.lead_id):
        raise handoff_open(waiting)
    considered = _counted(rules, await consider(conn, rules.registry, lead, now, rules.zone))
    override = None
    if considered.readiness.decision != "ready":
        if form.override is None:
            raise not_ready(considered.readiness)
        override = Overridden(form.override.reason, by.key_name)
    route = route_of(considered.policy.policy, considered.readiness.segment)
    if route is None:
        raise no_owner(considered.readiness.segment)
    handoff_id = by.handoff_id or str(uuid7())
    made = await _make(conn, rules, lead, considered, route, now, _Wish(handoff_id, form, by.key_name, override))
    await gate.through_gate(conn, rules.ladder, rules.registry, [lead.lead_id], now)
    return made


async def hand_over_if_ready(conn: AsyncConnection, rules: Rules, lead_id: str, now: datetime) -> None:
    """What an automatic policy does after each event: hand the lead over once a cycle, as soon as it is ready."""
    lead = await known_lead(conn, lead_id, lock=True)
    lead_id = lead.lead_id
    if await store.in_cycle(conn, lead_id, lead.cycle) or await store.open_of(conn, lead_id):
        return
    considered = await consider(conn, rules.registry, lead, now, rules.zone)
    if considered.readiness.decision != "ready":
        return
    _counted(rules, considered)
    route = route_of(considered.policy.policy, considered.readiness.segment)
    if route is None:
        rules.telemetry.log.warning("automatic_handoff_without_route", segment=considered.readiness.segment)
        return
    form = HandoffForm(lead_id=lead_id, rep=await _latest_rep(conn, lead_id) or AUTOMATIC, reason=AUTOMATIC)
    wish = _Wish(identity_of(f"handoff:{lead_id}:cycle:{lead.cycle}"), form, AUTOMATIC, None, automatic=True)
    await _make(conn, rules, lead, considered, route, now, wish)
    await gate.through_gate(conn, rules.ladder, rules.registry, [lead_id], now)


async def decide(conn: AsyncConnection, rules: Rules, handoff_id: str, decided: Decided) -> None:
    """Sales accepts or returns the lead. Raises Problem 404, 409 when not pending.

    A request that is repeated because its answer was lost finds its own decision, and that is no conflict.
    """
    lead_id, survivor = await _lock_lead_of(conn, handoff_id)
    if not await store.decide(conn, handoff_id, decided):
        before = await store.get(conn, handoff_id)
        if before is None or decided.request is None or before.decided_request != decided.request:
            raise not_pending(handoff_id, before.status if before else "gone")
        return
    await _tell(conn, decided.status, lead_id, handoff_id, _said(handoff_id, decided), decided.at)
    await gate.through_gate(conn, rules.ladder, rules.registry, [survivor], decided.at)


async def recycle(conn: AsyncConnection, rules: Rules, lead_id: str, wish: gate.Recycling, now: datetime) -> None:
    """Begin the lead's next cycle. Raises Problem 404."""
    lead = await known_lead(conn, lead_id, lock=True)
    await gate.recycle(conn, rules.ladder, lead.lead_id, wish, now)


class _Wish(NamedTuple):
    handoff_id: str
    form: HandoffForm
    created_by: str
    override: Overridden | None
    automatic: bool = False


async def _make(
    conn: AsyncConnection, rules: Rules, lead: Lead, considered: Considered, route: Route, now: datetime, wish: _Wish
) -> Handoff:
    policy, segment = considered.policy, considered.readiness.segment
    within = policy.policy.accept_within
    handoff = Handoff(
        handoff_id=wish.handoff_id,
        lead_id=lead.lead_id,
        cycle=lead.cycle,
        status="pending",
        rep=wish.form.rep,
        owner=next_owner(route.method, await store.loads(conn, segment, route.members)),
        segment=segment,
        policy=policy.ref,
        reason=wish.form.reason,
        created_by=wish.created_by,
        created_at=now,
        due_at=due_at(now, within.hours, within.calendar, rules.zone),
        readiness=considered.readiness,
        inputs=considered.values,
        appointment=wish.form.appointment,
        override=wish.override,
        automatic=wish.automatic,
    )
    await store.insert(conn, handoff)
    said = HandoffCreated(
        handoff_id=handoff.handoff_id,
        rep=handoff.rep,
        owner=handoff.owner,
        segment=segment,
        policy=handoff.policy,
        overridden=handoff.override is not None,
    )
    await _tell(conn, "created", lead.lead_id, handoff.handoff_id, said, now)
    return handoff


async def _tell(conn: AsyncConnection, what: str, lead_id: str, handoff_id: str, data: Data, now: datetime) -> None:
    await emit(conn, [happened(f"handoff-{what}", lead_id, f"{what}:{handoff_id}", data, now, now)])


async def _lock_lead_of(conn: AsyncConnection, handoff_id: str) -> tuple[str, str]:
    """The handoff's lead, and the one that it counts as. That one's row is held: whoever decides about a lead does so
    first."""
    handoff = await store.get(conn, handoff_id)
    if handoff is None:
        raise unknown_handoff(handoff_id)
    return handoff.lead_id, (await known_lead(conn, handoff.lead_id, lock=True)).lead_id


def _said(handoff_id: str, decided: Decided) -> Data:
    if decided.status == "accepted":
        return HandoffAccepted(handoff_id=handoff_id, sales_rep=decided.sales_rep)
    reason = msgspec.convert(decided.reason, ReturnReason)
    return HandoffReturned(
        handoff_id=handoff_id, sales_rep=decided.sales_rep, reason=reason, comment=decided.comment or None
    )


async def _latest_rep(conn: AsyncConnection, lead_id: str) -> str | None:
    """Who of inside sales had to do with the lead last: the rep of its latest hearing or activity."""
    rep: str | None = await (await driver(conn)).fetchval(
        f"""
        select rep from (
            select held ->> 'rep' as rep, at from handoff.activities
            where lead_id in ({MEMBERS}) and counts and name in ('call', 'touch', 'appointment')
            union all
            select by, observed_at from handoff.observations where lead_id in ({MEMBERS}) and method = 'hearing'
        ) done where rep is not null order by at desc, rep limit 1
        """,  # noqa: S608 - our own text
        lead_id,
    )
    return rep


def _counted(rules: Rules, considered: Considered) -> Considered:
    said = considered.readiness
    rules.telemetry.metrics.handoff_decisions.labels(said.segment, said.decision, said.policy.id).inc()
    return considered
