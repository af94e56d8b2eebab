"""`tasuki kpi verify` finds nothing where nothing is wrong, and whatever is."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from services.metrics.app import TOPICS
from services.metrics.commands import app
from services.metrics.store import SCHEMA
from services.metrics.verify.check import Report, verify
from shared.clock import SystemClock
from shared.config import Config, load_config
from shared.consume import Consumer
from shared.db import driver, transaction
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import Message
from shared.events import ACTIVITIES, Event, to_message
from shared.settings import Settings
from shared.telemetry import Telemetry
from tests.metrics.company_kpis import OWN as OF_ALL_KINDS
from tests.metrics.desk import call, jpy, observed, step, term, utc, void
from tests.metrics.numbers import Numbers
from tests.metrics.own import CONFIG, config_with, with_config
from tests.metrics.strategies import make
from tests.metrics.test_as_of_event import OWN as AS_OF_EVENT
from tests.metrics.test_money_ratios import OWN as OF_MONEY

TODAY = date(2026, 12, 31)


class Desk:
    """The consumer of metrics on a log, and what verify says of its numbers."""

    def __init__(self, numbers: Numbers, config: Config, settings: Settings, log: EmbeddedLog) -> None:
        self.numbers, self.config, self._settings, self._log = numbers, config, settings, log

    async def append(self, *events: Event | Message) -> None:
        await self._log.append([e if isinstance(e, Message) else to_message(_recorded_then(e)) for e in events])

    async def consume(self) -> None:
        """Take all that is in the log."""
        telemetry = Telemetry("metrics")
        consumer = Consumer(
            engine=self.numbers.engine,
            log=self._log,
            schema=SCHEMA,
            group=SCHEMA,
            member="verified",
            topics=TOPICS,
            handler=self.numbers.fold,
            settings=self._settings,
            clock=SystemClock(),
            telemetry=telemetry,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        while await self._behind():  # noqa: ASYNC110 - the database tells, not an event of ours
            await asyncio.sleep(0.02)
        stop.set()
        await running

    async def _behind(self) -> bool:
        ends = await self._log.ends(TOPICS)
        async with transaction(self.numbers.engine) as conn:
            rows = await (await driver(conn)).fetch("select topic, partition, next_offset from metrics.positions")
        held = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        return any(held.get(at, 0) < end for at, end in ends.items())

    async def tamper(self, statement: str) -> None:
        async with transaction(self.numbers.engine) as conn:
            assert await (await driver(conn)).execute(statement) != "UPDATE 0"

    async def verify(self) -> Report:
        return await verify(
            self.numbers.engine, self._log, self.config, self._settings, TODAY, lambda what, done, total: None
        )


@pytest.fixture
def desk(numbers: Numbers, runner: asyncio.Runner) -> Iterator[Desk]:
    settings = numbers.settings.model_copy(update={"consumer_lease_s": 1.0})

    async def start() -> EmbeddedLog:
        await numbers.reset()
        async with transaction(numbers.engine) as conn:
            await (await driver(conn)).execute(
                "delete from metrics.positions; delete from metrics.dead_letters; delete from log.records;"
                "update log.partitions set next_offset = 0"
            )
        return await EmbeddedLog.open(settings)

    log = runner.run(start())
    yield Desk(numbers, load_config(CONFIG), settings, log)
    runner.run(log.close())


def raw(data: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in data.items()}


def _recorded_then(event: Event) -> Event:
    """Some of the days lie in the future of whoever runs the tests."""
    return msgspec.structs.replace(event, recorded_at=max(event.recorded_at, event.time))


def history() -> list[Event]:
    """Something of every kind, with corrections before and after what they correct."""
    opportunity: dict[str, Any] = {
        "opportunity_id": "O",
        "amount": jpy(1_200_000),
        "credited_rep": "tanaka",
        "owner": "suzuki",
    }
    replaced = {"rep": "nakamura", "direction": "outbound", "outcome": "conversation", "duration_s": 60}
    instead = {"corrects": {"source": "test", "id": "c3"}, "action": "replace", "data": raw(replaced)}
    unfit = {"corrects": {"source": "test", "id": "c1"}, "action": "replace", "data": raw({"outcome": "sung"})}
    spend = {"amount": jpy(90_000), "category": "marketing", "spent_on": "2026-11-05"}
    at = {"appointment_id": "A", "status": "set", "rep": "tanaka", "how_set": "call"}
    used = {"rep": "tanaka", "content": "first-mail", "kind": "template", "language": "ja"}
    stage = {"from": "MQL", "to": "SQL", "cycle": 1, "rule": "r"}
    policy = {"id": "default", "version": 1}
    handoff = {"handoff_id": "H", "rep": "tanaka", "owner": "suzuki", "segment": "smb", "policy": policy}
    return [
        void("x1", utc(2026, 11, 9), "c2"),
        make("lead-created", "l1", "lead-a", utc(2026, 11, 1), {"source": "website", "campaign": "spring-webinar"}),
        observed("f1", "lead-a", employees=350, industry="IT", target_tier="A", needs="confirmed"),
        observed("f2", "lead-b", employees=2500, industry="製造"),
        call("c1", utc(2026, 11, 2, 1), outcome="gatekeeper", duration_s=30),
        call("c2", utc(2026, 11, 3, 1), outcome="conversation"),
        call("c3", utc(2026, 11, 4, 1)),
        call("c4", utc(2026, 11, 30, 14, 59), lead="lead-b", outcome="conversation", duration_s=300),
        call("c5", utc(2026, 11, 30, 15), lead="lead-b"),
        make("correction", "x2", "lead-a", utc(2026, 11, 10), instead),
        make("correction", "x3", "lead-a", utc(2026, 11, 11), unfit),
        make("touch", "t1", "lead-b", utc(2026, 11, 3), {"channel": "email", "direction": "outbound", "rep": "tanaka"}),
        make("content-used", "u1", "lead-a", utc(2026, 11, 4), used | {"channel": "email"}),
        make("content-used", "u2", "lead-b", utc(2026, 11, 4, 16), used | {"kind": "talk"}),
        make("appointment", "a1", "lead-a", utc(2026, 11, 5), at),
        make("stage-changed", "s1", "lead-a", utc(2026, 11, 6), stage),
        make(
            "handoff-created", "h1", "lead-a", utc(2026, 11, 6), handoff | {"policy": {"id": "default", "version": 1}}
        ),
        make("handoff-accepted", "h2", "lead-a", utc(2026, 11, 6, 5), {"handoff_id": "H", "sales_rep": "suzuki"}),
        step("o1", utc(2026, 11, 7), "created", **opportunity),
        step("o2", utc(2026, 11, 8), "valid"),
        step("o3", utc(2026, 11, 20), "won"),
        step("o4", utc(2026, 11, 21), "created", lead="lead-b", opportunity_id="P", amount=jpy(500_000)),
        term("k1", "2026-11-20", "started", 1_000_000),
        term("k2", "2026-12-10", "changed", 2_000_000),
        term("k3", "2026-11-25", "started", 700_000, company="beta", contract_id="L"),
        term("k4", "2026-12-20", "ended", company="beta", contract_id="L"),
        make("spend", "m1", "", utc(2026, 11, 5), spend),
    ]


def test_nothing_differs_of_a_company_s_own_kpis(desk: Desk, runner: asyncio.Runner, tmp_path: Path) -> None:
    desk.config = config_with(tmp_path / "config", "".join([OF_ALL_KINDS, OF_MONEY, AS_OF_EVENT]))
    desk.numbers = with_config(desk.numbers, desk.config)
    runner.run(desk.numbers.reset())
    runner.run(desk.append(*history()))
    runner.run(desk.consume())
    report = runner.run(desk.verify())
    assert report.differences == []
    assert report.kpis == len(list(desk.numbers.catalogue))


def test_nothing_differs_from_the_log(desk: Desk, runner: asyncio.Runner) -> None:
    garbage = Message(ACTIVITIES, "lead-a", (("ce_id", b"1"),), b"{")

    async def scenario() -> Report:
        await desk.append(*history(), *history()[4:8], garbage)
        await desk.consume()
        return await desk.verify()

    report = runner.run(scenario())
    assert report.differences == []
    assert (report.events, report.duplicates, report.set_aside) == (len(history()), 4, 1)
    assert report.kpis == len(list(desk.numbers.catalogue))
    assert report.cells > 1_000


def test_what_comes_after_the_positions_is_left_alone(desk: Desk, runner: asyncio.Runner) -> None:
    async def scenario() -> Report:
        await desk.append(*history())
        await desk.consume()
        await desk.append(call("later", utc(2026, 11, 12)))
        return await desk.verify()

    report = runner.run(scenario())
    assert report.differences == []
    assert report.events == len(history())


def test_a_changed_cell_is_found(desk: Desk, runner: asyncio.Runner) -> None:
    async def scenario() -> Report:
        await desk.append(*history())
        await desk.consume()
        await desk.tamper(
            "update metrics.cells c set n = n + 1 from metrics.dimensions d where d.id = c.dimensions"
            " and d.name = 'activity' and d.outcome = 'gatekeeper'"
        )
        return await desk.verify()

    report = runner.run(scenario())
    found = {(d.what, d.live, d.recounted) for d in report.differences if "period=2026-11-02" in d.where}
    assert ("calls", "value 2", "value 1") in found
    assert {"connects", "connect_rate", "expected_weekly_connects"} <= {d.what for d in report.differences}
    assert not {"leads", "deals", "arr", "event"} & {d.what for d in report.differences}


def test_a_lost_cell_and_an_invented_one_are_found(desk: Desk, runner: asyncio.Runner) -> None:
    async def scenario() -> Report:
        await desk.append(*history())
        await desk.consume()
        await desk.tamper("update metrics.cells set day = day + 1 where hour = 10 and day = '2026-11-02'")
        return await desk.verify()

    calls = [d for d in runner.run(scenario()).differences if d.what == "calls" and "rep=" in d.where]
    assert [(d.live, d.recounted) for d in calls] == [("missing", "value 1"), ("value 1", "missing")]


def test_an_event_that_is_not_stored_is_found(desk: Desk, runner: asyncio.Runner) -> None:
    async def scenario() -> Report:
        await desk.append(*history())
        await desk.consume()
        await desk.tamper("delete from metrics.events where id = 'c1'")
        return await desk.verify()

    differences = runner.run(scenario()).differences
    assert [(d.what, d.where, d.live, d.recounted) for d in differences] == [("event", "test/c1", "missing", "there")]


def test_a_stored_event_that_says_something_else_is_found(desk: Desk, runner: asyncio.Runner) -> None:
    async def scenario() -> Report:
        await desk.append(*history())
        await desk.consume()
        await desk.tamper("update metrics.events set time = time + interval '1 day' where id = 'c1'")
        return await desk.verify()

    assert [(d.what, d.where) for d in runner.run(scenario()).differences] == [("event", "test/c1")]


def test_positions_that_moved_without_their_events_are_found(desk: Desk, runner: asyncio.Runner) -> None:
    async def scenario() -> Report:
        await desk.append(*history())
        await desk.consume()
        await desk.append(call("skipped", datetime(2026, 11, 12, 3, tzinfo=UTC)))
        await desk.tamper(
            "update metrics.positions p set next_offset = l.next_offset from log.partitions l"
            " where l.topic = p.topic and l.partition = p.partition"
        )
        return await desk.verify()

    report = runner.run(scenario())
    assert ("event", "test/skipped") in {(d.what, d.where) for d in report.differences}
    missing = {d.what for d in report.differences if "period=2026-11-12" in d.where and d.live == "missing"}
    assert {"calls", "touches", "connect_rate"} <= missing


def test_positions_beyond_the_log_are_found(desk: Desk, runner: asyncio.Runner) -> None:
    async def scenario() -> Report:
        await desk.append(*history())
        await desk.consume()
        await desk.tamper("update metrics.positions set next_offset = next_offset + 5 where topic like '%activities%'")
        return await desk.verify()

    assert {d.what for d in runner.run(scenario()).differences} == {"position"}


def test_a_value_is_not_hidden_by_an_answer_without_one(desk: Desk, runner: asyncio.Runner) -> None:
    unknown = {"field": "employees", "method": "hearing", "source": "website", "status": "unknown"}
    later = unknown | {"observation_id": "later", "observed_at": "2026-11-03T00:00:00Z"}
    earlier = unknown | {"observation_id": "earlier", "observed_at": "2026-11-02T00:00:00Z", "value": 350}

    async def scenario() -> Report:
        for n, said in enumerate((earlier, later)):
            await desk.append(make("lead-fields", f"f{n}", "lead-a", utc(2026, 11, 3), {"observations": [said]}))
        await desk.append(call("c", utc(2026, 11, 4)))
        await desk.consume()
        return await desk.verify()

    assert runner.run(scenario()).differences == []
    assert [row["segment"] for row in runner.run(desk.numbers.ask("calls", "all", ["segment"]))] == ["smb"]


ADDED = """
  - id: email_appointments
    name: {ja: メールからのアポ, en: Appointments by e-mail}
    definition: {ja: メールで獲得したアポイントの数。, en: Appointments that were set by e-mail.}
    purpose: {ja: 文面を比べる。, en: Compares texts.}
    unit: count
    class: result
    kind: count
    owner: inside_sales
    good: up
    facts: {name: appointment, channel: [call, email], tier: {not: [C]}}
  - id: calls_per_deal
    name: {ja: 成約あたりの架電, en: Calls per deal}
    definition: {ja: 架電数 ÷ 成約数。, en: Calls per deal of the period.}
    purpose: {ja: 手間を見積もる。, en: Tells the effort.}
    unit: ratio
    class: efficiency
    kind: ratio
    owner: inside_sales
    good: down
    numerator: calls
    denominator: deals
