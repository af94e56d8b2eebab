"""Makes every number anew from the stored events, in one transaction: who asks meanwhile gets the old numbers."""

import time

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.contributions.rules import Rules
from services.metrics.recompute import Recomputation
from shared.db import driver, transaction

FINGERPRINT = "fold_fingerprint"
REBUILDS = "rebuilds"

_log = structlog.get_logger(__name__)


async def rebuild(engine: AsyncEngine, rules: Rules, *, only_if_stale: bool = False) -> int | None:
    """Recompute all cells and digests; the number of events gone through, None when nothing was stale.

    Consumers wait until it is done. `only_if_stale`: only when the numbers were made by other rules than these.
    """
    started = time.monotonic()
    async with transaction(engine) as conn:
        raw = await driver(conn)
        await raw.execute("set local statement_timeout = 0")
        await raw.execute("set local lock_timeout = 0")
        await raw.execute("set local idle_in_transaction_session_timeout = 0")
        await store.lock_world(raw, exclusive=True)
        if only_if_stale and await store.get_meta(raw, FINGERPRINT) == rules.fingerprint:
            return None
        await raw.execute("delete from metrics.cells")
        await raw.execute("delete from metrics.leads")
        events = await Recomputation(engine, raw, rules, cells="metrics.cells", leads=True).run()
        await store.set_meta(raw, FINGERPRINT, rules.fingerprint)
        await store.set_meta(raw, REBUILDS, str(1 + int(await store.get_meta(raw, REBUILDS) or 0)))
    _log.info("rebuilt", events=events, seconds=round(time.monotonic() - started, 3))
    return events
