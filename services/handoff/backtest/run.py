"""One back-test, from the database to its report."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from services.handoff.backtest.reading import KnownBy, count_leads, pasts
from services.handoff.backtest.replay import Passed, judged_at, passes, view_at
from services.handoff.backtest.report import Found, Past, Report, Sum, is_with_sales
from services.handoff.routing import COMPANY_FIELDS, Way, company_of, ways_of
from shared.config.team import Team
from shared.db import snapshot
from shared.events import PolicyVersion
from shared.fields import FieldRegistry
from shared.policy import Policy, fields_of

Progress = Callable[[int, int], None]
"""Is told how many leads have been looked at, of how many."""


class Task(NamedTuple):
    """What is to be tried: a draft beside the version in force, on the time from `first` to `last`, both included."""

    draft: Policy
    in_force: Policy
    in_force_ref: PolicyVersion
    registry: FieldRegistry
    team: Team
    zone: ZoneInfo
    first: datetime
    last: datetime
    known_by: KnownBy


async def run(engine: AsyncEngine, task: Task, tell: Progress) -> Report:
    """Replay every lead, all as of one moment of the database. Raises DatabaseUnavailable."""
    total = Sum(task.draft, task.zone, task.team)
    fields = fields_of(task.draft) | fields_of(task.in_force)
    if task.team.sales.accounts:
        fields |= COMPANY_FIELDS
    done = 0
    async with snapshot(engine) as conn:
        leads, total.leads.erased = await count_leads(conn)
        tell(done, leads)
        async for chunk in pasts(conn, fields, task.registry.personal, task.last, task.known_by):
            for past in chunk:
                if is_with_sales(past, task.first):
                    total.leads.with_sales_already += 1
                else:
                    total.add(past, find(task, past))
            done += len(chunk)
            tell(done, leads)
    return total.report(task.in_force_ref, task.first, task.last, task.known_by)


def find(task: Task, past: Past) -> Found:
    """What both policies would have done with a lead, and what was done."""
    registry, first, last = task.registry, task.first, task.last
    did = [handed for handed in past.handed if first <= handed.at <= last]
    begin = max(first, past.since)  # before there was a lead, no policy could let it pass
    would = passes(task.draft, registry, past.told, begin, last)
    return Found(
        would=would,
        ways=_ways(task, past, would) if would is not None else (),
        in_force=passes(task.in_force, registry, past.told, begin, last),
        did=did,
        at_handoff=judged_at(task.draft, registry, past.told, did[0].at) if did and would is None else None,
    )


def _ways(task: Task, past: Past, would: Passed) -> list[Way]:
    view = view_at(task.registry, past.told, would.at)
    account = task.team.account_of(company_of(view, past.external_ids))
    return ways_of(task.draft, would.segment, view, task.registry, account)
