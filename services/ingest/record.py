"""The transaction of ingest: whatever waits at the same moment is stored, and told to the log, in one commit."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ingest.group import GroupCommit
from services.ingest.items import Activity, Outcome, Submission
from services.ingest.record_activities import record_activities
from services.ingest.record_submissions import record_submissions
from shared.clock import Clock
from shared.db import in_transaction

Item = TypeVar("Item")
Record = Callable[[AsyncConnection, Sequence[Item], datetime, frozenset[str]], Awaitable[list[Outcome]]]


class Recorder:
    """The two queues of ingest: `activities` and `submissions`. `submit` answers when the items are durable.

    personal: ids of the fields that hold personal data; what the log is told of them is sealed.
    scan_websites: have a website that becomes known looked at for tags.
    """

    def __init__(
        self, engine: AsyncEngine, clock: Clock, personal: frozenset[str], *, scan_websites: bool = False
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._personal = personal
        self.scan_websites = scan_websites
        self.activities: GroupCommit[Activity, Outcome] = GroupCommit(self._in_transaction(record_activities))
        self.submissions: GroupCommit[Submission, Outcome] = GroupCommit(
            self._in_transaction(partial(record_submissions, scan_websites=scan_websites))
        )

    def _in_transaction(self, record: Record[Item]) -> Callable[[Sequence[Item]], Awaitable[list[Outcome]]]:
        async def commit(items: Sequence[Item]) -> list[Outcome]:
            return await in_transaction(
                self._engine, lambda conn: record(conn, items, self._clock.now(), self._personal)
            )

        return commit