"""


def test_a_kpi_that_is_yaml_alone_is_verified_too(desk: Desk, runner: asyncio.Runner, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    with (folder / "kpis.yaml").open("a", encoding="utf-8") as file:
        file.write(ADDED)
    desk.config = load_config(folder)

    async def scenario(statement: str | None) -> Report:
        if statement:
            await desk.tamper(statement)
        else:
            await desk.append(*history())
            await desk.consume()
        return await desk.verify()

    report = runner.run(scenario(None))
    assert report.differences == []
    assert report.kpis == len(list(desk.numbers.catalogue)) + 2
    lost = "delete from metrics.cells using metrics.dimensions d where d.id = dimensions and d.name = 'appointment'"
    report = runner.run(scenario(lost))
    assert "email_appointments" in {d.what for d in report.differences}
    assert "calls_per_deal" not in {d.what for d in report.differences}


def test_the_command_tells_by_its_status(
    desk: Desk, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, module_database_url: str
) -> None:
    monkeypatch.setenv("TASUKI_DATABASE_URL", module_database_url)

    async def seed() -> None:
        await desk.append(*history())
        await desk.consume()

    runner.run(seed())
    right = CliRunner().invoke(app, ["verify"])
    assert right.exit_code == 0, right.output
    assert right.stdout.startswith(f"none: {len(list(desk.numbers.catalogue))} KPIs, ")
    runner.run(desk.tamper("update metrics.cells set total = total + 1 where total > 0"))
    wrong = CliRunner().invoke(app, ["verify"])
    assert wrong.exit_code == 1
    assert "booked_amount" in wrong.stdout
    assert "differences" in wrong.stdout
