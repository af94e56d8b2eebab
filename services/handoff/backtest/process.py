"""A back-test in a process of its own: it computes for long, and the service has to answer meanwhile.

`python -m services.handoff.backtest.process` reads an order from its standard input and writes lines of JSON: how far
it is, and at last the report.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import msgspec

from services.handoff.backtest.reading import KnownBy
from services.handoff.backtest.report import Report
from services.handoff.backtest.run import Task, run
from shared.config.sales import Sales
from shared.config.team import Member, Team
from shared.db import DatabaseUnavailable, connect
from shared.events import PolicyVersion
from shared.fields import Field, FieldRegistry
from shared.policy import Policy
from shared.process import die_with_parent
from shared.settings import Settings

AWAY = 3
"""Exit status: the database could not be reached."""
_LINE_MAX = 64 * 1024 * 1024


class Order(msgspec.Struct, kw_only=True):
    """A task as it goes from process to process."""

    database_url: str
    statement_timeout_s: int
    draft: Policy
    in_force: Policy
    in_force_ref: PolicyVersion
    fields: list[Field]
    members: list[Member]
    sales: Sales
    timezone: str
    first: datetime
    last: datetime
    known_by: KnownBy

    @classmethod
    def of(cls, task: Task, settings: Settings) -> "Order":
        """The order of a task on this installation."""
        return cls(
            database_url=settings.database_url or "",
            statement_timeout_s=settings.statement_timeout_s,
            draft=task.draft,
            in_force=task.in_force,
            in_force_ref=task.in_force_ref,
            fields=list(task.registry),
            members=list(task.team.members),
            sales=task.team.sales,
            timezone=str(task.zone),
            first=task.first,
            last=task.last,
            known_by=task.known_by,
        )

    def task(self) -> Task:
        """The task of this order."""
        return Task(
            draft=self.draft,
            in_force=self.in_force,
            in_force_ref=self.in_force_ref,
            registry=FieldRegistry(self.fields),
            team=Team([], self.members, {}, self.sales),
            zone=ZoneInfo(self.timezone),
            first=self.first,
            last=self.last,
            known_by=self.known_by,
        )


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the process writes: how many leads it has looked at, of how many; the report when it is done."""

    done: int = 0
    leads: int = 0
    report: Report | None = None


async def elsewhere(order: Order) -> AsyncIterator[Line]:
    """The lines of a back-test that runs in a process of its own, which ends when its reader goes away.

    Raises DatabaseUnavailable, or RuntimeError when the process fails in another way.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.handoff.backtest.process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_MAX,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    order_to, told_by = cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)
    try:
        order_to.write(msgspec.json.encode(order))
        order_to.close()
        async for line in told_by:
            yield _DECODER.decode(line)
        status = await process.wait()
        if status == AWAY:
            raise DatabaseUnavailable("a back-test could not reach the database")
        if status != 0:
            raise RuntimeError(f"the process of a back-test ended with {status}")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


_DECODER = msgspec.json.Decoder(Line)


def main() -> None:
    """Do what standard input orders."""
    os.nice(10)  # who waits for an answer of the service comes first
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    settings = Settings(database_url=order.database_url, statement_timeout_s=order.statement_timeout_s)
    try:
        report = asyncio.run(_run(settings, order.task()))
    except DatabaseUnavailable as error:
        print(f"back-test: {error}", file=sys.stderr)
        raise SystemExit(AWAY) from error
    _write(Line(report=report))


async def _run(settings: Settings, task: Task) -> Report:
    engine = connect(settings, "backtest", pool_size=1)
    try:
        return await run(engine, task, lambda done, leads: _write(Line(done=done, leads=leads)))
    finally:
        await engine.dispose()


def _write(line: Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
