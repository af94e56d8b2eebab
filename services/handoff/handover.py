"""Handing over, deciding, recycling: each in the caller's transaction, with the lead's row held."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from services.handoff import gate, owners, policies, store
from services.handoff.decide import Considered, Lead, Readiness, consider, known_lead
from services.handoff.due import due_at
from services.handoff.emit import emit, happened, identity_of, tell_webhooks
from services.handoff.facts import external_ids_of
from services.handoff.forms import HandoffForm, ReassignForm
from services.handoff.merges import OF_MEMBERS, members
from services.handoff.overdue import tell_if_late
from services.handoff.owners import Reassigned
from services.handoff.problems import handoff_open, no_owner, not_pending, not_ready, unknown_handoff
from services.handoff.questions import Questions, questions
from services.handoff.routing import Turns, Way, choose, company_of, members_of, ways_of, with_limits
from services.handoff.rules import Rules
from services.handoff.store import Decided, Handoff, Overridden
from shared.config.sales import FIELD_SALES
from shared.db import driver
from shared.events import Data, HandoffAccepted, HandoffCreated, HandoffReassigned, HandoffReturned, ReturnReason
from shared.periods import business_date
from shared.policy import Policy
from shared.view import LeadView
from shared.web import FieldError, invalid

AUTOMATIC = "automatic"


class By(NamedTuple):
    """Who asks: the API key, and the identity of the keyed request (None: it has no Idempotency-Key), which a handoff
    that it makes has for its id."""

    key_name: str
    request: str | None


async def readiness(conn: AsyncConnection, rules: Rules, lead_id: str, now: datetime) -> Readiness:
    """What the policy in force says of the lead. Raises Problem 404."""
    lead = await known_lead(conn, lead_id)
    return _counted(rules, await consider(conn, rules.registry, lead, now, rules.zone, whole=False)).readiness


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
    if by.request is not None and (done := await store.get(conn, by.request)):
        return done  # the answer to the first request got lost with its process
    if waiting := await store.open_of(conn, lead.lead_id):
        raise handoff_open(waiting)
    considered = _counted(rules, await consider(conn, rules.registry, lead, now, rules.zone))
    override = None
    if considered.readiness.decision != "ready":
        if form.override is None:
            raise not_ready(considered.readiness)
        override = Overridden(form.override.reason, by.key_name)
    ways = await _ways(conn, rules, lead, considered, now)
    if not ways:
        raise no_owner(considered.readiness.segment)
    handoff_id = by.request or str(uuid7())
    wish = _Wish(handoff_id, form, by.key_name, override)
    made = await _make(conn, rules, lead, considered, ways, Turns(), now, wish)
    await gate.through_gate(conn, rules.ladder, rules.registry, [lead.lead_id], now)
    return made


async def hand_over_ready(conn: AsyncConnection, rules: Rules, lead_ids: Sequence[str], now: datetime) -> None:
    """What an automatic policy does after each event, and when it comes into force: hand leads over once a cycle, as
    soon as they are ready. The caller holds their rows; none of them is merged."""
    turns = Turns()
    made = [lead_id for lead_id in lead_ids if await _hand_over_if_ready(conn, rules, lead_id, turns, now)]
    await gate.through_gate(conn, rules.ladder, rules.registry, made, now)


async def _hand_over_if_ready(conn: AsyncConnection, rules: Rules, lead_id: str, turns: Turns, now: datetime) -> bool:
    """Whether a handoff was made."""
    lead = await known_lead(conn, lead_id)
    if await store.in_cycle(conn, lead_id, lead.cycle) or await store.open_of(conn, lead_id):
        return False
    considered = await consider(conn, rules.registry, lead, now, rules.zone)
    if considered.readiness.decision != "ready":
        return False
    _counted(rules, considered)
    ways = await _ways(conn, rules, lead, considered, now)
    if not ways:
        rules.telemetry.log.warning("automatic_handoff_without_route", segment=considered.readiness.segment)
        return False
    form = HandoffForm(lead_id=lead_id, rep=await _latest_rep(conn, lead_id) or AUTOMATIC, reason=AUTOMATIC)
    wish = _Wish(identity_of(f"handoff:{lead_id}:cycle:{lead.cycle}"), form, AUTOMATIC, None, automatic=True)
    await _make(conn, rules, lead, considered, ways, turns, now, wish)
    return True


async def decide(conn: AsyncConnection, rules: Rules, handoff_id: str, decided: Decided) -> None:
    """Sales accepts or returns the lead. Raises Problem 404, 409 when not pending.

    A request that is repeated because its answer was lost finds its own decision, and that is no conflict.
    """
    lead_id, survivor = await _lock_lead_of(conn, handoff_id)
    await tell_if_late(conn, handoff_id, decided.at)
    before = await _get(conn, handoff_id)
    if before.overdue_at is not None:  # told while this request waited for the lead: then it has come too late
        decided = msgspec.structs.replace(decided, at=max(decided.at, before.overdue_at))
    if not await store.decide(conn, handoff_id, decided):
        if decided.request is None or before.decided_request != decided.request:
            raise not_pending(handoff_id, before.status)
        return
    await _tell(conn, decided.status, lead_id, handoff_id, _said(handoff_id, decided), decided.at)
    await gate.through_gate(conn, rules.ladder, rules.registry, [survivor], decided.at)


async def reassign(
    conn: AsyncConnection, rules: Rules, handoff_id: str, form: ReassignForm, by: By, now: datetime
) -> None:
    """Give a pending handoff to another member of field sales. Raises Problem 404, 409 when not pending, 422.

    A request that is repeated because its answer was lost finds what it has done. Only webhooks tell of it: an older
    release would take an event in the log for a mistake (docs/policies.md).
    """
    _, survivor = await _lock_lead_of(conn, handoff_id)
    if by.request is not None and any(r.request == by.request for r in await owners.reassignments_of(conn, handoff_id)):
        return
    await tell_if_late(conn, handoff_id, now)
    handoff = await _get(conn, handoff_id)
    if handoff.status != "pending":
        raise not_pending(handoff_id, handoff.status)
    if rules.team.role_of(form.owner, business_date(now, rules.zone)) != FIELD_SALES:
        raise invalid([FieldError("/owner", f"{form.owner} is in team.yaml no member of {FIELD_SALES} today.")])
    if form.owner == handoff.owner:
        raise invalid([FieldError("/owner", f"{form.owner} has the handoff already.")])
    due, remind = handoff.due_at, handoff.remind_at
    if form.extend and (anew := await _anew(conn, rules, handoff, now))[0] > due:
        due, remind = anew
    said = Reassigned(
        owner=handoff.owner,
        new_owner=form.owner,
        at=now,
        by=form.sales_rep or by.key_name,
        reason=form.reason,
        request=by.request,
    )
    await owners.reassign(conn, handoff_id, due, remind, said)
    told = HandoffReassigned(handoff_id=handoff_id, owner=said.new_owner, previous_owner=said.owner, due_at=due)
    what = f"reassigned:{handoff_id}:{await owners.count_reassignments(conn, handoff_id)}"
    await tell_webhooks(conn, [happened("handoff-reassigned", handoff.lead_id, what, told, now, now)])
    await gate.through_gate(conn, rules.ladder, rules.registry, [survivor], now)


async def _anew(
    conn: AsyncConnection, rules: Rules, handoff: Handoff, now: datetime
) -> tuple[datetime, datetime | None]:
    """When the handoff would be due if it were made now, and sales reminded, by its own version of the policy."""
    made_by = handoff.policy
    version = await policies.version(conn, made_by.id, made_by.version, business_date(now, rules.zone))
    if version is None:
        raise RuntimeError(f"version {made_by.version} of policy {made_by.id} is gone")
    return _due(rules, version.policy, now), _remind(rules, version.policy, now)


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
    conn: AsyncConnection,
    rules: Rules,
    lead: Lead,
    considered: Considered,
    ways: Sequence[Way],
    turns: Turns,
    now: datetime,
    wish: _Wish,
) -> Handoff:
    policy, segment = considered.policy, considered.readiness.segment
    if unread := turns.unread(segment, members_of(ways)):
        turns.read(segment, await store.loads(conn, segment, unread))
    limited = with_limits(turns.of(segment, members_of(ways)), rules.team, business_date(now, rules.zone))
    choice = choose(ways, {load.member: load for load in limited})
    handoff = Handoff(
        handoff_id=wish.handoff_id,
        lead_id=lead.lead_id,
        cycle=lead.cycle,
        status="pending",
        rep=wish.form.rep,
        owner=choice.owner,
        segment=segment,
        policy=policy.ref,
        reason=wish.form.reason,
        created_by=wish.created_by,
        created_at=now,
        due_at=_due(rules, policy.policy, now),
        remind_at=_remind(rules, policy.policy, now),
        readiness=considered.readiness,
        inputs=considered.values,
        appointment=wish.form.appointment,
        override=wish.override,
        automatic=wish.automatic,
        routed=choice.routed,
    )
    turns.give(segment, handoff.owner, await store.insert(conn, handoff))
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


async def _ways(conn: AsyncConnection, rules: Rules, lead: Lead, considered: Considered, now: datetime) -> list[Way]:
    """The ways to an owner that are open to the lead."""
    view = LeadView(rules.registry, considered.values, now=now)
    external_ids = (await external_ids_of(conn, await members(conn, [lead.lead_id]))).get(lead.lead_id, ())
    account = rules.team.account_of(company_of(view, external_ids))
    return ways_of(considered.policy.policy, considered.readiness.segment, view, rules.registry, account)


def _due(rules: Rules, policy: Policy, now: datetime) -> datetime:
    within = policy.accept_within
    return due_at(now, within.hours, within.calendar, rules.zone, rules.team.sales.opening)


def _remind(rules: Rules, policy: Policy, now: datetime) -> datetime | None:
    within = policy.accept_within
    if within.remind_hours_before is UNSET:
        return None
    hours = within.hours - within.remind_hours_before
    return due_at(now, hours, within.calendar, rules.zone, rules.team.sales.opening)


async def _tell(conn: AsyncConnection, what: str, lead_id: str, handoff_id: str, data: Data, now: datetime) -> None:
    await emit(conn, [happened(f"handoff-{what}", lead_id, f"{what}:{handoff_id}", data, now, now)])


async def _lock_lead_of(conn: AsyncConnection, handoff_id: str) -> tuple[str, str]:
    """The handoff's lead, and the one that it counts as. That one's row is held: whoever decides about a lead does so
    first."""
    handoff = await _get(conn, handoff_id)
    return handoff.lead_id, (await known_lead(conn, handoff.lead_id, lock=True)).lead_id


async def _get(conn: AsyncConnection, handoff_id: str) -> Handoff:
    handoff = await store.get(conn, handoff_id)
    if handoff is None:
        raise unknown_handoff(handoff_id)
    return handoff


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
            where {OF_MEMBERS} and counts and name in ('call', 'touch', 'appointment')
            union all
            select by, observed_at from handoff.observations where {OF_MEMBERS} and method = 'hearing'
        ) done where rep is not null order by at desc, rep limit 1
        """,  # noqa: S608 - our own text
        lead_id,
    )
    return rep


def _counted(rules: Rules, considered: Considered) -> Considered:
    said = considered.readiness
    rules.telemetry.metrics.handoff_decisions.labels(said.segment, said.decision, said.policy.id).inc()
    return considered
